"""Splits a stream of bytes into lines at the line feed and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream without their line feed; lines that hold only white space are left out.

    U+2028, U+0085 and their like may stand inside a JSON string and end no line. A last line may lack its line feed.
    Holds one chunk and one line at a time.

    :param chunks: the stream, cut anywhere.
    """
    held: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        held.append(first)
        if not others:
            continue
        rest = others.pop()
        whole = b"".join(held)
        held = [rest]
        if whole and not whole.isspace():
            yield whole
        for line in others:
            if line and not line.isspace():
                yield line
    last = b"".join(held)
    if last and not last.isspace():
        yield last
