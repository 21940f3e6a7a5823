"""Closes a generator of rows at once when it is no longer read: it may hold a connection, a transaction or a file.

The garbage collector would close it later: an error keeps the frames alive that refer to it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_Row = TypeVar("_Row")


@contextmanager
def closed_after(rows: Iterable[_Row]) -> Iterator[Iterable[_Row]]:
    """Close rows at the end of the block, if they are a generator."""
    try:
        yield rows
    finally:
        if isinstance(rows, Generator):
            rows.close()
