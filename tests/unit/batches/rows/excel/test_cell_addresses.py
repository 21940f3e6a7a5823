"""Addresses name cells and ranges; whatever else stands in their place is damage."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.rows.excel.cell_addresses import (
    CellRange,
    UnreadableXmlError,
    cell_range,
    column_letters,
    column_number,
)


@pytest.mark.parametrize(("letters", "number"), [("A", 1), ("Z", 26), ("AA", 27), ("AB", 28), ("XFD", 16384)])
def test_columns_have_letters(letters: str, number: int) -> None:
    assert column_number(letters) == number
    assert column_letters(number) == letters


@pytest.mark.parametrize("letters", ["", "a", "XFE", "A1", "É", "AAAAAAAAAAAA"])
def test_other_letters_name_no_column(letters: str) -> None:
    with pytest.raises(UnreadableXmlError):
        column_number(letters)


@pytest.mark.parametrize(
    ("address", "bounds"),
    [("A1", (1, 1, 1, 1)), ("B2:C9", (2, 9, 2, 3)), ("$B$2:$C$9", (2, 9, 2, 3)), ("C9:B2", (2, 9, 2, 3))],
)
def test_ranges_have_addresses(address: str, bounds: tuple[int, int, int, int]) -> None:
    assert cell_range(address) == CellRange(address, *bounds)


@pytest.mark.parametrize("address", ["", "A", "1", "A0", "A1:", "A1:B2:C3", "A:B"])
def test_other_texts_are_no_addresses(address: str) -> None:
    with pytest.raises(UnreadableXmlError):
        cell_range(address)
