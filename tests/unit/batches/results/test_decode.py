from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.results import decode_result
from anthropic_batches_provider.errors import UnexpectedAnswerError
from tests.worlds.ended_jobs import ended, errored, line, message, succeeded

RECORDED = Path(__file__).parents[5] / "shared" / "recorded"


def content(*blocks: dict[str, Any]) -> bytes:
    return succeeded("a", content=list(blocks))


TEXT = {"type": "text", "text": "yes"}
TEXTS: list[tuple[str, bytes, str | None]] = [
    ("one text block", content(TEXT), "yes"),
    ("thinking first", content({"type": "thinking", "thinking": "hm", "signature": "s"}, TEXT), "yes"),
    ("redacted thinking first", content({"type": "redacted_thinking", "data": "x"}, TEXT), "yes"),
    ("text cut into blocks by citations", content(TEXT, {"type": "text", "text": " no", "citations": []}), "yes no"),
    (
        "a tool call after text",
        content(TEXT, {"type": "tool_use", "id": "t", "name": "n", "input": {"text": 1}}),
        "yes",
    ),
    ("only a tool call", content({"type": "tool_use", "id": "t", "name": "n", "input": {}}), None),
    ("a block of another type whose text is none", content({"type": "new", "text": {"a": 1}}, TEXT), "yes"),
    ("no content, as in a refusal", succeeded("a", None, stop_reason="refusal"), None),
    ("an empty text", content({"type": "text", "text": ""}), ""),
    ("separators that end no line", content({"type": "text", "text": "\u2028\u0085"}), "\u2028\u0085"),
]


@pytest.mark.parametrize(("encoded", "text"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_text_is_the_text_blocks_joined(encoded: bytes, text: str | None) -> None:
    result = decode_result(encoded, batch_id="b")
    assert (result.result_type, result.text) == ("succeeded", text)


def test_a_succeeded_result_brings_model_stop_reason_usage_and_message_as_they_came() -> None:
    result = decode_result(succeeded("a", model="m", stop_reason="max_tokens", usage={"input_tokens": 1}), batch_id="b")
    assert (result.custom_id, result.model, result.stop_reason) == ("a", "m", "max_tokens")
    assert bytes(result.usage or b"") == b'{"input_tokens":1}'
    assert json.loads(bytes(result.message or b"")) == message(
        model="m", stop_reason="max_tokens", usage={"input_tokens": 1}
    )


@pytest.mark.parametrize("line", [succeeded("a"), content(TEXT, TEXT), errored("a"), ended("a", "expired")])
def test_without_the_message_a_result_is_the_same_but_for_it(line: bytes) -> None:
    whole = decode_result(line, batch_id="b")
    assert decode_result(line, batch_id="b", with_message=False) == msgspec.structs.replace(whole, message=None)


def test_the_order_of_keys_does_not_matter_and_unknown_ones_are_passed_over() -> None:
    encoded = b'{"new":1,"result":{"message":{"usage":{},"x":[1],"model":"m"},"type":"succeeded"},"custom_id":"a"}'
    assert decode_result(encoded, batch_id="b").model == "m"


def test_an_error_is_found_two_levels_down() -> None:
    result = decode_result(errored("a", "overloaded_error", "busy"), batch_id="b")
    assert (result.result_type, result.error_type, result.error_message) == ("errored", "overloaded_error", "busy")


@pytest.mark.parametrize("error", [{}, {"error": None}, {"error": {"type": "error"}}, {"error": {"error": None}}])
def test_an_error_without_particulars_is_still_an_error(error: dict[str, Any]) -> None:
    result = decode_result(line("a", {"type": "errored", **error}), batch_id="b")
    assert (result.result_type, result.error_type) == ("errored", None)


@pytest.mark.parametrize("result_type", ["canceled", "expired"])
def test_a_request_that_was_not_run_has_neither_message_nor_error(result_type: str) -> None:
    result = decode_result(ended("a", result_type), batch_id="b")
    assert (result.result_type, result.text, result.error_type, result.usage) == (result_type, None, None, None)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\udE00 x", "\ufffd x"),
        (rb"\ud83d\ude00\ud83d", "😀\ufffd"),
        (rb"\\ud83d\ud83d", "\\ud83d\ufffd"),
        (b"\xff", "\ufffd"),
    ],
)
def test_one_broken_character_does_not_make_a_result_unreadable(text: bytes, read: str) -> None:
    assert decode_result(succeeded("a", "TEXT").replace(b"TEXT", text), batch_id="b").text == read


@pytest.mark.parametrize(
    "encoded",
    [
        b"<html>502 Bad Gateway</html>",
        b"[]",
        b'{"custom_id":"a"}',
        b'{"custom_id":"a","result":{"type":"throttled"}}',
        b'{"custom_id":"a","result":{"type":"succeeded"}}',
        b'{"custom_id":"a","result":{"type":"canceled"}',
    ],
)
def test_what_is_no_result_names_batch_line_and_beginning(encoded: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError) as raised:
        decode_result(encoded, batch_id="msgbatch_1", line_number=lambda: 1234)
    assert "msgbatch_1" in str(raised.value)
    assert "Line 1,234" in str(raised.value)
    assert repr(encoded[:200]) in str(raised.value)


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded exchanges are missing")
def test_recorded_results_decode() -> None:
    files = sorted(RECORDED.glob("*.jsonl"))
    results = [decode_result(one, batch_id="b") for file in files for one in split_lines([file.read_bytes()])]
    assert files
    assert all(result.text and result.model and result.usage for result in results)
    assert {(result.result_type, result.stop_reason) for result in results} == {("succeeded", "end_turn")}
