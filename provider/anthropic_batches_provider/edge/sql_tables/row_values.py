"""The values of a row as the driver of a database takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from anthropic_batches_provider.batches.output.table_columns import TableColumn


def row_adapter(kind: str, columns: Sequence[TableColumn]) -> Callable[[list[Any]], Sequence[Any]]:
    """Return a function that turns the values of a row into those that the driver takes.

    :param kind: see :attr:`.Database.kind`.
    """
    return lambda values: values
