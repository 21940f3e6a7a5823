"""The single list of formats for files of rows. A new format needs a module with its reader, and an entry here.

Readers import heavy packages such as pyarrow inside their functions, so that this module stays cheap to import.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from anthropic_batches_provider.batches.file_options import (
    OPTIONS_OF_FORMATS,
    FileOptions,
    ReadDetails,
    no_details,
)
from anthropic_batches_provider.batches.requests import ReadyLine
from anthropic_batches_provider.batches.rows import delimited_text, json_lines, whole_files
from anthropic_batches_provider.batches.rows.arrow import arrow_files, parquet_files
from anthropic_batches_provider.batches.rows.arrow.arrow_streams import refuse_ready_requests
from anthropic_batches_provider.batches.rows.excel import workbooks
from anthropic_batches_provider.batches.rows.partitions import Partitions, partition_columns
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError, RowFile
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.batches.rows.splices import Splice, SplicedRow
from anthropic_batches_provider.batches.rows.unpacking import PACKED_SUFFIXES
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

RowReader = Callable[[RowFile], Iterator[dict[str, Any] | SplicedRow | InvalidRowError]]
ReadyRequestReader = Callable[[RowFile], Iterator[ReadyLine | dict[str, Any] | InvalidRowError]]


@dataclass(frozen=True, kw_only=True)
class RowFormat:
    """How one kind of file is read.

    A reader lets :class:`.BrokenFileError` pass. In place of a row that it cannot read, it yields an
    :class:`.InvalidRowError`, with the file's name and a row number that counts from ``first_row_number``. It raises
    that error if the rows after it cannot be read either.

    :ivar name: the name in errors.
    :ivar option: the value of ``format=``.
    :ivar is_table: whether folders named ``name=value`` add columns.
    :ivar suffixes: suffixes of file names, in lower case and with a dot; ``.gz`` or ``.zst`` may follow.
    :ivar read_rows: yields the rows of a file as dicts.
    :ivar read_ready_requests: yields ready requests faster than as dicts; None if there is no faster way.
    """

    name: str
    option: str
    suffixes: tuple[str, ...]
    read_rows: RowReader
    read_ready_requests: ReadyRequestReader | None = None
    is_table: bool = False

    @property
    def options(self) -> frozenset[str]:
        """Which other options of :class:`.FileOptions` the reader uses."""
        return OPTIONS_OF_FORMATS.get(self.option, frozenset())

    def reader(self, *, ready_requests: bool) -> RowReader | ReadyRequestReader:
        if ready_requests and self.read_ready_requests is not None:
            return self.read_ready_requests
        return self.read_rows


JSON_LINES = RowFormat(
    name="JSON Lines",
    option="jsonl",
    suffixes=(".jsonl", ".ndjson"),
    read_rows=json_lines.read_objects,
    read_ready_requests=json_lines.read_ready_requests,
)
JSON = replace(JSON_LINES, name="JSON", option="json", suffixes=(".json",))
CSV = RowFormat(
    name="CSV",
    option="csv",
    suffixes=(".csv",),
    read_rows=delimited_text.read_csv,
    read_ready_requests=delimited_text.refuse_ready_requests,
    is_table=True,
)
TSV = replace(CSV, name="TSV", option="tsv", suffixes=(".tsv", ".tab"), read_rows=delimited_text.read_tsv)
PARQUET = RowFormat(
    name="Parquet",
    option="parquet",
    suffixes=(".parquet", ".pq"),
    read_rows=parquet_files.read_rows,
    read_ready_requests=refuse_ready_requests,
    is_table=True,
)
ARROW = RowFormat(
    name="Arrow",
    option="arrow",
    suffixes=(".arrow", ".feather", ".ipc", ".arrows"),
    read_rows=arrow_files.read_rows,
    read_ready_requests=refuse_ready_requests,
    is_table=True,
)
WORKBOOK = RowFormat(
    name="Excel workbook",
    option="xlsx",
    suffixes=(".xlsx", ".xlsm"),
    read_rows=workbooks.read_workbook,
    read_ready_requests=workbooks.refuse_ready_requests,
    is_table=True,
)
WHOLE_FILES = RowFormat(
    name="whole files",
    option="whole",
    suffixes=(),
    read_rows=whole_files.read_whole,
)
ROW_FORMATS: tuple[RowFormat, ...] = (JSON_LINES, JSON, CSV, TSV, PARQUET, ARROW, WORKBOOK, WHOLE_FILES)


def find_format(file_name: str, option: str | None = None) -> RowFormat:
    """Return the format that a file's name indicates; an unknown suffix counts as JSON Lines.

    :param option: the value of ``format=``, which decides if it is given.
    """
    if option is not None:
        return next(each for each in ROW_FORMATS if each.option == option)
    plain_name = file_name.lower()
    for suffix in PACKED_SUFFIXES:
        plain_name = plain_name.removesuffix(suffix)
    return next((each for each in ROW_FORMATS if plain_name.endswith(each.suffixes)), JSON_LINES)


def read_row_file(
    stream: BinaryIO,
    *,
    name: str,
    first_row_number: int = 0,
    ready_requests: bool = False,
    digits_of: Collection[str] | None = None,
    options: FileOptions | None = None,
    details: ReadDetails = no_details,
    schema: SourceSchema | None = None,
    splice: Splice | None = None,
    partitions: Partitions | None = None,
) -> Generator[Any, None, int]:
    """Yield the rows of an open file, and return the number of the row that would come next.

    In place of a row that cannot be read, an :class:`.InvalidRowError` is yielded.

    :param stream: the open file, which is not closed; :class:`.RowFile` says which methods it needs.
    :param name: the file's name, which determines the format.
    :param first_row_number: number of rows before this file, so that errors number the rows of the whole input.
    :param ready_requests: whether the rows are ready requests; they may then come as :class:`.ReadyLine`.
    :param digits_of: the columns whose numbers must keep the digits of the file; None for all.
    :param options: what the DAG says of the file.
    :param details: asks the store for the file's size and age.
    :param schema: takes the types of columns that the file itself tells.
    :param splice: makes a row of a line of JSON, where it can; None if no row can be made so.
    :param partitions: adds the columns of the file's folders to a table; the same object for all files of an input.
    :raises InvalidRowError: the file is damaged. The message names file and place.
    :raises ConfigurationError: the file has another format, or its end is missing. The message names the way in.
    """
    options = options or FileOptions()
    file_format = find_format(name, options.format)
    _check_options(name, file_format, options)
    file = RowFile(
        stream=stream,
        name=name,
        format_name=file_format.name,
        first_row_number=first_row_number,
        digits_of=digits_of,
        options=options,
        details=details,
        schema=schema or SourceSchema(),
        splice=splice,
    )
    read = file_format.reader(ready_requests=ready_requests)
    row_number = first_row_number
    declarations = file.schema.declarations
    try:
        rows: Iterator[Any] = read(file)
        if file_format.is_table and (columns := partition_columns(name)):
            rows = (partitions or Partitions()).add(rows, columns, name)
        for row in rows:
            yield row
            row_number += 1
    except BrokenFileError as error:
        place = name if error.after_line is None else f"{name}, after line {error.after_line}"
        raise InvalidRowError(f"{place}: {error}", row_number=row_number) from error
    if row_number > first_row_number and file.schema.declarations == declarations:
        file.schema.declare_nothing()
    return row_number


def _check_options(name: str, file_format: RowFormat, options: FileOptions) -> None:
    """Refuse options that a file's format does not use: the DAG means another file, or another format.

    :raises ConfigurationError: names the file and the option.
    """
    unused = options.given().keys() - {"format"} - file_format.options
    if unused:
        raise ConfigurationError(
            f"{name} is read as {file_format.name}, which does not use {min(unused)}=. Leave it out; for files "
            "of several formats, give rows= a list with a files(…) for each. Nothing was sent."
        )
