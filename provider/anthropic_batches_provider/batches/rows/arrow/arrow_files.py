"""The reader of Arrow's own files: the file format, which is also Feather's, and the stream format, batch by batch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anthropic_batches_provider.batches.requests.wording import reason, shortened
from anthropic_batches_provider.batches.rows.arrow.arrow_streams import (
    LARGE_BYTES,
    ArrowSource,
    batches_of,
    cut_short,
    import_pyarrow,
    reading,
    refuse_other_format,
)
from anthropic_batches_provider.batches.rows.arrow.arrow_types import declared_types
from anthropic_batches_provider.batches.rows.arrow.arrow_values import check_names, rows_of_batch
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError, RowFile
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

log = logging.getLogger(__name__)

_FILE_MAGIC = b"ARROW1"
_STREAM_MAGIC = b"\xff\xff\xff\xff"
_FEATHER_1 = b"FEA1"
_SHOWN_BEGINNING = 16


def read_rows(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the rows of an Arrow file or stream; an error in place of a row with a value that cannot be read exactly.

    The first bytes show which of the two it is.

    :raises BrokenFileError: the bytes of the file are damaged.
    :raises ConfigurationError: it is neither, its end is missing, it has two columns of the same name, or pyarrow
        cannot read it or is not installed.
    """
    import_pyarrow(file.name)
    source = ArrowSource(file.stream)
    beginning = source.beginning(_SHOWN_BEGINNING)
    if beginning.startswith(_FILE_MAGIC):
        if source.ending(len(_FILE_MAGIC)) != _FILE_MAGIC or len(beginning) < _SHOWN_BEGINNING:
            raise cut_short(file)
        schema, batches = _open_file(file, source)
    elif beginning.startswith(_STREAM_MAGIC):
        schema, batches = _open_stream(file, source)
    elif beginning.startswith(_FEATHER_1):
        raise ConfigurationError(
            f"{file.name} is a Feather file of version 1, which is no Arrow file. Write it again: "
            "`pyarrow.feather.write_feather(pyarrow.feather.read_table(old), new)`. Nothing was sent."
        )
    else:
        refuse_other_format(file, beginning)
    check_names(schema.names, source=file.name)
    file.schema.declare(declared_types(schema))
    yield from _rows(file, batches)


def _rows(file: RowFile, batches: Iterator[Any]) -> Iterator[dict[str, Any] | InvalidRowError]:
    found = 0
    is_large_known = False
    for batch in batches:
        _check_batch(batch)
        if batch.nbytes > LARGE_BYTES and not is_large_known:
            is_large_known = True
            log.warning(
                "%s has a batch of %s MB from row %s on, which is held in memory at once. If the worker runs out of "
                "memory, write smaller batches: max_chunksize= of pyarrow, chunksize= of Feather.",
                file.name, f"{batch.nbytes >> 20:,}", f"{found:,}",
            )  # fmt: skip
        yield from rows_of_batch(batch, source=file.name, row_number=file.first_row_number + found, row_in_source=found)
        found += batch.num_rows


def _open_file(file: RowFile, source: ArrowSource) -> tuple[Any, Iterator[Any]]:
    from pyarrow import ipc

    with reading(file, source):
        reader = ipc.open_file(source)
        schema, count = reader.schema, reader.num_record_batches
    return schema, batches_of(map(reader.get_batch, range(count)), file, source)


def _open_stream(file: RowFile, source: ArrowSource) -> tuple[Any, Iterator[Any]]:
    from pyarrow import ipc

    with _whole(file, source), reading(file, source):
        reader = ipc.open_stream(source)
        schema = reader.schema

    def batches() -> Iterator[Any]:
        found = batches_of(iter(reader), file, source)
        while True:
            with _whole(file, source):
                batch = next(found, None)
            if batch is None:
                break
            yield batch
        if source.reached_end:  # pyarrow takes a missing end for the end
            raise cut_short(file)

    return schema, batches()


@contextmanager
def _whole(file: RowFile, source: ArrowSource) -> Iterator[None]:
    """Say that the end of a stream is missing where damage is found because there are no more bytes.

    :raises ConfigurationError: it is.
    """
    try:
        yield
    except BrokenFileError as error:
        if source.reached_end:
            raise cut_short(file) from error
        raise


def _check_batch(batch: Any) -> None:
    """Check that the offsets in a batch lead into its bytes: pyarrow takes them from the file as they are.

    A value that is none of its type, such as a time of 25:00, is a matter of its row.

    :raises BrokenFileError: they do not.
    """
    try:
        batch.validate(full=True)
    except ValueError:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            _check_column(name, column)


def _check_column(name: str, column: Any) -> None:
    try:
        column.view(_layout(column.type)).validate(full=True)
    except (ValueError, NotImplementedError) as error:
        raise BrokenFileError(
            f"the bytes of the file are damaged (column {shortened(name)!r}: {reason(error)}). Write or copy the file "
            "again."
        ) from error


def _layout(kind: Any) -> Any:
    """Return a type that is stored in the same way, of which every value is one."""
    import pyarrow
    from pyarrow import types

    if types.is_time32(kind):
        return pyarrow.int32()
    if types.is_time64(kind) or types.is_date64(kind):
        return pyarrow.int64()
    if types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        return pyarrow.struct([(field.name, _layout(field.type)) for field in fields])
    if types.is_map(kind):
        return pyarrow.map_(_layout(kind.key_type), _layout(kind.item_type))
    if types.is_dictionary(kind):
        return pyarrow.dictionary(kind.index_type, _layout(kind.value_type))
    if types.is_list(kind):
        return pyarrow.list_(_layout(kind.value_type))
    if types.is_large_list(kind):
        return pyarrow.large_list(_layout(kind.value_type))
    texts = {
        pyarrow.string(): pyarrow.binary(),
        pyarrow.large_string(): pyarrow.large_binary(),
        pyarrow.string_view(): pyarrow.binary_view(),
    }
    return texts.get(kind, kind)
