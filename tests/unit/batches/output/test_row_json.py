from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import OUTPUT_COLUMNS, RESULT_COLUMNS, RowLayout
from anthropic_batches_provider.batches.output.memory import RowsInMemory
from anthropic_batches_provider.batches.output.row_json import RowEncoder
from anthropic_batches_provider.batches.results import (
    Result,
    decode_result,
    missing_result,
)
from tests.worlds.ended_jobs import errored, message, succeeded


def answered(columns: bytes, result: Result, batch_id: str = "b", *, structured: bool = False) -> AnsweredRow:
    return judge_for(None, structured=structured)(columns, batch_id, result)


def row(
    encoder: RowEncoder,
    line: bytes,
    columns: bytes = NO_COLUMNS,
    batch_id: str = "b",
    *,
    structured: bool = False,
) -> dict[str, Any]:
    judged = answered(columns, decode_result(line), batch_id, structured=structured)
    decoded: dict[str, Any] = json.loads(encoder.encode(judged))
    return decoded


def test_a_row_is_its_own_columns_then_those_of_the_result() -> None:
    found = row(RowEncoder(RowLayout()), succeeded("n-0-7"), b'{"id":7,"year":1900}', batch_id="msgbatch_1")
    assert list(found) == ["id", "year", *RESULT_COLUMNS]
    assert found == {
        "id": 7,
        "year": 1900,
        "custom_id": "n-0-7",
        "batch_id": "msgbatch_1",
        "result_type": "succeeded",
        "text": "yes",
        "parsed": None,
        "verdict": "fits",
        "stop_reason": "end_turn",
        "error_type": None,
        "error_message": None,
        "error_details": None,
        "model": "claude-haiku-5-5",
        "usage": {"input_tokens": 10, "output_tokens": 3, "service_tier": "batch"},
        "cost_usd": None,
        "earlier_rounds": None,
    }


@pytest.mark.parametrize(
    ("pico", "digits"),
    [(0, "0"), (1, "0.000000000001"), (1_250_000, "0.00000125"), (15 * 10**6, "0.000015"), (10**12, "1"),
     (123_456_789 * 10**9, "123456.789"), (2 * 10**12 + 1, "2.000000000001")],
)  # fmt: skip
def test_a_cost_is_a_number_in_plain_decimals_to_the_last_digit(pico: int, digits: str) -> None:
    priced = msgspec.structs.replace(answered(NO_COLUMNS, decode_result(succeeded("a"))), cost=pico)
    line = RowEncoder(RowLayout(choice=ColumnChoice.of(["cost_usd", "verdict"]))).encode(priced)
    assert line == f'{{"cost_usd":{digits},"verdict":"fits"}}'.encode()
    assert Decimal(digits) * 10**12 == pico


def test_the_bytes_of_the_rows_own_columns_are_left_as_they_are() -> None:
    columns = b'{"big":123456789012345678901234567890,"exact":1.10,"a":"\\u00e9"}'
    assert (
        RowEncoder(RowLayout())
        .encode(answered(columns, missing_result("a")))
        .startswith(columns[:-1] + b',"custom_id":"a"')
    )


def test_a_prefix_goes_before_the_results_columns_alone() -> None:
    found = row(RowEncoder(RowLayout(column_prefix='a"é_', include_message=True)), succeeded("a"), b'{"text":"mine"}')
    assert list(found) == ["text", *(f'a"é_{name}' for name in OUTPUT_COLUMNS)]


MANY = b"""{"id":7,"text":1.10,"custom_id":"n-0-7","batch_id":"b","result_type":"succeeded","text":"yes","parsed":null,\
"verdict":"fits","stop_reason":"end_turn","error_type":null,"error_message":null,"error_details":null,\
"model":"claude-haiku-5-5","usage":{"input_tokens":10,"output_tokens":3,"service_tier":"batch"},"cost_usd":null,\
"earlier_rounds":null}"""


def test_without_a_choice_a_line_has_these_bytes() -> None:
    judged = answered(b'{"id":7,"text":1.10}', decode_result(succeeded("n-0-7")))
    assert RowEncoder(RowLayout()).encode(judged) == MANY
    with_message = RowEncoder(RowLayout(include_message=True)).encode(judged)
    whole = json.dumps(message(), separators=(",", ":")).encode()
    assert with_message == MANY[:-1] + b',"message":' + whole + b"}"


@pytest.mark.parametrize(
    ("columns", "own", "line"),
    [
        ([], b'{"id":1.10}', b'{"id":1.10}'),
        ([], NO_COLUMNS, b"{}"),
        (["verdict", "text"], b'{"id":1.10}', b'{"id":1.10,"verdict":"fits","text":"yes"}'),
        (["text"], NO_COLUMNS, b'{"text":"yes"}'),
        (["message"], NO_COLUMNS, b'{"message":MESSAGE}'),
        (["message"], b'{"id":1}', b'{"id":1,"message":MESSAGE}'),
        (["message", "text"], b'{"id":1}', b'{"id":1,"message":MESSAGE,"text":"yes"}'),
        (["text", "message"], NO_COLUMNS, b'{"text":"yes","message":MESSAGE}'),
        (
            {**dict.fromkeys(RESULT_COLUMNS), "text": "é", "message": 'a"'},
            b'{"i":1}',
            b'{"i":1,"\xc3\xa9":"yes","a\\"":MESSAGE}',
        ),
    ],
)  # fmt: skip
def test_chosen_columns_follow_the_rows_own_in_their_order(columns: Any, own: bytes, line: bytes) -> None:
    choice = ColumnChoice.of(columns)
    encoder = RowEncoder(RowLayout(choice=choice, include_message=any(name == "message" for name, _ in choice.names)))
    judged = answered(own, decode_result(succeeded("n-0-7")))
    whole = json.dumps(message(), separators=(",", ":")).encode()
    assert encoder.encode(judged) == line.replace(b"MESSAGE", whole)
    lines = bytearray(b"before\n")
    encoder.append_line(lines, judged)
    encoder.append_line(lines, judged)
    assert bytes(lines) == b"before\n" + (line.replace(b"MESSAGE", whole) + b"\n") * 2


def test_a_message_before_other_columns_is_null_without_an_answer() -> None:
    choice = ColumnChoice.of(["message", "result_type"])
    found = row(RowEncoder(RowLayout(choice=choice, include_message=True)), errored("a"), b'{"id":7}')
    assert found == {"id": 7, "message": None, "result_type": "errored"}


def test_in_memory_there_are_the_same_columns_as_in_a_file() -> None:
    sink = RowsInMemory(RowLayout(choice=ColumnChoice.of([])), max_bytes=20, total_rows=1)
    sink.add(answered(b'{"id":7,"in":1.5}', decode_result(succeeded("a"))))
    assert sink.rows == [{"id": 7, "in": 1.5}]


def test_the_message_comes_whole_when_asked_for() -> None:
    encoder = RowEncoder(RowLayout(include_message=True))
    assert row(encoder, succeeded("a"))["message"] == message()
    assert row(encoder, errored("a"))["message"] is None


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ('{"label": "war"}', {"label": "war"}),
        ('{\n "label":\n "\u2028" }\n', {"label": "\u2028"}),
        ("[1, 123456789012345678901234567890]", [1, 123456789012345678901234567890]),
        ("null", None),
        ('{"label": "wa', None),
        ("Sorry, no.", None),
        ("NaN", None),
        ("1e999", None),
        ("", None),
        (None, None),
        ("[" * 5000, None),
        ('Here it is:\n{"label": "war"}', {"label": "war"}),
        ('Here it is:\n\n  {"label": "war"}\n', {"label": "war"}),
        ('```json\n{"label": "war"}\n```', {"label": "war"}),
        ('It is this.\n\n```json\n[{"label": "war"}]\n```\n', [{"label": "war"}]),
        ('The form {a} is not JSON:\n{"label": "war"}', {"label": "war"}),
        ('Here it is:\n{"label": "wa', None),
        ('{"a": "x", "b": {"c": [1, 2]}', None),
        ('{"items": [\n  {"x": 1},\n  {"x": 2}', None),
        ("I cannot label this. Sources: [1]", None),
        ('{"a": ' + "\n" * 50_000, None),
        ("It is: " + " " * 50_000 + "```" * 3, None),
        ("See the notes [1]", None),
        ("{" * 5000, None),
        ("\n{" * 5000, None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_structured_answers_are_parsed_where_they_can_be(text: str | None, parsed: object) -> None:
    judged = answered(NO_COLUMNS, decode_result(succeeded("a", text)), structured=True)
    encoded = RowEncoder(RowLayout()).encode(judged)
    assert b"\n" not in encoded
    assert json.loads(encoded)["parsed"] == parsed


def test_a_part_of_an_answer_that_was_cut_off_is_not_its_json() -> None:
    line = json.loads(succeeded("a", 'Here it is:\n[{"x": 1},\n{"x": 2}'))
    line["result"]["message"]["stop_reason"] = "max_tokens"
    assert row(RowEncoder(RowLayout()), json.dumps(line).encode(), structured=True)["parsed"] is None


def test_json_in_the_last_text_block_is_parsed() -> None:
    texts = ("I looked it up: [1].", '{"population": 42}')
    line = json.loads(succeeded("a", texts[0]))
    content = line["result"]["message"]["content"]
    content += [
        {"type": "server_tool_use", "id": "t", "name": "search", "input": {}},
        {"type": "text", "text": texts[1]},
    ]
    found = row(RowEncoder(RowLayout()), json.dumps(line).encode(), structured=True)
    assert (found["parsed"], found["text"]) == ({"population": 42}, "".join(texts))


@pytest.mark.parametrize(
    ("error", "details"),
    [
        ({"type": "error", "error": {"type": "api_error", "details": None}, "request_id": "r"}, {"request_id": "r"}),
        ({"type": "error", "error": {"type": "api_error", "details": {"a": 1}}}, {"details": {"a": 1}}),
        ({"type": "overloaded_error", "message": "m"}, None),
    ],
)  # fmt: skip
def test_an_error_keeps_its_request_id_and_details(error: dict[str, Any], details: object) -> None:
    line = {"custom_id": "a", "result": {"type": "errored", "error": error}}
    assert row(RowEncoder(RowLayout()), json.dumps(line).encode())["error_details"] == details


def test_text_is_not_parsed_unless_the_job_is_structured() -> None:
    assert row(RowEncoder(RowLayout()), succeeded("a", "{}"))["parsed"] is None


def test_a_request_without_a_result_is_missing() -> None:
    found = json.loads(RowEncoder(RowLayout()).encode(answered(b'{"id":1}', missing_result("n-0-1"))))
    assert (found["id"], found["custom_id"], found["result_type"], found["usage"]) == (1, "n-0-1", "missing", None)


@pytest.mark.parametrize("include_message", [False, True])
@pytest.mark.parametrize("columns", [NO_COLUMNS, b'{"id":7}', '{"id":"a\u2028b}"}'.encode()])
def test_lines_that_are_appended_are_the_rows_encoded_one_by_one(columns: bytes, include_message: bool) -> None:
    encoder = RowEncoder(RowLayout(include_message=include_message))
    results = [decode_result(each) for each in (succeeded("a", "[1]"), errored("b"), succeeded("c", "x"))]
    lines = bytearray(b"before\n")
    for result in results:
        encoder.append_line(lines, answered(columns, result, structured=True))
    rows = [encoder.encode(answered(columns, result, structured=True)) for result in results]
    assert bytes(lines) == b"".join(row + b"\n" for row in [b"before", *rows])
    assert [json.loads(row)["custom_id"] for row in rows] == ["a", "b", "c"]
    assert all(("message" in json.loads(row)) == include_message for row in rows)


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        ("12.10", 12.1), ("-0.0", -0.0), ("1E5", 100000.0), ("0.10000000000000000001", "0.10000000000000000001"),
        ("123456789012345678.91", "123456789012345678.91"), ("1e400", "1e400"), ("1e-400", "1e-400"),
        ("1e9999999999999999999", "1e9999999999999999999"), ("12345678901234567890", 12345678901234567890),
    ],
)  # fmt: skip
def test_in_memory_a_number_that_no_float_holds_is_text(digits: str, value: object) -> None:
    layout = RowLayout()
    sink = RowsInMemory(layout, max_bytes=10_000, total_rows=1)
    sink.add(AnsweredRow(b'{"k":%b,"in":[%b]}' % (digits.encode(), digits.encode()), None, missing_result("c")))
    (row,) = sink.rows
    assert list(row)[:3] == ["k", "in", "custom_id"]
    assert (row["k"], row["in"]) == (value, [value])
    assert type(row["k"]) is type(value)
