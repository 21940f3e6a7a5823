"""Rows as COPY reads them: bounded memory, and no value that is not exact."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest

from anthropic_batches_provider.edge.sql_tables.copy_text import CopyText, copy_line


class _Text(str):
    __slots__ = ()


class _Number(IntEnum):
    SEVEN = 7


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, r"\N"),
        ("", ""),
        (r"\N", r"\\N"),
        ("a\tb\nc\rd\\", r"a\tb\nc\rd\\"),
        (True, "t"),
        (False, "f"),
        (-7, "-7"),
        (0.1, "0.1"),
        (float("inf"), "inf"),
        (Decimal("10.50"), "10.50"),
        (b"\x00\xff", r"\\x00ff"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC), "2026-01-02T03:04:05.000006+00:00"),
        (datetime.time(3, 4), "03:04:00"),
        (_Text("a\tb"), r"a\tb"),
        (_Number.SEVEN, "7"),
    ],
)
def test_a_value_is_written_as_copy_reads_it(value: Any, text: str) -> None:
    assert copy_line(["x", value]) == f"x\t{text}\n"


def test_a_value_without_a_text_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match=r"^dict cannot be loaded$"):
        copy_line([{"secret": 1}])


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_no_more_rows_are_made_than_a_read_needs(size: int) -> None:
    made: list[int] = []

    def rows() -> Iterator[list[Any]]:
        for number in range(9):
            made.append(number)
            yield [number, "x"]

    file = CopyText(rows())
    first = file.read(size)
    assert len(first) == 4 * len(made) >= min(size, 36) > 4 * (len(made) - 1)
    whole = first + "".join(iter(lambda: file.read(size), ""))
    assert whole == "".join(f"{number}\tx\n" for number in range(9))
    assert file.read(size) == ""
