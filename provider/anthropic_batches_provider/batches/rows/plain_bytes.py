"""The plain bytes of a file of rows: unpacked, text as UTF-8 without a byte order mark, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from anthropic_batches_provider.batches.byte_lines import LineTooLongError, grouped_lines
from anthropic_batches_provider.batches.file_options import FileOptions, ReadDetails, no_details
from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.batches.rows.splices import Splice
from anthropic_batches_provider.batches.rows.text_encodings import as_utf8, other_encoding
from anthropic_batches_provider.batches.rows.unpacking import BrokenFileError, unpacked
from anthropic_batches_provider.batches.rows.wrong_formats import RECOGNIZED_BYTES, check_bytes, check_long_line

__all__ = ["MAX_LINE_BYTES", "BrokenFileError", "RowFile"]

MAX_LINE_BYTES = MAX_BYTES_PER_BATCH
"""A longer line cannot be a row. The limit keeps a file without line ends from filling the memory."""

_READ_BYTES = 1 << 18
_UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class RowFile:
    """An open file of rows, as a format's reader receives it. It can be read only once.

    :ivar stream: the raw bytes. Most formats need only ``read(n)``; a format may also seek. The reader does not close
        it.
    :ivar name: the file's name, used in errors.
    :ivar format_name: the name of its format, used in errors.
    :ivar first_row_number: number of rows before this file, so that errors number the rows of the whole input.
    :ivar digits_of: the columns whose numbers must keep the digits of the file; None for all.
    :ivar options: what the DAG says of the file.
    :ivar details: asks the store for the file's size and age.
    :ivar schema: takes the types of columns that the file itself tells.
    :ivar splice: makes a row of a line of JSON, where it can; None if no row can be made so.
    """

    stream: BinaryIO
    name: str
    format_name: str
    first_row_number: int = 0
    digits_of: Collection[str] | None = None
    options: FileOptions = field(default_factory=FileOptions)
    details: ReadDetails = no_details
    schema: SourceSchema = field(default_factory=SourceSchema)
    splice: Splice | None = None

    def unpacked_chunks(self) -> Iterator[bytes]:
        """Yield the bytes in bounded chunks, unpacked if needed; the first shows what the file is.

        :raises BrokenFileError: as :func:`.unpacked`.
        :raises ConfigurationError: as :func:`.unpacked`.
        """
        return _with_whole_beginning(unpacked(_with_whole_beginning(_read_chunks(self.stream)), name=self.name))

    def plain_chunks(self) -> Iterator[bytes]:
        """Yield text in bounded chunks, unpacked if needed, as UTF-8 without a byte order mark.

        Bytes that the option ``encoding`` does not know become bytes that are no UTF-8; see :mod:`.text_encodings`.

        :raises BrokenFileError: as :meth:`unpacked_chunks`.
        :raises ConfigurationError: as :meth:`unpacked_chunks`.
        """
        return self._as_plain_text(self.unpacked_chunks())

    def _as_plain_text(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        encoding = other_encoding(self.options.encoding)
        if encoding is not None:
            chunks = _with_whole_beginning(as_utf8(chunks, encoding))
        yield next(chunks, b"").removeprefix(_UTF8_BOM)
        yield from chunks

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the plain bytes with their line feed, which only the last may lack.

        :raises BrokenFileError: as :meth:`plain_chunks`, or a line is longer than :data:`MAX_LINE_BYTES`.
        :raises ConfigurationError: the first bytes are those of another format; see :mod:`.wrong_formats`.
        """
        return chain.from_iterable(self._grouped_lines())

    def _grouped_lines(self) -> Iterator[list[bytes]]:
        after_line = 0
        try:
            for lines in grouped_lines(self._chunks_of_text(), missing_end=b"", max_line_bytes=MAX_LINE_BYTES):
                yield lines
                after_line += len(lines)
        except LineTooLongError as error:
            check_long_line(error.beginning, name=self.name, is_first=not after_line)
            raise BrokenFileError(
                f"a line of more than {MAX_LINE_BYTES:,} bytes, which cannot be a row. Check that this is a "
                f"{self.format_name} file. It begins: {shortened(error.beginning)}",
                after_line=after_line,
            ) from error
        except BrokenFileError as error:
            raise BrokenFileError(str(error), after_line=after_line) from error

    def _chunks_of_text(self) -> Iterator[bytes]:
        chunks = self.unpacked_chunks()
        first = next(chunks, b"")
        check_bytes(first, name=self.name, format_name=self.format_name, encoding=self.options.encoding)
        return self._as_plain_text(chain((first,), chunks))


def _read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_READ_BYTES):
        yield chunk


def _with_whole_beginning(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes; the first chunk has all that show packed data, a byte order mark or a wrong format."""
    first = b""
    try:
        while len(first) < RECOGNIZED_BYTES and (more := next(chunks, None)) is not None:
            first += more
    except BrokenFileError:
        yield first  # the rows before the damage come first
        raise
    yield first
    yield from chunks
