"""The table of constants in the docs matches the code."""

from __future__ import annotations

from pathlib import Path

from tools.constants_table import constants_table

PAGE = Path(__file__).parents[2] / "docs/constants.md"
BEGIN, END = "<!-- generated: constants -->\n", "\n<!-- end -->"


def test_the_page_holds_the_values_of_the_code() -> None:
    block = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert block.splitlines() == constants_table()
