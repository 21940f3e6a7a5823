"""Rows that must all be valid: where a test is about the reason why one is not, or about none of them being so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.errors import InvalidRowError

_Row = TypeVar("_Row")


def valid_rows(prepared: Iterable[PreparedRow | InvalidRow]) -> Iterator[PreparedRow]:
    """Yield prepared rows; raise the reason of the first that is invalid."""
    for row in prepared:
        if isinstance(row, InvalidRow):
            raise InvalidRowError(row.reason, row_number=row.number)
        yield row


def read_rows(rows: Iterable[_Row | InvalidRowError]) -> Iterator[_Row]:
    """Yield the rows of a file; raise the error of the first that cannot be read."""
    for row in rows:
        if isinstance(row, InvalidRowError):
            raise row
        yield row
