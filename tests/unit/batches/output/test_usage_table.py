"""The columns of the usage table: as the page lists them, with the values of a row."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.output.usage_table import (
    NULLABLE_COLUMNS,
    USAGE_COLUMNS,
    usage_owner,
    usage_part,
)
from tests.unit.batches.output.test_usage_rows import COST, USAGE, only

PAGE = Path(__file__).parents[4] / "docs" / "money.md"
NAMES = [column.name for column in USAGE_COLUMNS]


def section() -> str:
    return PAGE.read_text().partition("## The usage table\n")[2].partition("\n## ")[0]


def test_the_page_lists_the_columns_in_their_order() -> None:
    owner, *listed = re.findall(r"^\| `(\w+)` \|", section(), re.MULTILINE)
    assert (owner, listed) == ("anthropic_batches_unit", NAMES)


def test_the_statement_of_the_page_has_the_columns_and_says_which_may_be_null() -> None:
    statement = section().partition("CREATE TABLE anthropic_usage (\n")[2].partition(");")[0]
    owner, *made = re.findall(r"^    (\w+) .+?( NOT NULL)?,?$", statement, re.MULTILINE)
    assert [name for name, _ in made] == NAMES
    assert {name for name, required in made if not required} == NULLABLE_COLUMNS
    assert owner == ("anthropic_batches_unit", " NOT NULL")


def test_a_row_has_a_value_for_each_column_and_exact_amounts() -> None:
    part = usage_part([only(USAGE, COST), only(USAGE, None)])
    with part.open() as rows:
        first, second = (dict(zip(NAMES, row, strict=True)) for row in rows)
    assert part.rows == 2
    assert (first["cost_usd"], second["cost_usd"]) == (Decimal("1.000000000005"), None)
    assert (first["created_at"], first["at_least"], second["at_least"]) == ("2026-11-29T10:00:00.005000Z", False, True)
    assert {name for name, value in second.items() if value is None} <= NULLABLE_COLUMNS


def test_other_rows_are_another_part() -> None:
    parts = [usage_part(rows) for rows in ([only(USAGE, COST)], [only(USAGE, None)], [only(USAGE, COST)])]
    assert parts[0].name == parts[2].name != parts[1].name


@pytest.mark.parametrize(
    ("job", "owner"),
    [
        (None, "dag/task/unit/-"),
        ("file:///jobs/dag/task/unit/-/job-0001", "dag/task/unit/-/job-0001"),
        ("s3://lake/jobs/dag/task/unit/-/job-0012/", "dag/task/unit/-/job-0012"),
    ],
)
def test_each_job_of_a_unit_has_rows_of_its_own(job: str | None, owner: str) -> None:
    assert usage_owner("dag/task/unit/-", job) == owner
