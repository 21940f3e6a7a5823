"""The plain bytes of a file of rows in any format: unzipped, without a byte order mark, in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from anthropic_batches_provider.batches.byte_lines import LineTooLongError, grouped_lines
from anthropic_batches_provider.batches.file_options import FileOptions, ReadDetails, no_details
from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.batches.rows.splices import Splice
from anthropic_batches_provider.batches.rows.wrong_formats import RECOGNIZED_BYTES, check_bytes

MAX_LINE_BYTES = MAX_BYTES_PER_BATCH
"""A longer line cannot be a row. The limit keeps a file without line ends from filling the memory."""

_READ_BYTES = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"


class BrokenFileError(Exception):
    """The bytes of a file cannot be read any further. The message completes a sentence.

    :ivar after_line: number of the last line that could be read, counted from 1; None if bytes are not read by line.
    """

    def __init__(self, problem: str, *, after_line: int | None = None) -> None:
        super().__init__(problem)
        self.after_line = after_line


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

    def plain_chunks(self) -> Iterator[bytes]:
        """Yield the bytes in bounded chunks, unzipped if needed, without a byte order mark.

        Gzip is recognized by its first bytes, whatever the file's name, and may have several members.

        :raises BrokenFileError: the gzip data is cut short or damaged.
        """
        chunks = _read_chunks(self.stream)
        first = next(chunks, b"")
        if first.startswith(_GZIP_MAGIC):
            chunks = _unzipped(first, chunks)
            first = next(chunks, b"")
            while len(first) < len(_UTF8_BOM) and (more := next(chunks, b"")):
                first += more
        yield first.removeprefix(_UTF8_BOM)
        yield from chunks

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the plain bytes with their line feed, which only the last may lack.

        :raises BrokenFileError: as in :meth:`plain_chunks`, or a line is longer than :data:`MAX_LINE_BYTES`.
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
            raise BrokenFileError(
                f"a line of more than {MAX_LINE_BYTES:,} bytes, which cannot be a row. Check that this is a "
                f"{self.format_name} file. It begins: {shortened(error.beginning)}",
                after_line=after_line,
            ) from error
        except BrokenFileError as error:
            raise BrokenFileError(str(error), after_line=after_line) from error

    def _chunks_of_text(self) -> Iterator[bytes]:
        chunks = self.plain_chunks()
        first = next(chunks)
        check_bytes(first, name=self.name)
        yield first
        yield from chunks


def _read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield chunks; the first has at least the bytes that show gzip, a byte order mark or a wrong format, if any."""
    first = stream.read(_READ_BYTES)
    while first and len(first) < RECOGNIZED_BYTES and (more := stream.read(_READ_BYTES)):
        first += more
    yield first
    while chunk := stream.read(_READ_BYTES):
        yield chunk


def _unzipped(first: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unzip all members in bounded steps; zero bytes after the last member are padding."""
    member = zlib.decompressobj(wbits=31)
    for zipped in chain((first,), chunks):
        rest = zipped
        while rest:
            if member.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                data = member.decompress(rest, _READ_BYTES)
            except zlib.error as error:
                raise BrokenFileError(f"the gzip data is damaged ({error}). Write or copy the file again.") from error
            if data:
                yield data
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise BrokenFileError("the gzip data is cut short. The file is incomplete; write or copy it again.")
