"""The list of the result's columns: the docs' table is generated from it, and one entry adds a column."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.output import columns
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import (
    COLUMNS,
    FIRST_COLUMNS,
    OUTPUT_COLUMNS,
    RESULT_COLUMNS,
    USAGE_FIELDS,
    ResultColumn,
    RowLayout,
    check_columns,
    chosen_columns,
    fields_in_table,
)
from anthropic_batches_provider.batches.output.row_json import RowEncoder
from anthropic_batches_provider.batches.results import decode_result
from anthropic_batches_provider.errors import ConfigurationError
from tests.worlds.ended_jobs import succeeded
from tools.columns_table import columns_table, formats_table, table_columns_table

PAGE = Path(__file__).parents[4] / "docs" / "output.md"


@pytest.mark.parametrize(
    ("name", "table"),
    [("output-columns", columns_table), ("table-columns", table_columns_table), ("output-formats", formats_table)],
)
def test_the_tables_in_the_docs_are_those_of_the_lists(name: str, table: Callable[[], list[str]]) -> None:
    block = PAGE.read_text().partition(f"<!-- generated: {name} -->\n")[2].partition("\n<!-- end -->")[0]
    assert block.splitlines() == table()


def test_names_are_in_order_and_each_is_there_once() -> None:
    assert OUTPUT_COLUMNS == (
        "custom_id", "batch_id", "result_type", "text", "parsed", "verdict", "stop_reason", "error_type",
        "error_message", "error_details", "model", "usage", "cost_usd", "earlier_rounds", "message",
    )  # fmt: skip


def names(layout: RowLayout, fields: dict[str, tuple[str, ...]] | None = None) -> list[str]:
    return [each.name for each in chosen_columns(layout, fields or {})]


def test_a_job_of_an_older_version_has_its_own_columns_and_those_that_are_named() -> None:
    def of(columns: Any) -> list[str]:
        return names(RowLayout(columns=FIRST_COLUMNS, choice=ColumnChoice.of(columns)))

    assert of(None) == list(FIRST_COLUMNS)
    assert of(["verdict", "text"]) == ["verdict", "text"]
    assert of({"verdict": "v", "text": None, "error_details": None}) == [
        "custom_id", "batch_id", "result_type", "parsed", "v", "stop_reason", "error_type", "error_message", "model",
        "usage",
    ]  # fmt: skip


def test_fields_of_the_usage_and_of_a_closed_object_are_columns_of_a_table() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    fields = fields_in_table(json.dumps(schema).encode())
    assert fields == {"usage": USAGE_FIELDS, "parsed": ("a",)}
    found = names(RowLayout(choice=ColumnChoice.of({"parsed": "", "usage": "used"})), fields)
    assert found == [
        "custom_id", "batch_id", "result_type", "text", "a", "verdict", "stop_reason", "error_type", "error_message",
        "error_details", "model", *(f"used_{field}" for field in USAGE_FIELDS), "cost_usd", "earlier_rounds",
    ]  # fmt: skip
    assert fields_in_table(None)["parsed"] == ()
    assert names(RowLayout(choice=ColumnChoice.of(["parsed"])), fields_in_table(None)) == ["parsed"]


@pytest.mark.parametrize("columns", [["text"], {"message": None}, []])
def test_a_message_that_is_asked_for_and_left_out_is_a_mistake(columns: Any) -> None:
    layout = RowLayout(include_message=True, choice=ColumnChoice.of(columns))
    with pytest.raises(ConfigurationError, match="include_message=True, but `columns` leaves `message` out"):
        chosen_columns(layout, {})


@pytest.mark.parametrize(
    ("columns", "own", "said"),
    [
        ([], (), "would have no column"),
        (dict.fromkeys(RESULT_COLUMNS), (), "would have no column"),
        ({"text": "id"}, ("id",), r"both have a column 'id'\. .*columns=\{'text': 'another_name'\}"),
        (None, ("id", "text"), r"both have a column 'text'\. "),
        (["parsed_a"], ("parsed_a",), r"both have a column 'parsed_a'\. .*columns=\{'parsed_a': "),
    ],
)
def test_an_output_has_columns_and_each_name_once(columns: Any, own: tuple[str, ...], said: str) -> None:
    fields = {"parsed": ("a",)} if columns == ["parsed_a"] else {}
    with pytest.raises(ConfigurationError, match=said):
        check_columns(RowLayout(choice=ColumnChoice.of(columns)), fields, own)


@pytest.mark.parametrize(
    ("columns", "own"),
    [([], ("id",)), ([], None), (["verdict"], ("text",)), ({"text": "answer"}, ("text",)), ({"text": None}, ("text",))],
)
def test_a_column_that_is_renamed_or_left_out_leaves_its_name_to_the_user(columns: Any, own: Any) -> None:
    check_columns(RowLayout(choice=ColumnChoice.of(columns)), {}, own)


def test_a_further_column_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    def letters(row: AnsweredRow, layout: RowLayout) -> int:
        return len(row.result.text or "") * (2 if layout.include_message else 1)

    column = ResultColumn(name="letters", json_type="integer", arrow_type="int64", meaning="…", value=letters)
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, column))
    row = AnsweredRow(b'{"id":7}', "msgbatch_1", decode_result(succeeded("a", "yes")))
    old = RowEncoder(RowLayout(columns=RESULT_COLUMNS)).encode(row)
    assert "letters" not in json.loads(old), "a job that was sealed before the column came keeps its own"
    first = RowEncoder(RowLayout(columns=FIRST_COLUMNS)).encode(row)
    assert {"error_details", "verdict", "cost_usd", "earlier_rounds"}.isdisjoint(json.loads(first)), (
        "nor do jobs that were sealed before columns were recorded get any"
    )
    for include_message, expected in ((False, 3), (True, 6)):
        encoder = RowEncoder(RowLayout(column_prefix="answer_", include_message=include_message))
        found = json.loads(encoder.encode(row))
        assert found["answer_letters"] == expected
        assert list(found)[-2:] == (
            ["answer_letters", "answer_message"] if include_message else ["answer_earlier_rounds", "answer_letters"]
        )
