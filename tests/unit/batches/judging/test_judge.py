"""The verdict on an answer: by how it ends, then by its JSON, then by the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.results import decode_result
from tests.worlds.output_schemas import closed

SCHEMA = OutputSchema(closed(rating={"type": "integer", "maximum": 5}))
BAD = "at $.rating, the value is not as `maximum` demands: 5"


def judged(text: str, stop_reason: str | None = "end_turn", *, how: str = "schema") -> AnsweredRow:
    message: dict[str, Any] = {
        "content": [{"type": "text", "text": text}],
        "model": "m",
        "stop_reason": stop_reason,
        "usage": {},
    }
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
    judge = judge_for(SCHEMA if how == "schema" else None, structured=how != "text")
    return judge(b'{"id":1}', "msgbatch_1", decode_result(json.dumps(line).encode()))


def said(row: AnsweredRow) -> tuple[str | None, str | None, str | None]:
    return row.verdict, None if row.parsed is None else bytes(row.parsed).decode(), row.reason


@pytest.mark.parametrize(
    ("text", "stop_reason", "schema", "any_json", "plain"),
    [
        ('{"rating": 5}', "end_turn", ("fits", '{"rating": 5}', None), ("fits", '{"rating": 5}', None), "fits"),
        ('{"rating": 9}', "end_turn", ("invalid_output", None, BAD), ("fits", '{"rating": 9}', None), "fits"),
        (
            "no JSON",
            "end_turn",
            ("invalid_output", None, "the answer holds no JSON"),
            ("invalid_output", None, "the answer holds no JSON"),
            "fits",
        ),
        ('{"rating":5}', "stop_sequence", ("fits", '{"rating":5}', None), ("fits", '{"rating":5}', None), "fits"),
        ('{"rat', "max_tokens", ("truncated", None, None), ("truncated", None, None), "truncated"),
        ("Sorry.", "refusal", ("refusal", None, None), ("refusal", None, None), "refusal"),
        ("One moment", "pause_turn", ("unfinished", None, None), ("unfinished", None, None), "unfinished"),
        ("{", "model_context_window_exceeded", ("unfinished", None, None), ("unfinished", None, None), "unfinished"),
        ('{"rating":5}', "refusal", ("refusal", None, None), ("refusal", '{"rating":5}', None), "refusal"),
    ],
)
def test_verdicts(text: str, stop_reason: str, schema: tuple[Any, ...], any_json: tuple[Any, ...], plain: str) -> None:
    assert said(judged(text, stop_reason)) == schema
    assert said(judged(text, stop_reason, how="json")) == any_json
    assert said(judged(text, stop_reason, how="text")) == (plain, None, None)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ('{"rating":5.0}', '{"rating":5.0}'),
        ('{\n  "rating": 5\n}\n', '{"rating":5}'),
        ('Here it is:\n\n{"rating": 5}', '{"rating": 5}'),
        ('```json\n{"rating": 5}\n```', '{"rating": 5}'),
        ('{"r\\u0061ting": 5e0}', '{"r\\u0061ting": 5e0}'),
    ],
)
def test_parsed_is_the_answers_own_json_on_one_line(text: str, parsed: str) -> None:
    assert said(judged(text)) == ("fits", parsed, None)


@pytest.mark.parametrize("schema", [closed(rating={"type": "integer"}), {"type": "array", "uniqueItems": True}])
def test_an_answer_that_cannot_be_judged_stops_nothing_but_itself(schema: dict[str, Any]) -> None:
    deep = "[" * 500 + "]" * 500
    message = {"content": [{"type": "text", "text": f"[{deep}, {deep}]"}], "model": "m", "stop_reason": "end_turn"}
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
    row = judge_for(OutputSchema(schema), structured=True)(b"{}", "b", decode_result(json.dumps(line).encode()))
    assert (row.verdict, row.parsed) == ("invalid_output", None)
    assert row.reason is not None


def test_nan_is_no_json() -> None:
    assert said(judged('{"rating": NaN}')) == ("invalid_output", None, "the answer holds no JSON")


def test_a_row_that_did_not_succeed_has_no_verdict_and_the_apis_reason() -> None:
    error = {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}
    line = {"custom_id": "a", "result": {"type": "errored", "error": error}}
    for how in ("schema", "json", "text"):
        judge = judge_for(SCHEMA if how == "schema" else None, structured=how != "text")
        assert said(judge(b"{}", "b", decode_result(json.dumps(line).encode()))) == (
            None,
            None,
            "Internal server error",
        )
