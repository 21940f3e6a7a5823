"""Splits a stream of bytes into lines, at line feeds only.

U+2028, U+0085 and similar characters are ordinary text inside a JSON string. They do not end a line.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

_LINE_FEED = b"\n"


class LineTooLongError(Exception):
    """A line is longer than the limit that the caller gave.

    :ivar beginning: its first bytes, at most one chunk of the stream.
    """

    def __init__(self, beginning: bytes) -> None:
        super().__init__(beginning)
        self.beginning = beginning


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream without their line feed; skip lines of white space only.

    The last line may lack its line feed. Only one chunk and one line are in memory at a time.

    :param chunks: the stream, cut anywhere.
    """
    for lines in grouped_lines(chunks):
        for line in lines:
            if not line.isspace():
                yield line[:-1]


def grouped_lines(
    chunks: Iterable[bytes], *, missing_end: bytes = _LINE_FEED, max_line_bytes: int | None = None
) -> Iterator[list[bytes]]:
    """Yield, for each chunk, the lines that end in it, with their line feeds; blank lines are included.

    The yielded lines together are the whole stream.

    :param chunks: the stream, cut anywhere.
    :param missing_end: added to a last line that lacks its line feed; an empty value leaves the line as it is.
    :param max_line_bytes: limits the memory that a line takes. It is checked after each chunk, so a line may exceed
        it by less than one chunk.
    :raises LineTooLongError: a line exceeds the limit; all lines before it were yielded.
    """
    held: list[bytes] = []
    held_bytes = 0
    for chunk in chunks:
        lines = io.BytesIO(chunk).readlines()  # takes a third of the time of chunk.split, which checks each byte
        if not lines:
            continue
        held.append(lines[0])
        if lines[0].endswith(_LINE_FEED):
            lines[0] = b"".join(held)
            held = [] if lines[-1].endswith(_LINE_FEED) else [lines.pop()]
            held_bytes = 0
            yield lines
        if held:
            held_bytes += len(held[-1])
            if max_line_bytes is not None and held_bytes > max_line_bytes:
                raise LineTooLongError(held[0])
    if held:
        yield [b"".join((*held, missing_end))]
