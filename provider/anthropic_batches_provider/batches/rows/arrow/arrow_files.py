"""The reader of Arrow's own files: the file format, which is also Feather's, and the stream format, batch by batch."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anthropic_batches_provider.batches.arrow_types import declared_types
from anthropic_batches_provider.batches.requests.wording import reason, shortened
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
from anthropic_batches_provider.batches.rows.arrow.arrow_values import check_names, rows_of_batch
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError, RowFile
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

log = logging.getLogger(__name__)

_FILE_MAGIC = b"ARROW1"
_STREAM_MAGIC = b"\xff\xff\xff\xff"
_FEATHER_1 = b"FEA1"
_JOINT = _FILE_MAGIC * 2 + bytes(2)
_SHOWN_BEGINNING = 16
_DICTIONARIES, _BATCHES = 2, 3  # the fields of the table Footer


def read_rows(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the rows of an Arrow file or stream; an error in place of a row with a value that cannot be read exactly.

    The first bytes show which of the two it is.

    :raises BrokenFileError: the bytes of the file are damaged.
    :raises ConfigurationError: it is neither, its end is missing or another file follows, it has two columns of the
        same name, or pyarrow cannot read it or is not installed.
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
        _check_joints(file, source)
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
        _check_nothing_follows(file, source)

    return schema, batches()


def _check_joints(file: RowFile, source: ArrowSource) -> None:
    """Check that no other file ends between the last data that the footer names and the footer itself.

    After a join, its offsets lead to the data of the first file.

    :raises ConfigurationError: one does.
    """
    size = source.seek(0, io.SEEK_END)
    after = size - len(_FILE_MAGIC) - 4
    (footer_bytes,) = struct.unpack("<i", source.at(after, 4))
    start = after - footer_bytes
    if any(source.positions(_JOINT, _end_of_data(source.at(start, footer_bytes)), start)):
        raise joined_files(file)


def _end_of_data(footer: bytes) -> int:
    """Return where the last batch or dictionary ends.

    :param footer: a flatbuffer that pyarrow has checked. Its table Footer has two vectors of the struct Block: offset,
        length of the metadata, length of the body. See https://github.com/apache/arrow/blob/main/format/File.fbs.
    """
    (table,) = struct.unpack_from("<I", footer)
    fields = table - struct.unpack_from("<i", footer, table)[0]
    (fields_bytes,) = struct.unpack_from("<H", footer, fields)
    end = len(_FILE_MAGIC) + 2
    for number in (_DICTIONARIES, _BATCHES):
        place = 4 + 2 * number
        field = struct.unpack_from("<H", footer, fields + place)[0] if place < fields_bytes else 0
        if field:
            vector = table + field + struct.unpack_from("<I", footer, table + field)[0]
            (count,) = struct.unpack_from("<I", footer, vector)
            blocks = struct.iter_unpack("<qi4xq", footer[vector + 4 :][: 24 * count])
            end = max(end, *map(sum, blocks)) if count else end
    return end


def _check_nothing_follows(file: RowFile, source: ArrowSource) -> None:
    """Check that the file ends with its stream.

    :raises ConfigurationError: it does not.
    """
    rest = source.read(len(_STREAM_MAGIC))
    if rest.startswith(_STREAM_MAGIC):
        raise joined_files(file)
    if rest:
        raise ConfigurationError(
            f"{file.name} goes on after the end of its {file.format_name} stream, with {shortened(rest)!r}: it is not "
            "known which rows would be left out. Write or copy the file again. Nothing was sent."
        )


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
