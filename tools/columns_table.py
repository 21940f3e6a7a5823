"""The table of the result's columns in ``docs/output.md``."""

from __future__ import annotations

from anthropic_batches_provider.batches.output.columns import COLUMNS, MESSAGE


def columns_table() -> list[str]:
    """Return the lines of the table."""
    rows = [f"| `{each.name}` | {each.json_type} | {each.meaning} |" for each in (*COLUMNS, MESSAGE)]
    return ["| column | type | holds |", "|---|---|---|", *rows]
