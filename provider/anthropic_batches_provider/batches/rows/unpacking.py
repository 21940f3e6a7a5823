"""Unpacks gzip and zstd, recognized by their first bytes whatever the file's name, in bounded memory."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError

PACKED_SUFFIXES = (".gz", ".zst")
"""One of them may follow the suffix of a format."""

_READ_BYTES = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = range(0x50, 0x60)  # the first byte of a zstd frame without data
_SKIPPABLE_REST = b"\x2a\x4d\x18"
_LONGEST_WINDOW_LOG = 27  # 128 MB: the most that the zstd tool itself unpacks without --long
_ZSTD_STEP = 1 << 10  # so many bytes grow to 32 MB at most


class BrokenFileError(Exception):
    """The bytes of a file cannot be read any further. The message completes a sentence.

    :ivar after_line: number of the last line that could be read, counted from 1; None if bytes are not read by line.
    """

    def __init__(self, problem: str, *, after_line: int | None = None) -> None:
        super().__init__(problem)
        self.after_line = after_line


def unpacked(chunks: Iterator[bytes], *, name: str) -> Iterator[bytes]:
    """Yield the bytes of a file in bounded chunks, unpacked if they are packed.

    Gzip may have several members, and zstd several frames.

    :param chunks: the stored bytes; the first chunk has at least four of them, unless the file is shorter.
    :param name: the file's name, for errors.
    :raises BrokenFileError: the packed data is cut short or damaged.
    :raises ConfigurationError: nothing is installed that unpacks zstd, or it would take too much memory.
    """
    first = next(chunks, b"")
    if first.startswith(_GZIP_MAGIC):
        return _unzipped(first, chunks)
    if first.startswith(_ZSTD_MAGIC) or (first[:1] and first[0] in _SKIPPABLE and first[1:4] == _SKIPPABLE_REST):
        return _unpacked_zstd(first, chunks, name)
    return chain((first,), chunks)


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


def _unpacked_zstd(first: bytes, chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Unpack all frames in steps whose result is bounded, and yield it in chunks as large as those that are read."""
    new_frame, zstd_error = _zstd(name)
    frame = new_frame()
    held: list[bytes] = []
    held_bytes = 0
    for piece in _pieces(chain((first,), chunks)):
        rest = piece
        while rest:
            if frame.eof:
                frame = new_frame()
            try:
                held.append(frame.decompress(rest))
            except zstd_error as error:
                raise _zstd_problem(error, name) from error
            held_bytes += len(held[-1])
            rest = frame.unused_data if frame.eof else b""
        if held_bytes >= _READ_BYTES:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held_bytes:
        yield b"".join(held)
    if not frame.eof:
        raise BrokenFileError("the zstd data is cut short. The file is incomplete; write or copy it again.")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for begin in range(0, len(chunk), _ZSTD_STEP):
            yield chunk[begin : begin + _ZSTD_STEP]


def _zstd(name: str) -> tuple[Callable[[], Any], type[Exception]]:
    """Return what makes a decompressor of one frame, and the error that it raises.

    :raises ConfigurationError: neither the package zstandard nor Python's own module is there.
    """
    try:
        package = importlib.import_module("zstandard")
    except ImportError:
        return _zstd_of_python(name)
    whole = package.ZstdDecompressor(max_window_size=1 << _LONGEST_WINDOW_LOG)
    return whole.decompressobj, package.ZstdError


def _zstd_of_python(name: str) -> tuple[Callable[[], Any], type[Exception]]:
    """Return the same as :func:`_zstd`, of the standard library of Python 3.14."""
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        raise ConfigurationError(
            f"{name} is compressed with zstd. Install `airflow-provider-anthropic-batches[zstd]` on the workers, "
            "or compress it with gzip instead. Nothing was sent."
        ) from None
    options = {module.DecompressionParameter.window_log_max: _LONGEST_WINDOW_LOG}
    return lambda: module.ZstdDecompressor(options=options), module.ZstdError


def _zstd_problem(error: Exception, name: str) -> Exception:
    if "too much memory" in str(error):
        return ConfigurationError(
            f"{name} is compressed with zstd and a window of more than 128 MB, which would stay in memory. "
            "Compress it without --long, or with --long=27. Nothing was sent."
        )
    return BrokenFileError(f"the zstd data is damaged ({error}). Write or copy the file again.")
