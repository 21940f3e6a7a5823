"""The list of the result's columns: the docs' table is generated from it, and one entry adds a column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.output import columns
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import (
    COLUMNS,
    FIRST_COLUMNS,
    OUTPUT_COLUMNS,
    RESULT_COLUMNS,
    ResultColumn,
    RowLayout,
)
from anthropic_batches_provider.batches.output.row_json import RowEncoder
from anthropic_batches_provider.batches.results import decode_result
from tests.worlds.ended_jobs import succeeded
from tools.columns_table import columns_table

PAGE = Path(__file__).parents[4] / "docs" / "output.md"


def test_the_table_in_the_docs_is_that_of_the_list() -> None:
    block = PAGE.read_text().partition("<!-- generated: output-columns -->\n")[2].partition("\n<!-- end -->")[0]
    assert block.splitlines() == columns_table()


def test_names_are_in_order_and_each_is_there_once() -> None:
    assert OUTPUT_COLUMNS == (
        "custom_id", "batch_id", "result_type", "text", "parsed", "verdict", "stop_reason", "error_type",
        "error_message", "error_details", "model", "usage", "earlier_rounds", "message",
    )  # fmt: skip


def test_a_further_column_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    def letters(row: AnsweredRow, layout: RowLayout) -> int:
        return len(row.result.text or "") * (2 if layout.include_message else 1)

    column = ResultColumn(name="letters", json_type="integer", arrow_type="int64", meaning="…", value=letters)
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, column))
    row = AnsweredRow(b'{"id":7}', "msgbatch_1", decode_result(succeeded("a", "yes")))
    old = RowEncoder(RowLayout(columns=RESULT_COLUMNS)).encode(row)
    assert "letters" not in json.loads(old), "a job that was sealed before the column came keeps its own"
    first = RowEncoder(RowLayout(columns=FIRST_COLUMNS)).encode(row)
    assert {"error_details", "verdict", "earlier_rounds"}.isdisjoint(json.loads(first)), (
        "nor do jobs that were sealed before columns were recorded get any"
    )
    for include_message, expected in ((False, 3), (True, 6)):
        encoder = RowEncoder(RowLayout(column_prefix="answer_", include_message=include_message))
        found = json.loads(encoder.encode(row))
        assert found["answer_letters"] == expected
        assert list(found)[-2:] == (
            ["answer_letters", "answer_message"] if include_message else ["answer_earlier_rounds", "answer_letters"]
        )
