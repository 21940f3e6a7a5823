"""Rows of texts, and the CSV that this package writes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.delimited_files import open_csv
from anthropic_batches_provider.batches.results import missing_result

PIECES = [
    "a", "B", "0", " ", "'", "\\", "\\.", "#", "-", "=1+1", "@x", "null", "NULL", "NaN", "NA", "{}", "[", "é", "\u20ac",
    "\U0001f600", ",", ";", "\t", "|", '"', '""', "\n", "\r", "\r\n", "\u2028", "\x85", "\ufeff", "\x01", "\x1a",
]  # fmt: skip
"""Of these, cells are made."""


def csv_of(names: Sequence[str], rows: Sequence[Sequence[Any]], types: Sequence[str] = ()) -> bytes:
    """Return the file that this package writes of rows whose cells are JSON values."""
    own = tuple(
        ColumnRecord(name=name, type=kind) for name, kind in zip(names, types or ["string"] * len(names), strict=True)
    )
    layout = RowLayout(own=own, choice=ColumnChoice.of([]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        with open_csv(path, layout) as sink:
            for row in rows:
                columns = msgspec.json.encode(dict(zip(names, row, strict=True)))
                sink.add(AnsweredRow(columns, None, missing_result("a")))
        return path.read_bytes()
