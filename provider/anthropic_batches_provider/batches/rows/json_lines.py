r"""JSON Lines in: plain or gzip, in the memory of one line and one buffer.

Lines end at ``\n`` and nowhere else: U+2028 and its like are ordinary text inside a JSON string.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import msgspec

from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.errors import InvalidRowError

MAX_LINE_BYTES = MAX_BYTES_PER_BATCH
"""A longer line is no row; the bound keeps a file without line ends from filling the memory."""

_READ_BYTES = 1 << 18
_LINE_FEED = ord("\n")
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"


_decode_object: Callable[[bytes], Any] = msgspec.json.Decoder(dict[str, Any]).decode


class _BrokenFileError(Exception):
    """The bytes themselves cannot be read on; the text completes a sentence."""


def read_json_lines(
    stream: BinaryIO, *, name: str, first_row_number: int = 0, decode: Callable[[bytes], Any] = _decode_object
) -> Iterator[Any]:
    """Yield the objects of a JSON Lines file.

    Gzip is recognised by its first bytes, whatever the name says, and may have several members. CRLF, blank lines, a
    byte order mark and a last line without a line end are fine.

    :param stream: needs ``read(n)`` only; is not closed.
    :param name: the file's name, for errors.
    :param first_row_number: number of rows before this file, so that errors number the rows of the whole input.
    :param decode: makes what is yielded of a line; as it stands, a dict.
    :raises InvalidRowError: for a line that is not a JSON object, bytes that are not UTF-8, a line above
        :data:`MAX_LINE_BYTES`, and a gzip file that is cut short or damaged; names file and line.
    """
    row_number, line_number = first_row_number, 0
    try:
        for line_number, line in enumerate(_lines(_plain_chunks(stream)), 1):
            if line.isspace():
                continue
            try:
                row = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise InvalidRowError(
                    f"{name}, line {line_number}: {_problem(line, error)} The line begins: {shortened(line.rstrip())}",
                    row_number=row_number,
                ) from error
            yield row
            row_number += 1
    except _BrokenFileError as error:
        raise InvalidRowError(f"{name}, after line {line_number}: {error}", row_number=row_number) from error


def _problem(line: bytes, error: Exception) -> str:
    """Return what is wrong with a line and what to do, in sentences."""
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 ({error.reason}). Save the file as UTF-8."
    if isinstance(error, RecursionError):
        return "nested too deeply. Flatten the object."
    if line.lstrip().startswith(b"["):
        return "an array, where each line must be one JSON object. Write one object a line, without the brackets."
    if isinstance(error, msgspec.ValidationError):
        return f"not a row: {error}. Each line must be one JSON object."
    if b"NaN" in line or b"Infinity" in line:
        return f"not JSON: {error}. JSON has no NaN or Infinity; write null, or leave the field out."
    if b"\\ud" in line.lower():
        return f"not JSON: {error}. If it holds half of a surrogate pair (\\ud800 to \\udfff), clean the text."
    return f"not JSON: {error}. Each line must be one complete JSON object."


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines with their line feed, which only the last may lack."""
    pending: list[bytes] = []
    pending_bytes = 0
    for chunk in chunks:
        for line in io.BytesIO(chunk):  # a third of the time of chunk.split, which looks at each byte by itself
            if line[-1] != _LINE_FEED:
                pending.append(line)
                pending_bytes += len(line)
            elif pending:
                yield b"".join((*pending, line))
                pending, pending_bytes = [], 0
            else:
                yield line
        if pending_bytes > MAX_LINE_BYTES:
            raise _BrokenFileError(
                f"a line of more than {MAX_LINE_BYTES:,} bytes, which cannot be a row. Is this a JSON Lines file? "
                f"It begins: {shortened(pending[0])}"
            )
    if last := b"".join(pending):
        yield last


def _plain_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the file's bytes, unzipped if need be, without a byte order mark."""
    chunks = _read_chunks(stream)
    first = next(chunks, b"")
    if first.startswith(_GZIP_MAGIC):
        chunks = _unzipped(first, chunks)
        first = next(chunks, b"")
        while len(first) < len(_UTF8_BOM) and (more := next(chunks, b"")):
            first += more
    yield first.removeprefix(_UTF8_BOM)
    yield from chunks


def _read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield chunks; the first has at least the three bytes that tell the format, if the file has them."""
    first = stream.read(_READ_BYTES)
    while first and len(first) < len(_UTF8_BOM) and (more := stream.read(_READ_BYTES)):
        first += more
    yield first
    while chunk := stream.read(_READ_BYTES):
        yield chunk


def _unzipped(first: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unzip all members in bounded steps; zero bytes after the last member are padding."""
    member = zlib.decompressobj(wbits=31)
    for zipped in _prepended(first, chunks):
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
                raise _BrokenFileError(f"the gzip data is damaged ({error}). Write or copy the file again.") from error
            if data:
                yield data
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise _BrokenFileError("the gzip data is cut short. The file is incomplete; write or copy it again.")


def _prepended(first: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from chunks
