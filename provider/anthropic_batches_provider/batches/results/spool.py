"""The results of one batch on the local disk, found by row without holding any of them in memory."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from anthropic_batches_provider.batches.results.decode import Result, decode_result
from anthropic_batches_provider.batches.results.expected import ExpectedRows, UnnamedLineError, named_custom_id

_WINDOW_BYTES = 1 << 18
_ABSENT = -1


class NoResultError(Exception):
    """A line that is not even a JSON object: somebody other than the API wrote it, or it was cut."""

    def __init__(self, line: bytes) -> None:
        super().__init__(line)
        self.line = line


class SpooledResults:
    """All results of a batch in a file; this takes 16 bytes of memory per row.

    :param file: open for reading and writing; holds the stream as received.
    :param expected: positions are those of the expected rows; without them, positions are in order of arrival.
    """

    def __init__(self, file: BinaryIO, expected: ExpectedRows | None) -> None:
        self._file = file
        self._knows_rows = expected is not None
        self._position_of = expected.line_finder() if expected else self._next_position
        requests = len(expected.rows) if expected else 0
        self._offsets = array("q", [_ABSENT]) * requests
        self._lengths = array("q", [0]) * requests
        self._end = 0
        self.lines = 0
        self.last_line = b""
        self.foreign = 0
        self.duplicates = 0
        self._unnamed: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, position: int) -> bytes | None:
        """Return the result at a position, as received; None if there is none."""
        offset = self._offsets[position]
        if offset == _ABSENT:
            return None
        return os.pread(self._file.fileno(), self._lengths[position], offset)

    def __iter__(self) -> Iterator[bytes | None]:
        """Yield the result or None of each position; results that arrived nearly in order are read many at once."""
        descriptor, pread = self._file.fileno(), os.pread
        window, window_begin, before = b"", 0, 0
        for offset, length in zip(self._offsets, self._lengths, strict=True):
            if offset == _ABSENT:
                yield None
                continue
            begin = offset - window_begin
            if not 0 <= begin <= len(window) - length:
                # After a small step forward, the next results are likely to follow.
                ahead = _WINDOW_BYTES if 0 <= offset - before < _WINDOW_BYTES else 0
                window, window_begin, begin = pread(descriptor, max(length, ahead), offset), offset, 0
            before = offset
            yield window[begin : begin + length]

    def decoded(self, *, with_message: bool = True) -> Iterator[Result | None]:
        """Yield the result or None of each position, as :func:`decode_result` reads it."""
        for line in self:
            yield None if line is None else decode_result(line, with_message=with_message)

    def decoded_at(self, position: int) -> Result | None:
        """Return the result or None of one position, as :meth:`decoded` does."""
        line = self[position]
        return None if line is None else decode_result(line)

    @property
    def answered(self) -> int:
        """How many positions have a result."""
        return self.lines - self.foreign - self.duplicates

    def unnamed(self) -> Iterator[bytes]:
        """Yield the lines that name no request; they count as foreign."""
        for offset, length in self._unnamed:
            yield os.pread(self._file.fileno(), length, offset)

    def take(self, lines: Sequence[bytes]) -> None:
        """Add the next lines of the stream, each with its line feed.

        :raises NoResultError: one of them is not a JSON object; those before it are counted.
        """
        self._file.write(b"".join(lines))
        position_of, offsets, lengths = self._position_of, self._offsets, self._lengths
        for line in lines:
            offset, length = self._end, len(line)
            self._end += length
            try:
                position = position_of(line)
            except UnnamedLineError:
                if line.isspace():
                    continue
                if not _is_object(line):
                    raise NoResultError(line) from None
                self._unnamed.append((offset, length - 1))
                position = self._position_of_unnamed()
            self.lines += 1
            if position is None:
                self.foreign += 1
            elif offsets[position] != _ABSENT:
                self.duplicates += 1
            else:
                offsets[position], lengths[position] = offset, length - 1
        self.last_line = next((line for line in reversed(lines) if not line.isspace()), self.last_line)

    def _next_position(self, line: bytes) -> int:
        named_custom_id(line)  # raises if it is not a result
        return self._added_position()

    def _position_of_unnamed(self) -> int | None:
        """Return None where rows are known: nobody knows which of them such a line answers."""
        return None if self._knows_rows else self._added_position()

    def _added_position(self) -> int:
        self._offsets.append(_ABSENT)
        self._lengths.append(0)
        return len(self._offsets) - 1


def _is_object(line: bytes) -> bool:
    return line.startswith(b"{") and line.rstrip().endswith(b"}")
