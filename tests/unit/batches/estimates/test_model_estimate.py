"""Sums of estimates: independent errors partly cancel each other, those of one pilot do not."""

from __future__ import annotations

import math

import pytest

from anthropic_batches_provider.batches.estimates.estimated_sums import EstimatedSum
from anthropic_batches_provider.batches.estimates.model_estimate import (
    Bounds,
    ModelEstimate,
    PilotAnswers,
    PilotSum,
    Scenarios,
)
from anthropic_batches_provider.batches.estimates.output_tokens import FromPilot

ANSWERS = tuple(range(10, 30))
PILOT = FromPilot(ANSWERS, "a", "job-1")
OTHER = FromPilot(ANSWERS, "a", "job-2")


def said(pilot: FromPilot, rows: int = 10_000) -> ModelEstimate:
    """Return an estimate of answers alone, each token of which costs 1."""
    answers = PilotSum(tuple(rows * answer for answer in pilot.output_tokens), rows, rows)
    exact = EstimatedSum.exact(rows * 100)
    return ModelEstimate(
        rows=rows,
        costs=Scenarios(bound=exact),
        answers=Scenarios(bound=exact),
        said=PilotAnswers(pilot, answers, answers, answers),
    )


def width(estimate: ModelEstimate) -> int:
    cost = estimate.cost(0.95)
    assert cost is not None
    return cost.high - cost.low


def test_what_one_pilot_says_of_two_jobs_is_off_in_both() -> None:
    assert width(said(PILOT) + said(PILOT)) == pytest.approx(2 * width(said(PILOT)), rel=1e-2)


def test_what_two_pilots_say_partly_cancels() -> None:
    both = said(PILOT) + said(OTHER)
    assert width(both) == pytest.approx(math.sqrt(2) * width(said(PILOT)), rel=0.05)  # and more degrees of freedom
    assert both.live_cost() == 2 * (said(PILOT).live_cost() or 0)


def test_a_pilot_and_none_are_added() -> None:
    plain = ModelEstimate(rows=3, costs=Scenarios.of(lambda _: EstimatedSum.exact(70)))
    for both in (plain + said(PILOT), said(PILOT) + plain):
        cost = both.cost(0.95)
        assert cost is not None
        assert cost.expected == 70 + 10_000 * 19.5
        assert both.rows == 10_003


def test_the_rows_of_a_small_job_vary_around_the_mean() -> None:
    few, many = width(said(PILOT, rows=20)) / 20, width(said(PILOT, rows=20_000)) / 20_000
    assert few == pytest.approx(math.sqrt(2) * many, rel=0.05)


def test_an_unknown_cost_stays_unknown_in_a_sum() -> None:
    both = said(PILOT) + ModelEstimate(rows=1, unknown="no price")
    assert (both.cost(0.95), both.live_cost(), both.unknown) == (None, None, "no price")
    assert both.output_tokens(0.95).expected == 10_000 * 19.5


def test_bounds_are_in_order_and_never_below_zero() -> None:
    wide = EstimatedSum.of_mean(100, [0.0, 100.0, 200.0])
    found = Scenarios(low=wide, expected=wide, high=wide, bound=EstimatedSum.exact(90)).bounds(0.95)
    assert found == Bounds(low=0, expected=100, high=100, bound=100)
