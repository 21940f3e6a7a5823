"""The reader of Parquet files: one row group in memory at a time, and never a whole file."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator
from itertools import repeat
from typing import Any

from anthropic_batches_provider.batches.arrow_types import declared_types
from anthropic_batches_provider.batches.rows.arrow.arrow_streams import (
    LARGE_BYTES,
    ArrowSource,
    batches_of,
    cut_short,
    import_pyarrow,
    joined_files,
    reading,
    refuse_other_format,
)
from anthropic_batches_provider.batches.rows.arrow.arrow_values import BATCH_ROWS, check_names, rows_of_batch
from anthropic_batches_provider.batches.rows.arrow.int96 import columns_that_differ, has_int96
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError, RowFile
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

log = logging.getLogger(__name__)

_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_VERSION_FIELD = b"\x15"  # how a footer begins: its first field is the version
_SHOWN_BEGINNING = 16


def read_rows(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the rows of a Parquet file; an error in place of a row with a value that cannot be read exactly.

    Where the file has checksums of its pages, they are checked.

    :raises BrokenFileError: the bytes of the file are damaged.
    :raises ConfigurationError: it is no Parquet file, its end is missing, it is several files joined to one, it has two
        columns of the same name, or pyarrow cannot read it or is not installed.
    """
    import_pyarrow(file.name)
    source = ArrowSource(file.stream)
    _check_ends(file, source)
    with reading(file, source):
        parquet = _open(source)
        _check_joints(file, source, parquet.metadata)
        schema, expected = parquet.schema_arrow, parquet.metadata.num_rows
        in_nanoseconds = _open(source, "ns") if has_int96(parquet.schema) else None
        moments = columns_that_differ(schema, in_nanoseconds.schema_arrow) if in_nanoseconds else []
        declared = {name: text for name, text in declared_types(schema).items() if name not in moments}
    check_names(schema.names, source=file.name)
    file.schema.declare(declared)
    _warn_of_large_groups(file, parquet.metadata)
    seconds = _batches(in_nanoseconds, file, source, columns=moments) if in_nanoseconds else repeat(None)
    found = 0
    for batch in _batches(parquet, file, source):
        yield from rows_of_batch(
            batch,
            source=file.name,
            row_number=file.first_row_number + found,
            row_in_source=found,
            second=next(seconds),
        )
        found += batch.num_rows
    if found != expected:
        raise BrokenFileError(f"it holds {found:,} rows, but its end says {expected:,}. Write or copy the file again.")


def _open(source: ArrowSource, int96_unit: str = "us") -> Any:
    from pyarrow import parquet

    return parquet.ParquetFile(
        source, pre_buffer=False, page_checksum_verification=True, coerce_int96_timestamp_unit=int96_unit
    )


def _batches(parquet: Any, file: RowFile, source: ArrowSource, columns: list[str] | None = None) -> Iterator[Any]:
    return batches_of(parquet.iter_batches(BATCH_ROWS, columns=columns, use_threads=False), file, source)


def _check_ends(file: RowFile, source: ArrowSource) -> None:
    beginning = source.beginning(_SHOWN_BEGINNING)
    if beginning.startswith(_ENCRYPTED):
        raise ConfigurationError(
            f"{file.name} is an encrypted Parquet file. Give a function that yields its rows, with the keys. Nothing "
            "was sent."
        )
    if not beginning.startswith(_MAGIC):
        refuse_other_format(file, beginning)
    if source.ending(len(_MAGIC)) != _MAGIC or len(beginning) < 3 * len(_MAGIC):
        raise cut_short(file)


def _check_joints(file: RowFile, source: ArrowSource, metadata: Any) -> None:
    """Check that no other file ends between the last data that the footer names and the footer itself.

    After a join, its offsets lead to the data of the first file. Indexes and Bloom filters stand there, too, and an
    index may hold any text: an end counts only with a footer before it.

    :raises ConfigurationError: one does.
    """
    after = source.seek(0, io.SEEK_END) - 2 * len(_MAGIC)
    footer = after - struct.unpack("<I", source.at(after, 4))[0]
    for position in source.positions(_MAGIC * 2, _end_of_data(metadata), footer):
        (size,) = struct.unpack("<I", source.at(position - 4, 4))
        start = position - 4 - size
        if start < len(_MAGIC) or source.at(start, 1) != _VERSION_FIELD:
            continue
        if _is_footer(source.at(start, size + 4 + len(_MAGIC))):
            raise joined_files(file)


def _is_footer(ending: bytes) -> bool:
    """Return whether a file may end so, and not with text that looks like it."""
    import pyarrow
    from pyarrow import parquet

    try:
        parquet.read_metadata(io.BytesIO(_MAGIC + ending))
    except (pyarrow.ArrowException, OSError):
        return False
    return True


def _end_of_data(metadata: Any) -> int:
    """Return where the last column of the last row group ends."""
    end = len(_MAGIC)
    if metadata.num_row_groups:
        group = metadata.row_group(metadata.num_row_groups - 1)
        for column in map(group.column, range(group.num_columns)):
            start = column.data_page_offset
            if column.dictionary_page_offset:
                start = min(start, column.dictionary_page_offset)
            end = max(end, start + column.total_compressed_size)
    return end


def _warn_of_large_groups(file: RowFile, metadata: Any) -> None:
    sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
    largest = max(sizes, default=0)
    if largest > LARGE_BYTES:
        log.warning(
            "%s has a row group of %s MB (of %s in all), which is held in memory at once. If the worker runs out of "
            "memory, write smaller row groups: row_group_size= of pyarrow and pandas, parquet.block.size of Spark.",
            file.name, f"{largest >> 20:,}", len(sizes),
        )  # fmt: skip
