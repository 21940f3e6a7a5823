"""The usage table: the columns of a table of a database that holds the usage of many jobs, by batch and model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.batches.output.usage_rows import UsageRow, encode_usage

_TEXT, _MOMENT, _COUNT, _DOLLARS, _FLAG = "string", "timestamp[us, tz=UTC]", "int64", "decimal128(18, 12)", "bool"
_TYPES = {
    "job": _TEXT, "batch_id": _TEXT, "model": _TEXT, "prices": _TEXT, "created_at": _MOMENT, "ended_at": _MOMENT,
    "cost_usd": _DOLLARS, "live_usd": _DOLLARS, "saved_by_batch_usd": _DOLLARS, "saved_by_cache_usd": _DOLLARS,
    "at_least": _FLAG,
}  # fmt: skip

USAGE_COLUMNS = tuple(TableColumn(name, _TYPES.get(name, _COUNT)) for name in UsageRow.__struct_fields__)
"""The columns of the usage table, in order, without that of the owner."""

NULLABLE_COLUMNS = frozenset(_TYPES).difference(("model", "at_least")) | {"unknown_requests"}
"""Those that are null in some rows."""


def usage_owner(owner: str, job: str | None) -> str:
    """Return whose rows the usage of an output is, in the owner column of the table.

    Each job of a unit of work has rows of its own: an earlier one was paid for, although a later one replaced its
    output.

    :param owner: the unit of work.
    :param job: URI of the job folder; None for batches that something else submitted.
    """
    return owner if job is None else f"{owner}/{job.rstrip('/').rpartition('/')[2]}"


def usage_part(rows: Sequence[UsageRow]) -> StagedPart:
    """Return the rows as the only part of what is loaded."""

    @contextmanager
    def opened() -> Iterator[Iterator[list[Any]]]:
        yield ([_value(row, column) for column in USAGE_COLUMNS] for row in rows)

    digest = hashlib.blake2b(encode_usage(rows), digest_size=8).hexdigest()
    return StagedPart(name=f"usage-{digest}", rows=len(rows), open=opened)


def _value(row: UsageRow, column: TableColumn) -> Any:
    value = getattr(row, column.name)
    return Decimal(value) if column.type == _DOLLARS and value is not None else value
