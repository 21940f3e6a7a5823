"""The log says once for each part which values are null because no column can hold them, in every kind of table."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.formats import STAGED, find_format
from anthropic_batches_provider.batches.output.misfits import Misfits, warn_of_misfits
from anthropic_batches_provider.batches.output.staged_rows import read_staged
from anthropic_batches_provider.batches.output.table_columns import TableColumn, table_columns
from anthropic_batches_provider.batches.results import decode_result
from tests.worlds.ended_jobs import succeeded

LAYOUT = RowLayout(answer_schema=json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}}).encode())
FURTHER = "1 answer has properties that the schema does not name, which no column holds; `text` has the answer."
NULL = "1 value does not fit the type of column 'parsed_n', and is null in this part; `text` has the answer."


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_nothing_is_said_of_values_that_fit(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_misfits(Misfits(), [TableColumn("n", "int64")])
    assert said(caplog) == []


def test_a_column_of_the_user_is_not_in_the_text_of_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_misfits(Misfits({"n": 2}), [TableColumn("n", "int64")])
    assert said(caplog) == ["2 values do not fit the type of column 'n', and are null in this part."]


@pytest.mark.parametrize("name", ["parquet", "csv", STAGED.name])
def test_every_table_says_what_it_cannot_hold(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    judge = judge_for(None, structured=True)
    with find_format(name).open(tmp_path / "part", LAYOUT) as file:
        for answer in ('{"n": 1}', '{"n": 1.5}', '{"n": 2, "z": 3}'):
            file.add(judge(b"{}", "b", decode_result(succeeded("n", answer))))
    if name == STAGED.name:
        columns = table_columns(LAYOUT)
        with (tmp_path / "part").open("rb") as lines:
            rows = list(read_staged(lines, columns))
        place = [column.name for column in columns].index("parsed_n")
        assert [row[place] for row in rows] == [1, None, 2]
    assert sorted(said(caplog)) == ([FURTHER] if name == "csv" else [FURTHER, NULL]), "CSV has no types"
