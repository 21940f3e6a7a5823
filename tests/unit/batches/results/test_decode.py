from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.results import UNREADABLE, Result, decode_result
from anthropic_batches_provider.batches.results.decode import decode_custom_id
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
    result = decode_result(encoded)
    assert (result.result_type, result.text) == ("succeeded", text)


def test_a_succeeded_result_brings_model_stop_reason_usage_and_message_as_they_came() -> None:
    result = decode_result(succeeded("a", model="m", stop_reason="max_tokens", usage={"input_tokens": 1}))
    assert (result.custom_id, result.model, result.stop_reason) == ("a", "m", "max_tokens")
    assert bytes(result.usage or b"") == b'{"input_tokens":1}'
    assert json.loads(bytes(result.message or b"")) == message(
        model="m", stop_reason="max_tokens", usage={"input_tokens": 1}
    )


@pytest.mark.parametrize("line", [succeeded("a"), content(TEXT, TEXT), errored("a"), ended("a", "expired")])
def test_without_the_message_a_result_is_the_same_but_for_it(line: bytes) -> None:
    whole = decode_result(line)
    assert decode_result(line, with_message=False) == msgspec.structs.replace(whole, message=None)


def test_the_order_of_keys_does_not_matter_and_unknown_ones_are_passed_over() -> None:
    encoded = b'{"new":1,"result":{"message":{"usage":{},"x":[1],"model":"m"},"type":"succeeded"},"custom_id":"a"}'
    assert decode_result(encoded).model == "m"


def test_an_error_is_found_two_levels_down() -> None:
    result = decode_result(errored("a", "overloaded_error", "busy"))
    assert (result.result_type, result.error_type, result.error_message) == ("errored", "overloaded_error", "busy")


@pytest.mark.parametrize("error", [{}, {"error": None}, {"error": {"type": "error"}}, {"error": {"error": None}}])
def test_an_error_without_particulars_is_still_an_error(error: dict[str, Any]) -> None:
    result = decode_result(line("a", {"type": "errored", **error}))
    assert (result.result_type, result.error_type) == ("errored", None)


@pytest.mark.parametrize("result_type", ["canceled", "expired"])
def test_a_request_that_was_not_run_has_neither_message_nor_error(result_type: str) -> None:
    result = decode_result(ended("a", result_type))
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
    assert decode_result(succeeded("a", "TEXT").replace(b"TEXT", text)).text == read


DEEP = b"[" * 1500 + b"]" * 1500
DIGITS = b"1" * 5000


def said(text: bytes) -> bytes:
    return succeeded("a", "TEXT").replace(b'"TEXT"', text)


@pytest.mark.parametrize(
    "encoded",
    [
        b'{"custom_id":"a"}',
        b'{"custom_id":"a","result":{"type":"throttled"}}',
        b'{"custom_id":"a","result":{"type":"succeeded"}}',
        b'{"custom_id":"a","result":{"type":"canceled"}',
        b'{"custom_id":"a","result":{"type":"cancel\x00ed"}}',
        b'{"custom_id":"a","result":"succeeded"}',
        b'{"custom_id":"a","result":{"type":"succeeded","message":{"content":"yes"}}}',
        b'{"custom_id":"a","result":{"type":"succeeded","message":{"content":[{"text":"yes"}]}}}',
        b'{"custom_id":"a","result":{"type":"succeeded","message":{"stop_reason":{"type":"end_turn"}}}}',
        said(DEEP),
        said(DIGITS),
        b'{"new":' + DEEP + b',"result":{"type":"succeeded"},"custom_id":"a"}',
    ],
)
@pytest.mark.parametrize("with_message", [True, False])
def test_an_answer_that_cannot_be_decoded_is_a_result_of_its_own_kind(encoded: bytes, with_message: bool) -> None:
    result = decode_result(encoded, with_message=with_message)
    assert (result.custom_id, result.result_type) == ("a", UNREADABLE)
    assert (result.text, result.usage, result.message, result.error_type) == (None, None, None, None)
    assert result.error_message is not None
    assert encoded[:30].decode() in result.error_message
    assert len(result.error_message) < 500


@pytest.mark.parametrize(("levels", "is_read"), [(500, True), (600, False)])
def test_how_deep_is_too_deep_does_not_depend_on_the_limit_of_the_process(levels: int, is_read: bool) -> None:
    code = (
        "import sys; sys.setrecursionlimit(10**9);"
        "from anthropic_batches_provider.batches.results import decode_result;"
        "print(decode_result(sys.stdin.buffer.read()).result_type)"
    )
    nested = said(b"[" * levels + b"]" * levels)
    here = decode_result(nested).result_type
    there = subprocess.run([sys.executable, "-c", code], input=nested, capture_output=True, check=True).stdout
    assert here == there.decode().strip() == ("succeeded" if is_read else UNREADABLE)


def test_a_deep_answer_does_not_overflow_the_stack_where_the_limit_was_raised() -> None:
    code = (
        "import sys; sys.setrecursionlimit(10**9);"
        "from anthropic_batches_provider.batches.results import decode_result;"
        "from anthropic_batches_provider.batches.results.decode import decode_custom_id;"
        "line = sys.stdin.buffer.read(); print(decode_result(line).result_type, decode_custom_id(line))"
    )
    nested = said(b"[" * 200_000 + b"]" * 200_000)
    there = subprocess.run([sys.executable, "-c", code], input=nested, capture_output=True, check=True).stdout
    assert there.decode().split() == [UNREADABLE, "a"]


@pytest.mark.parametrize("encoded", [b"<html>502 Bad Gateway</html>", b"[]", b'{"custom_id":1}', b"{" * 3000])
def test_what_names_no_request_is_unreadable_and_nobodys(encoded: bytes) -> None:
    assert decode_result(encoded).result_type == UNREADABLE
    assert decode_custom_id(encoded) is None


@pytest.mark.parametrize(
    ("error", "error_type", "error_message"),
    [
        (b'{"type":"overloaded_error","message":"busy"}', "overloaded_error", "busy"),
        (b'{"type":"error","error":{"type":"api_error","message":{"detail":1}}}', "api_error", '{"detail":1}'),
        (b'{"type":"error","error":"boom"}', None, None),
        (b'"boom"', None, "boom"),
        (b'{"type":"error","error":{"type":"api_error","message":"x","new":' + DEEP + b"}}", "api_error", "x"),
        (b'{"type":"error","error":{"type":"api_error","message":"x","new":' + DIGITS + b"}}", "api_error", "x"),
        (b'{"type":["api_error"],"message":null}', None, None),
    ],
    ids=["flat", "the message is an object", "an error's error is text", "text", "deep", "digits", "a list"],
)
def test_a_line_that_says_errored_is_that_whatever_the_form_of_its_error(
    error: bytes, error_type: str | None, error_message: str | None
) -> None:
    result = decode_result(b'{"custom_id":"a","result":{"type":"errored","error":' + error + b"}}")
    assert (result.custom_id, result.result_type, result.error_type) == ("a", "errored", error_type)
    assert result.error_message == error_message


@pytest.mark.parametrize("result_type", ["canceled", "expired"])
def test_a_line_that_says_it_was_not_answered_is_believed_however_deep_the_rest(result_type: str) -> None:
    encoded = b'{"custom_id":"a","result":{"new":' + DEEP + b',"type":"' + result_type.encode() + b'"}}'
    assert decode_result(encoded) == Result("a", result_type)


def test_a_deep_answer_is_read_in_linear_time() -> None:
    """600 KB of brackets; quadratic time would take hours, and pytest's time-out ends the test."""
    assert decode_result(said(b"[" * 300_000 + b"]" * 300_000)).result_type == UNREADABLE


def test_a_message_that_the_next_reader_might_refuse_is_unreadable() -> None:
    nested = said(b"[" * 700 + b"]" * 700)
    assert decode_result(nested, with_message=True).result_type == UNREADABLE


def test_a_message_with_many_brackets_that_are_not_nested_is_read() -> None:
    assert decode_result(said(b"[" + b",".join([b"[{}]"] * 2000) + b"]")).result_type == "succeeded"


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded exchanges are missing")
def test_recorded_results_decode() -> None:
    files = sorted(RECORDED.glob("*.jsonl"))
    results = [decode_result(one) for file in files for one in split_lines([file.read_bytes()])]
    assert files
    assert all(result.text and result.model and result.usage for result in results)
    assert {(result.result_type, result.stop_reason) for result in results} == {("succeeded", "end_turn")}
