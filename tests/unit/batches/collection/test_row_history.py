"""Which result of a row counts, and what a further round is told of the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.collection.row_history import CORRECTION, RowHistory
from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.results import Result, decode_result, missing_result

JUDGE = judge_for(OutputSchema({"type": "object", "required": ["a"]}), structured=True)


def message(content: list[Any], stop_reason: str = "end_turn", **more: Any) -> Result:
    found = {"content": content, "model": "m", "stop_reason": stop_reason, "usage": {"output_tokens": 1}, **more}
    return decode_result(json.dumps({"custom_id": "n-0-7", "result": {"type": "succeeded", "message": found}}).encode())


def answer(text: str | None, stop_reason: str = "end_turn", **more: Any) -> Result:
    return message([] if text is None else [{"type": "text", "text": text}], stop_reason, **more)


FITS = answer('{"a":1}')
INVALID = answer('{"b":1}')
CUT = answer('{"a":', "max_tokens")
REFUSED = answer(None, "refusal")
PAUSED = answer('{"a"', "pause_turn")
REST = answer(":1}")
OVERLOADED = Result("n-0-7", "errored", error_type="overloaded_error")
BAD = Result("n-0-7", "errored", error_type="invalid_request_error", error_message="no")
MISSING = missing_result("n-0-7")
UNREADABLE = Result("n-0-7", "unreadable")
ALL = [FITS, INVALID, CUT, REFUSED, PAUSED, OVERLOADED, MISSING, UNREADABLE]


def history(*results: Result) -> RowHistory:
    first, *further = results
    found = RowHistory(JUDGE, JUDGE(b'{"key":7}', "batch_1", first))
    for number, result in enumerate(further, 2):
        found.add(number, f"batch_{number}", result)
    return found


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        ([FITS], 0),
        ([CUT, FITS], 1),
        ([FITS, CUT], 0),
        ([FITS, FITS], 1),
        ([CUT, INVALID], 1),
        ([CUT, OVERLOADED], 0),
        ([OVERLOADED, CUT], 1),
        ([OVERLOADED, MISSING], 1),
        ([MISSING, OVERLOADED], 1),
        ([CUT, UNREADABLE, OVERLOADED], 0),
    ],
)
def test_an_answer_that_fits_counts_then_the_latest_answer_then_the_latest_result(
    results: Sequence[Result], counts: int
) -> None:
    row = history(*results).answered_row()
    assert row.batch_id == f"batch_{counts + 1}"
    others = [f"batch_{number + 1}" for number in range(len(results)) if number != counts]
    assert [other.batch_id for other in row.earlier_rounds or ()] == others
    assert (row.earlier_rounds is None) == (len(results) == 1)


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=5))
def test_every_result_is_told_once_and_costs_are_none_of_them_lost(results: list[Result]) -> None:
    found = history(*results)
    row = found.answered_row()
    told = sorted(
        [(row.batch_id, row.result.result_type), *((o.batch_id, o.result_type) for o in row.earlier_rounds or ())]
    )
    assert told == [(f"batch_{number}", result.result_type) for number, result in enumerate(results, 1)]
    assert found.has_failed == (row.verdict != "fits")
    if FITS in results:
        assert row.verdict == "fits"
    reason = found.reason(7)
    if results[-1] in (MISSING, UNREADABLE):
        assert (reason.verdicts, reason.result_type) == ((), results[-1].result_type)
    else:
        assert len(reason.verdicts) == sum(result.result_type == "succeeded" for result in results)


def turns(*results: Result) -> list[Any]:
    return [json.loads(bytes(turn)) for turn in history(*results).reason(7).turns]


def test_an_invalid_answer_is_shown_with_its_reason_and_no_value_of_it() -> None:
    assistant, user = turns(INVALID)
    assert assistant == {"role": "assistant", "content": '{"b":1}'}
    reason = history(INVALID).answered_row().reason
    assert user == {"role": "user", "content": CORRECTION.format(reason=reason)}
    assert reason is not None


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_an_answer_without_text_is_not_shown_because_the_api_refuses_empty_text(text: str | None) -> None:
    (user,) = turns(answer(text))
    assert user["role"] == "user"


@pytest.mark.parametrize("results", [[CUT], [REFUSED], [OVERLOADED], [INVALID, CUT], [PAUSED, CUT]])
def test_other_requests_begin_anew(results: list[Result]) -> None:
    assert turns(*results) == []


def test_a_paused_answer_goes_on_and_its_text_is_whole() -> None:
    row = history(PAUSED, REST).answered_row()
    assert (row.verdict, row.result.text, bytes(row.parsed or b"")) == ("fits", '{"a":1}', b'{"a":1}')
    paused_again = answer(":", "pause_turn")
    assert turns(PAUSED, paused_again) == [
        {"role": "assistant", "content": [{"type": "text", "text": '{"a"'}, {"type": "text", "text": ":"}]}
    ]
    assert history(PAUSED, paused_again, answer("1}")).answered_row().verdict == "fits"
    assert turns(PAUSED, OVERLOADED) == turns(PAUSED)


def test_a_paused_answer_to_a_correction_goes_on_behind_it() -> None:
    assert turns(INVALID, PAUSED) == [
        *turns(INVALID),
        {"role": "assistant", "content": [{"type": "text", "text": '{"a"'}]},
    ]


def test_requests_are_told_from_each_other_by_their_round_and_by_what_they_added() -> None:
    sent = history(INVALID, OVERLOADED, answer("fine"), CUT, BAD).reason(7).sent
    assert [(request.round, request.verdicts) for request in sent] == [(1, 0), (3, 1), (4, 2), (5, 3)]
    assert [request.turns == "" for request in sent] == [True, False, False, True]
    assert sent[1].turns != sent[2].turns


def test_the_container_of_the_latest_answer_goes_with_it_while_it_is_paused() -> None:
    paused = answer("{", "pause_turn", container={"id": "c_1", "expires_at": "2026-11-28T00:00:00Z"})
    assert history(paused).reason(7).container == "c_1"
    assert history(paused, OVERLOADED).reason(7).container == "c_1"
    assert history(paused, INVALID).reason(7).container is None
    assert history(answer("{", "pause_turn", container="odd")).reason(7).container is None


def test_blocks_that_the_api_does_not_take_back_are_left_out() -> None:
    content = [
        {"type": "text", "text": ""},
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "text", "text": "a \n"},
    ]
    (turn,) = turns(message(content, "pause_turn"))
    assert turn["content"] == [content[1], {"type": "text", "text": "a"}]
    assert turns(message([{"type": "text", "text": " "}], "pause_turn")) == []


def test_text_that_is_no_utf8_does_not_make_a_request_that_no_service_can_read() -> None:
    block = b'{"type":"text","text":"a","x":"\xff"}'
    content = b'{"content":[%b],"stop_reason":"pause_turn"}' % block
    line = b'{"custom_id":"n-0-7","result":{"type":"succeeded","message":%b}}' % content
    (turn,) = turns(decode_result(line))
    assert turn["content"] == [{"type": "text", "text": "a", "x": "\ufffd"}]


@pytest.mark.parametrize(
    ("parts", "parsed"),
    [
        ((["I look it up.", '{"a":1}'], []), '{"a":1}'),
        ((["I look it up.", '{"a":'], ["1}"]), '{"a":1}'),
        ((["I look it up."], ['{"a":1}']), '{"a":1}'),
        ((["I look it up."], ["Here it is:", '{"a":1}']), '{"a":1}'),
        (([], ['{"a":1}']), '{"a":1}'),
    ],
)
def test_json_is_found_wherever_the_answer_paused(parts: tuple[list[str], list[str]], parsed: str) -> None:
    first, second = ([{"type": "text", "text": text} for text in texts] for texts in parts)
    row = history(message(first, "pause_turn"), message(second)).answered_row()
    assert (row.verdict, bytes(row.parsed or b"").decode()) == ("fits", parsed)


def test_a_refusal_does_not_go_on_and_does_not_count_before_an_answer() -> None:
    for results in ([PAUSED, REFUSED], [CUT, REFUSED], [REFUSED, CUT]):
        row = history(*results).answered_row()
        assert row.verdict in ("unfinished", "truncated")
        assert row.is_latest == (results[-1] is CUT)
    assert history(PAUSED, answer("No.", "refusal")).answered_row().result.text == '{"a"'
    assert history(OVERLOADED, REFUSED).answered_row().verdict == "refusal"


def test_what_came_of_a_repair_that_was_refused_is_told() -> None:
    row = history(CUT, BAD).answered_row()
    (other,) = row.earlier_rounds or ()
    assert (row.verdict, row.is_latest) == ("truncated", False)
    assert (other.result_type, other.error_type, other.error_message) == ("errored", "invalid_request_error", "no")
