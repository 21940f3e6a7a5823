"""Rows of usage by batch and model: their order, what is null, and the file that holds them."""

from __future__ import annotations

import json
from dataclasses import fields

import pendulum
import pytest

from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.money.batch_uses import NO_BATCH, Used
from anthropic_batches_provider.batches.money.costs import KindCosts
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.output.usage_rows import (
    UsageRow,
    decode_usage,
    encode_usage,
    usage_rows,
)
from anthropic_batches_provider.batches.usage import Usage

JOB = "file:///jobs/dag/task/unit/-/job-0001"
USAGE = Usage(requests=3, input_tokens=100, output_tokens=20)
COST = ModelCost(
    requests=3,
    batch=KindCosts(input=5, output=10**12),
    live=KindCosts(input=10, output=2 * 10**12),
    uncached=10**12 + 6,
    sources=("contract", "genai-prices 0.2.3"),
)


def batch(batch_id: str) -> MessageBatch:
    return MessageBatch(
        id=batch_id,
        processing_status="ended",
        request_counts=RequestCounts(succeeded=3),
        created_at=pendulum.datetime(2026, 11, 29, 10, 0, 0, 5000, tz="UTC"),
        expires_at=None,
    )


def only(used: Usage, cost: ModelCost | None, batch_id: str = "b") -> UsageRow:
    (row,) = usage_rows(JOB, {batch_id: {"m": Used(used, cost)}}, [batch("b")])
    return row


def test_a_row_tells_tokens_amounts_and_times() -> None:
    row = only(USAGE, COST)
    assert (row.job, row.batch_id, row.model) == (JOB, "b", "m")
    assert (row.created_at, row.ended_at) == ("2026-11-29T10:00:00.005000Z", None)
    assert {each.name: getattr(row, each.name) for each in fields(Usage)} == USAGE.as_dict()
    assert (row.cost_usd, row.live_usd) == ("1.000000000005", "2.00000000001")
    assert (row.saved_by_batch_usd, row.saved_by_cache_usd) == ("1.000000000005", "0.000000000001")
    assert (row.unknown_requests, row.at_least, row.prices) == (0, False, "contract, genai-prices 0.2.3")


def test_rows_come_in_the_order_of_the_batches_and_those_of_no_batch_last() -> None:
    used = {name: {model: Used(USAGE, COST) for model in ("y", "x")} for name in (NO_BATCH, "c", "stranger", "a")}
    rows = usage_rows(None, used, [batch("c"), batch("b"), batch("a")])
    assert [(row.batch_id, row.model) for row in rows] == [
        (name, model) for name in ("c", "a", "stranger", None) for model in ("x", "y")
    ]
    assert [row.created_at is None for row in rows] == [False] * 4 + [True] * 4
    assert {row.job for row in rows} == {None}


def test_without_prices_no_amount_is_told() -> None:
    row = only(USAGE, None)
    assert (row.requests, row.input_tokens) == (3, 100)
    assert {row.cost_usd, row.live_usd, row.saved_by_batch_usd, row.saved_by_cache_usd, row.prices} == {None}
    assert (row.unknown_requests, row.at_least) == (None, True)


@pytest.mark.parametrize(("known", "cost_usd"), [(0, None), (3, "1.000000000005")])
def test_an_unknown_cost_makes_the_amount_a_lower_bound_or_null(known: int, cost_usd: str | None) -> None:
    unknown = ModelCost(unknown={"its model is new": 2})
    row = only(USAGE, COST + unknown if known else unknown)
    assert (row.cost_usd, row.unknown_requests, row.at_least) == (cost_usd, 2, True)


def test_nothing_that_was_paid_costs_nothing() -> None:
    assert only(Usage(), ModelCost()).cost_usd == "0"


def test_the_file_has_one_row_a_line_and_is_read_back() -> None:
    rows = (only(USAGE, COST), only(USAGE, None, NO_BATCH))
    content = encode_usage(rows)
    assert [json.loads(line.rstrip(",")) for line in content.decode().splitlines()[1:-1]] == json.loads(content)
    assert [list(row) for row in json.loads(content)] == [list(UsageRow.__struct_fields__)] * 2
    assert decode_usage(content) == rows
    assert decode_usage(encode_usage([])) == ()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"[{}]", b'[{"job": 1}]'])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no usage by batch and model"):
        decode_usage(content)
