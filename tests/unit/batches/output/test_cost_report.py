"""The table of costs in the log: one line for each model, readable as text and as Markdown."""

import logging

import pytest

from anthropic_batches_provider.batches.money.costs import KindCosts
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.output.cost_report import cost_table, tell_cost
from anthropic_batches_provider.batches.output.manifest import Manifest, RowCounts, Times

CENT = 10**10
PRICED = ModelCost(requests=1_200, batch=KindCosts(output=250 * CENT), live=KindCosts(output=500 * CENT))
USAGE = {
    "claude-a": {
        "requests": 1_200,
        "input_tokens": 34_000,
        "output_tokens": 5_600,
        "cache_creation_5m_input_tokens": 1,
        "cache_creation_1h_input_tokens": 2,
        "cache_read_input_tokens": 9,
    },
    "unknown": {"requests": 1, "unreported_requests": 1},
}


def test_one_model_is_one_line() -> None:
    assert cost_table(USAGE, JobCost.of({"claude-a": PRICED})) == [
        "| model    | requests |  input | output | cache written | cache read |  cost | live price | saved |",
        "| -------- | -------: | -----: | -----: | ------------: | ---------: | ----: | ---------: | ----: |",
        "| claude-a |    1,200 | 34,000 |  5,600 |             3 |          9 | $2.50 |      $5.00 | $2.50 |",
    ]


def test_several_have_a_sum_which_is_a_lower_bound_if_one_is_unknown() -> None:
    lost = ModelCost(unknown={"lost": 2})
    lines = cost_table(USAGE, JobCost.of({"claude-a": PRICED, "unknown": lost}))
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines[2:]]
    assert cells[0] == ["claude-a", "1,200", "34,000", "5,600", "3", "9", "$2.50", "$5.00", "$2.50"]
    assert cells[1] == ["unknown", "2", "0", "0", "0", "0", "unknown", "unknown", "unknown"]
    assert cells[2] == [
        "all", "1,202", "34,000", "5,600", "3", "9", "at least $2.50", "at least $5.00", "at least $2.50",
    ]  # fmt: skip


def test_a_cost_of_which_nothing_is_known_is_unknown_and_no_amount(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell_cost(
        Manifest(
            provider_version="1",
            job=None,
            owner=None,
            destination="s3://lake/out",
            output_format="jsonl",
            batch_ids=(),
            parts=(),
            counts=RowCounts(rows=2, succeeded=2),
            stop_reasons={},
            errors={},
            usage=USAGE,
            times=Times(submitted_at="", ended_at=None, collected_at=""),
            cost=JobCost.of({"claude-a": ModelCost(unknown={"No price.": 2})}),
        )
    )
    assert caplog.messages[:2] == ["The cost of 2 requests is unknown: No price.", "Cost of s3://lake/out: unknown."]
