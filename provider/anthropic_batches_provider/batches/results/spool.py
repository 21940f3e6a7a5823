"""The results of one batch on the local disk, found by row without holding any of them in memory."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO

import msgspec

from anthropic_batches_provider.batches.results.decode import Result, decode_custom_id, decode_result
from anthropic_batches_provider.batches.results.expected import ExpectedRows

_WINDOW_BYTES = 1 << 18
_ABSENT = -1
_LINE_FEED = b"\n"


class UnreadableLineError(Exception):
    """A line that is not a JSON object with a ``custom_id``."""

    def __init__(self, line: bytes, problem: Exception) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem


class SpooledResults:
    """All results of a batch in a file; this takes 16 bytes of memory per row.

    :param file: open for reading and writing; holds the stream as received.
    :param expected: positions are those of the expected rows; without them, positions are in order of arrival.
    """

    def __init__(self, file: BinaryIO, expected: ExpectedRows | None) -> None:
        self._file = file
        self._position_of = expected.line_finder() if expected else self._next_position
        requests = len(expected.rows) if expected else 0
        self._offsets = array("q", [_ABSENT]) * requests
        self._lengths = array("q", [0]) * requests
        self._end = 0
        self.lines = 0
        self.last_line = b""
        self.foreign = 0
        self.duplicates = 0

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

    def decoded(self, *, batch_id: str, with_message: bool = True) -> Iterator[Result | None]:
        """Yield the result or None of each position, as :func:`decode_result` reads it.

        :raises UnexpectedAnswerError: a line is not a result of a known type; the error names the line.
        """
        for position, line in enumerate(self):
            if line is None:
                yield None
            else:
                yield decode_result(
                    line, batch_id=batch_id, line_number=partial(self.line_number, position), with_message=with_message
                )

    def decoded_at(self, position: int, *, batch_id: str) -> Result | None:
        """Return the result or None of one position, as :meth:`decoded` does."""
        line = self[position]
        if line is None:
            return None
        return decode_result(line, batch_id=batch_id, line_number=partial(self.line_number, position))

    def line_number(self, position: int) -> int:
        """Return the number of a result's line in the stream, from 1; reads the file up to there, in blocks."""
        descriptor, end = self._file.fileno(), self._offsets[position]
        blocks = (
            os.pread(descriptor, min(_WINDOW_BYTES, end - begin), begin) for begin in range(0, end, _WINDOW_BYTES)
        )
        return 1 + sum(block.count(_LINE_FEED) for block in blocks)

    def take(self, lines: Sequence[bytes]) -> None:
        """Add the next lines of the stream, each with its line feed.

        :raises UnreadableLineError: one of them is not a result; those before it are counted.
        """
        self._file.write(b"".join(lines))
        position_of, offsets, lengths = self._position_of, self._offsets, self._lengths
        for line in lines:
            offset, length = self._end, len(line)
            self._end += length
            try:
                position = position_of(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                if line.isspace():
                    continue
                raise UnreadableLineError(line, error) from error
            self.lines += 1
            if position is None:
                self.foreign += 1
            elif offsets[position] != _ABSENT:
                self.duplicates += 1
            else:
                offsets[position], lengths[position] = offset, length - 1
        self.last_line = next((line for line in reversed(lines) if not line.isspace()), self.last_line)

    def _next_position(self, line: bytes) -> int:
        decode_custom_id(line)  # raises if it is not a result
        self._offsets.append(_ABSENT)
        self._lengths.append(0)
        return len(self._offsets) - 1
