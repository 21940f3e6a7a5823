"""Rows for a driver without COPY: no more of them are in memory than a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from anthropic_batches_provider.edge.sql_tables.drivers import BYTES_AT_ONCE, ROWS_AT_ONCE, TableDriver


class _Cursor:
    def __init__(self) -> None:
        self.blocks: list[int] = []

    def executemany(self, statement: str, rows: Sequence[Any]) -> None:
        assert statement == "INSERT INTO t (a, b) VALUES (?, ?)"
        self.blocks.append(len(rows))


@pytest.mark.parametrize(
    ("rows", "text", "blocks"),
    [
        (0, "x", []),
        (2 * ROWS_AT_ONCE + 1, "x", [ROWS_AT_ONCE, ROWS_AT_ONCE, 1]),
        (5, "x" * (BYTES_AT_ONCE // 2), [2, 2, 1]),
        (2, "x" * BYTES_AT_ONCE, [1, 1]),
        (3, None, [3]),
    ],
)
def test_a_block_is_bounded_by_rows_and_by_the_length_of_texts(rows: int, text: str | None, blocks: list[int]) -> None:
    cursor = _Cursor()
    TableDriver().insert(cursor, "t", "a, b", ((number, text) for number in range(rows)), "?, ?")
    assert cursor.blocks == blocks
