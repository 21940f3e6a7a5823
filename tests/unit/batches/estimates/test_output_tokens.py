from __future__ import annotations

import random
from fractions import Fraction

import pytest

from anthropic_batches_provider.batches.estimates.output_tokens import (
    UNKNOWN_OUTPUT,
    FromPilot,
    OutputExpectation,
    Share,
    expected_length,
    least_length,
    most_length,
    sums_by_answer,
)
from anthropic_batches_provider.batches.ledger import PilotRecord

PILOT = FromPilot((10, 20, 60))


@pytest.mark.parametrize(
    ("output", "least", "expected", "most"),
    [
        (PILOT, 30, 30, 30),
        (Share(0.25), 0, 25, 100),
        (Share(0.001), 0, Fraction(1, 10), 100),
        (UNKNOWN_OUTPUT, 0, 100, 100),
    ],
)
def test_the_length_of_an_answer_of_at_most_100_tokens(
    output: OutputExpectation, least: int, expected: Fraction, most: int
) -> None:
    assert [of(output, 100) for of in (least_length, expected_length, most_length)] == [least, expected, most]


def test_no_answer_is_longer_than_max_tokens() -> None:
    assert expected_length(PILOT, 15) == Fraction(10 + 15 + 15, 3)


def test_sums_by_answer_are_those_of_each_row() -> None:
    draw = random.Random(1)
    pilot = FromPilot(tuple(draw.randrange(200) for _ in range(30)))
    rows = {draw.randrange(1, 200): draw.randrange(1, 50) for _ in range(20)}
    by_hand = tuple(sum(count * min(length, limit) for limit, count in rows.items()) for length in pilot.output_tokens)
    assert sums_by_answer(pilot, rows) == by_hand


def test_what_a_pilot_has_shown() -> None:
    record = PilotRecord(
        outcome="passed", rows=3, output_tokens=(5, 6, 7), model="a", verdicts={"fits": 2, "truncated": 1}
    )
    assert FromPilot.of(record, "job-0001") == FromPilot((5, 6, 7), "a", "job-0001", 1)


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_a_share_of_max_tokens_is_above_0_and_at_most_1(share: float) -> None:
    with pytest.raises(ValueError, match="must be above 0 and at most 1"):
        Share(share)


@pytest.mark.parametrize(("answers", "problem"), [((), "2 answers"), ((5,), "2 answers"), ((5, -1), "negative")])
def test_a_pilot_needs_two_answers(answers: tuple[int, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        FromPilot(answers)
