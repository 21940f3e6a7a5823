"""The bill counts requests: which rows of equal content are one request, and which are several."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.simulator import Clock, Settings, Simulator
from anthropic_batches_provider.simulator.service.billing import Billing
from anthropic_batches_provider.simulator.service.outcomes import parse_rule
from anthropic_batches_provider.simulator.service.simulated_batch import Origin

ORIGIN = Origin("wrkspc_a", "2026-10-21")
JOB, OTHER = "0123456789ab", "ba9876543210"
Requests = dict[str, str]


def simulator() -> Simulator:
    return Simulator(clock=Clock(start=1_795_000_000, speed=0), settings=Settings(shuffle_results=False))


def send(sim: Simulator, requests: Requests, **params: Any) -> str:
    """Send a batch of custom_ids and their texts; return its id."""
    usual = {"model": "claude-haiku-4-5", "max_tokens": 64} | params
    body = [
        {"custom_id": custom_id, "params": usual | {"messages": [{"role": "user", "content": text}]}}
        for custom_id, text in requests.items()
    ]
    return sim.commit(sim.prepare(json.dumps({"requests": body}).encode(), ORIGIN)).id


def bill_of(*batches: Requests) -> Billing:
    sim = simulator()
    for requests in batches:
        send(sim, requests)
    return sim.billing()


def counts(bill: Billing) -> tuple[int, int, int, int]:
    return bill.rows_billed, bill.distinct_requests, bill.max_times_billed, bill.repeated_requests


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([{f"{JOB}-0-{row}": "same" for row in range(4)}], id="in one shard"),
        pytest.param([{f"{JOB}-0-0": "same", f"{JOB}-0-1": "same"}, {f"{JOB}-1-2": "same", f"{JOB}-1-3": "same"}],
                     id="in two shards"),
        pytest.param([{f"{JOB}-2-1": "same"}, {f"{JOB}-0-0": "same", f"{JOB}-0-2": "same"}, {f"{JOB}-1-3": "same"}],
                     id="in a pilot and two shards"),
        pytest.param([{f"{JOB}-{row}-{row}": "same"} for row in range(4)], id="each alone"),
    ],
)  # fmt: skip
def test_equal_contents_of_a_job_are_separate_requests_in_any_batches(batches: list[Requests]) -> None:
    bill = bill_of(*batches)
    assert counts(bill) == (4, 4, 1, 0)
    assert (bill.distinct_contents, bill.repeated) == (1, [])


def test_a_row_that_its_job_sends_again_is_billed_twice_and_the_bill_says_where() -> None:
    sim = simulator()
    first = send(sim, {f"{JOB}-0-{row}": "same" for row in range(3)})
    second = send(sim, {f"{JOB}-1-2": "same"})
    bill = sim.billing()
    assert counts(bill) == (4, 3, 2, 1)
    (repeated,) = bill.repeated
    assert (repeated.times, repeated.custom_ids) == (2, [f"{JOB}-0-2", f"{JOB}-1-2"])
    assert repeated.why == f"one job sent a row again: row 2 of job {JOB} in {first}, {second}"


def test_a_shard_that_is_posted_twice_is_billed_twice_row_by_row() -> None:
    shard = {f"{JOB}-0-0": "same", f"{JOB}-0-1": "same", f"{JOB}-0-2": "other"}
    bill = bill_of(shard, shard)
    assert counts(bill) == (6, 3, 2, 3)
    assert [each.custom_ids for each in bill.repeated] == [[custom_id] * 2 for custom_id in shard]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_a_second_job_of_the_same_rows_is_billed_twice_in_any_order(order: list[int]) -> None:
    texts = ["same", "a", "same", "b"]
    sim = simulator()
    first = send(sim, {f"{JOB}-0-{row}": text for row, text in enumerate(texts)})
    second = send(sim, {f"{OTHER}-0-{row}": texts[place] for row, place in enumerate(order)})
    bill = sim.billing()
    assert counts(bill) == (8, 4, 2, 4)
    assert {tuple(custom_id[:12] for custom_id in each.custom_ids) for each in bill.repeated} == {(JOB, OTHER)}
    assert bill.repeated[0].why == (
        f"several jobs sent the same content: row 0 of job {JOB} in {first}; row {order.index(0)} of job {OTHER} "
        f"in {second}"
    )


def test_of_three_equal_rows_and_two_of_another_job_two_are_billed_twice() -> None:
    bill = bill_of({f"{JOB}-0-{row}": "same" for row in (0, 5, 9)}, {f"{OTHER}-0-{row}": "same" for row in (3, 4)})
    assert counts(bill) == (5, 3, 2, 2)
    assert [each.custom_ids for each in bill.repeated] == [
        [f"{JOB}-0-0", f"{OTHER}-0-3"],
        [f"{JOB}-0-5", f"{OTHER}-0-4"],
    ]


def test_rows_are_matched_by_number_and_not_as_text() -> None:
    bill = bill_of({f"{JOB}-0-9": "same", f"{JOB}-0-10": "same"}, {f"{OTHER}-0-1": "same"})
    assert [each.custom_ids for each in bill.repeated] == [[f"{JOB}-0-9", f"{OTHER}-0-1"]]


def test_a_row_sent_again_and_sent_by_another_job_is_billed_three_times() -> None:
    bill = bill_of({f"{JOB}-0-0": "same"}, {f"{JOB}-1-0": "same"}, {f"{OTHER}-0-7": "same"})
    assert counts(bill) == (3, 1, 3, 1)
    assert bill.repeated[0].times == len(bill.repeated[0].custom_ids) == 3
    assert bill.repeated[0].why.startswith("several jobs sent the same content: ")


def test_a_repaired_row_is_another_request_even_if_it_now_asks_what_another_row_asks() -> None:
    bill = bill_of({f"{JOB}-0-0": "short", f"{JOB}-0-1": "more room"}, {f"{JOB}-1-0": "more room"})
    assert counts(bill) == (3, 3, 1, 0)
    assert bill.distinct_contents == 2


def test_a_row_that_failed_and_is_sent_again_is_billed_once() -> None:
    sim = simulator()
    sim.rules.add(parse_rule({"result": "errored", "custom_id": "-0-1$"}))
    send(sim, {f"{JOB}-0-{row}": "same" for row in range(3)})
    send(sim, {f"{JOB}-1-1": "same"})
    assert counts(sim.billing()) == (3, 3, 1, 0)


def test_a_request_with_another_custom_id_is_one_of_its_batch() -> None:
    once, twice = {"a": "same", "b": "same", "c": "other"}, {"d": "same"}
    assert counts(bill_of(once)) == (3, 3, 1, 0)
    assert counts(bill_of(once, once)) == (6, 3, 2, 3)
    bill = bill_of(once, twice)
    assert counts(bill) == (4, 3, 2, 1)
    assert bill.repeated[0].custom_ids == ["a", "d"]


def test_a_batch_of_another_program_with_the_content_of_a_job_is_told_by_its_custom_id() -> None:
    sim = simulator()
    ours, theirs = send(sim, {f"{JOB}-0-4": "same"}), send(sim, {"mine": "same"})
    (repeated,) = sim.billing().repeated
    assert repeated.why == f"several jobs sent the same content: row 4 of job {JOB} in {ours}; mine in {theirs}"


@pytest.mark.parametrize(
    "custom_id",
    [
        "0123456789AB-0-1",
        "0123456789a-0-1",
        "0123456789abc-0-1",
        "0123456789ab-1",
        "0123456789ab-0-1-2",
        "x0123456789ab-0-1",
        "0123456789ab-0-r1",
        "0123456789ab_0_1",
    ],
)
def test_custom_ids_that_are_almost_of_the_form_name_no_job(custom_id: str) -> None:
    def numbered(row: int) -> str:
        return custom_id.replace("0", str(row), 1) if custom_id.startswith("0") else f"{custom_id}{row}"

    assert counts(bill_of({numbered(1): "same"}, {numbered(2): "same"})) == (2, 1, 2, 1)


def test_the_first_hundred_repeated_requests_are_listed_and_all_are_counted() -> None:
    shard = {f"{JOB}-0-{row}": f"text {row // 3}" for row in range(150)}
    bill = bill_of(shard, shard)
    assert counts(bill) == (300, 150, 2, 150)
    assert [each.custom_ids[0] for each in bill.repeated] == list(shard)[:100]


MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TOOL = {"name": "look_up", "input_schema": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("plain", "marked"),
    [
        ({"system": "Guide."}, {"system": [{"type": "text", "text": "Guide."} | MARK]}),
        ({"tools": [TOOL]}, {"tools": [TOOL | MARK]}),
        ({"system": "Guide."}, {"system": "Guide."} | MARK),
        (
            {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"} | MARK]},
        ),
    ],
)
def test_a_second_job_with_the_prompt_cache_asks_the_same(plain: dict[str, Any], marked: dict[str, Any]) -> None:
    sim = simulator()
    send(sim, {f"{JOB}-0-0": "same"}, **plain)
    send(sim, {f"{OTHER}-0-0": "same"}, **marked)
    assert counts(sim.billing()) == (2, 1, 2, 1)


def test_marks_in_messages_change_no_question_and_other_texts_do() -> None:
    def message(text: str, *, is_marked: bool) -> dict[str, Any]:
        block = {"type": "text", "text": "Shared."} | (MARK if is_marked else {})
        document = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
        return {"role": "user", "content": [document, block, {"type": "text", "text": text}]}

    def body(nonce: str, text: str, *, is_marked: bool) -> bytes:
        params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [message(text, is_marked=is_marked)]}
        return json.dumps({"requests": [{"custom_id": f"{nonce}-0-0", "params": params}]}).encode()

    def max_times(*bodies: bytes) -> int:
        sim = simulator()
        for each in bodies:
            sim.rules.add(parse_rule({"result": "succeeded", "text": "yes"}))
            sim.commit(sim.prepare(each, ORIGIN))
        return sim.billing().max_times_billed

    assert max_times(body(JOB, "same", is_marked=False), body(OTHER, "same", is_marked=True)) == 2
    assert max_times(body(JOB, "same", is_marked=False), body(OTHER, "other", is_marked=True)) == 1


ROWS = st.tuples(st.sampled_from((JOB, OTHER)), st.integers(0, 3), st.integers(0, 2))
BATCHES = st.lists(
    st.lists(ROWS, min_size=1, max_size=6, unique_by=lambda row: row[:2]), min_size=1, max_size=4
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(batches=BATCHES)
def test_paid_twice_is_a_row_that_is_sent_again_and_a_content_of_two_jobs(
    batches: list[list[tuple[str, int, int]]],
) -> None:
    bill = bill_of(*({f"{job}-{n}-{row}": f"text {text}" for job, row, text in rows} for n, rows in enumerate(batches)))
    times = Counter(row for rows in batches for row in rows)
    rows_of = Counter((text, job) for job, _, text in times)
    texts = {text for text, _ in rows_of}
    is_paid_twice = max(times.values()) > 1 or any(rows_of[text, JOB] and rows_of[text, OTHER] for text in texts)
    assert (bill.max_times_billed > 1) == (bill.repeated != []) == is_paid_twice
    assert bill.rows_billed == times.total()
    assert bill.distinct_requests == sum(max(rows_of[text, JOB], rows_of[text, OTHER]) for text in texts)
    assert sum(each.times - 1 for each in bill.repeated) == bill.rows_billed - bill.distinct_requests
