"""The cells of a row: what the row and its result hold, in the order of the columns."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow, OtherResult
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import USAGE_FIELDS, RowLayout
from anthropic_batches_provider.batches.output.table_rows import TableRows
from anthropic_batches_provider.batches.results import Result, decode_result, missing_result
from tests.worlds.ended_jobs import errored, succeeded

SCHEMA = json.dumps(
    {"type": "object", "properties": {"label": {"type": "string"}, "n": {"type": "integer"}, "more": {}}}
).encode()
OWN = (ColumnRecord(name="id", type="int64"), ColumnRecord(name="größe", type="decimal128(9, 2)"))
USAGE = dict.fromkeys(USAGE_FIELDS, 0) | {"input_tokens": 10, "output_tokens": 3}


def row(line: bytes, columns: bytes = NO_COLUMNS) -> AnsweredRow:
    return judge_for(None, structured=True)(columns, "msgbatch_1", decode_result(line))


def cells(rows: TableRows, row: AnsweredRow) -> dict[str, Any]:
    found = json.loads(rows.line(row))
    return dict(zip([column.name for column in rows.columns], found, strict=True))


def test_a_row_has_a_cell_for_each_column() -> None:
    rows = TableRows(RowLayout(own=OWN, answer_schema=SCHEMA))
    answer = '{"more": [1], "label": "good"}'
    assert cells(rows, row(succeeded("n-0-7", answer), '{"größe":"1.50","id":7}'.encode())) == {
        "id": 7,
        "größe": "1.50",
        "custom_id": "n-0-7",
        "batch_id": "msgbatch_1",
        "result_type": "succeeded",
        "text": answer,
        "parsed_label": "good",
        "parsed_n": None,
        "parsed_more": [1],
        "verdict": "fits",
        "stop_reason": "end_turn",
        "error_type": None,
        "error_message": None,
        "error_details": None,
        "model": "claude-haiku-5-5",
        **{f"usage_{name}": number for name, number in USAGE.items()},
        "cost_usd": None,
        "earlier_rounds": None,
    }
    assert not rows.misfits


def test_each_row_has_its_own_usage_however_often_another_was_reported() -> None:
    rows = TableRows(RowLayout(choice=ColumnChoice.of(["usage"])))
    reported = [{"input_tokens": 10, "output_tokens": 3}, {"input_tokens": 10, "output_tokens": 4}, None]
    found = [cells(rows, row(succeeded("n", usage=usage)))["usage_output_tokens"] for usage in reported * 2]
    assert found == [3, 4, None] * 2


def test_what_a_row_lacks_is_null() -> None:
    rows = TableRows(RowLayout(own=OWN, answer_schema=SCHEMA, include_message=True))
    found = cells(rows, AnsweredRow(b'{"id":7}', None, missing_result("n-0-7")))
    assert {name: value for name, value in found.items() if value is not None} == {
        "id": 7, "custom_id": "n-0-7", "result_type": "missing",
    }  # fmt: skip


def test_json_of_any_shape_is_its_bytes() -> None:
    rows = TableRows(
        RowLayout(choice=ColumnChoice.of(["message", "error_details", "earlier_rounds"]), include_message=True)
    )
    other = OtherResult("b0", "errored", None, None, "overloaded_error", "busy", None, None)
    result = Result("n", "errored", error_details={"request_id": "req_1"}, message=msgspec.Raw(b'{"id": "m"}'))
    found = AnsweredRow(NO_COLUMNS, "b1", result, earlier_rounds=(other,))
    message, details, earlier = map(bytes, msgspec.json.decode(rows.line(found), type=list[msgspec.Raw]))
    assert (message, details) == (b'{"id": "m"}', b'{"request_id":"req_1"}')
    assert json.loads(earlier) == [msgspec.structs.asdict(other)]


@pytest.mark.parametrize("usage", [None, msgspec.Raw(b"{}"), msgspec.Raw(b'"none"')])
def test_usage_that_was_not_reported_is_null_and_never_zero(usage: msgspec.Raw | None) -> None:
    rows = TableRows(RowLayout(choice=ColumnChoice.of(["usage"])))
    assert rows.values(AnsweredRow(NO_COLUMNS, "b", Result("n", "succeeded", usage=usage))) == (None,) * 8


def test_fields_are_decoded_by_the_types_of_the_writer_in_the_order_of_the_choice() -> None:
    layout = RowLayout(own=OWN[:1], answer_schema=SCHEMA, choice=ColumnChoice.of(["parsed_n", "parsed_label"]))
    rows = TableRows(layout, lambda column: {"int64": int, "string": str}[column.type])
    good = row(succeeded("n", '{"label": "good", "more": {"a": 1}, "n": 2.0}'), b'{"id":7}')
    assert rows.values(good) == (7, 2, "good")
    assert not rows.misfits


@pytest.mark.parametrize(
    ("answer", "values", "misfits"),
    [
        ('{"label": "good", "n": 2.5}', (None, "good"), {"answer_n": 1}),
        ('{"label": "good", "n": 2, "z": 1}', (2, "good"), {None: 1}),
        ("[1]", (None, None), {None: 1}),
        ("null", (None, None), {}),
    ],
)
def test_an_answer_that_does_not_fit_is_counted_and_blocks_nothing(
    answer: str, values: tuple[Any, ...], misfits: dict[str | None, int]
) -> None:
    choice = ColumnChoice.of({"parsed": "answer"})
    rows = TableRows(
        RowLayout(answer_schema=SCHEMA, choice=choice), lambda column: {"int64": int}.get(column.type, str)
    )
    found = dict(zip([column.name for column in rows.columns], rows.values(row(succeeded("n", answer))), strict=True))
    assert (found["answer_n"], found["answer_label"]) == values
    assert rows.misfits == misfits


@pytest.mark.parametrize(
    ("answer", "value", "misfits"), [("[1, 2.0]", [1, 2], 0), ("null", None, 0), ('["a"]', None, 1)]
)
def test_an_answer_that_is_no_object_is_one_value(answer: str, value: Any, misfits: int) -> None:
    layout = RowLayout(
        answer_schema=b'{"type": "array", "items": {"type": "integer"}}', choice=ColumnChoice.of({"parsed": "answer"})
    )
    rows = TableRows(layout, lambda column: list[int] if column.name == "answer" else msgspec.Raw)
    found = dict(zip([column.name for column in rows.columns], rows.values(row(succeeded("n", answer))), strict=True))
    assert found["answer"] == value
    assert rows.misfits == ({"answer": misfits} if misfits else {})


def test_an_error_has_no_answer_and_no_usage() -> None:
    found = cells(TableRows(RowLayout(answer_schema=SCHEMA)), row(errored("n-0-1")))
    assert (found["result_type"], found["error_type"]) == ("errored", "invalid_request_error")
    assert {found[f"usage_{name}"] for name in USAGE_FIELDS} == {None}
