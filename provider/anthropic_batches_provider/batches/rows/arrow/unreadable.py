"""What stands in place of a value of a table that cannot be read exactly, until its row becomes an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Unreadable(NamedTuple):
    """In place of a value that cannot be read exactly. The text follows "column 'x' holds"."""

    problem: str


def first_unreadable(values: Iterable[Any]) -> Unreadable | None:
    """Return the first of several values that cannot be read; None if all can."""
    return next((value for value in values if type(value) is Unreadable), None)
