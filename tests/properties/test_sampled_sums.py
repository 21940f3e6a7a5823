"""The interval of a sampled sum holds the true sum as often as it says, whatever the lengths of the rows.

Three kinds of rows: the passages of the corpus, texts in four languages of lognormal length, and lengths with a tail so
heavy that a plain sample of 50 misses most of them. Tokens are words and signs, which is not how Claude counts.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest

from anthropic_batches_provider.batches.estimates.estimated_sums import EstimatedSum
from anthropic_batches_provider.batches.estimates.estimator import CONFIDENCE, SAMPLE_ROWS
from anthropic_batches_provider.batches.estimates.model_estimate import PilotSum
from anthropic_batches_provider.batches.estimates.sampling import SizedSample

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "sotu_passages_1790_1933.jsonl.gz"
ROWS = 20_000
ORDINARY, ALL = 40, 1_000
MOSTLY = 29
"""Of 40 intervals that hold 95%, fewer hold the sum in less than one run of a million."""
_AROUND_TEXT = 150

Rows = list[tuple[int, int]]
"""The bytes and the tokens of each row."""


@cache
def passages() -> Rows:
    if not CORPUS.is_file():
        pytest.skip(f"there is no corpus at {CORPUS}")
    token = re.compile(r"\w+|[^\w\s]")
    with gzip.open(CORPUS, "rt") as lines:
        texts = [max(map(str, json.loads(line).values()), key=len) for line in lines]
    return [(len(text.encode()) + _AROUND_TEXT, len(token.findall(text)) + 40) for text in texts]


@cache
def languages() -> Rows:
    draw = random.Random(5)
    kinds = ((0.6, 4.3, 0.3), (0.15, 2.0, 0.25), (0.15, 3.0, 0.3), (0.1, 2.6, 0.5))  # share, bytes a token, spread
    rows = []
    for _ in range(ROWS):
        length = 1 + int(draw.lognormvariate(6, 1))
        _, mean, spread = draw.choices(kinds, [share for share, _, _ in kinds])[0]
        rows.append((length + _AROUND_TEXT, 20 + int(length / max(draw.gauss(mean, spread), 1))))
    return rows


@cache
def heavy_tails() -> Rows:
    draw = random.Random(7)
    rows = []
    for _ in range(ROWS):
        length = min(int(100 * draw.paretovariate(1.1)), 5_000_000)
        rows.append((length + _AROUND_TEXT, 20 + int(length / max(draw.gauss(4.2, 0.3), 1))))
    return rows


def holding(rows: Rows, trials: int, draws: int = SAMPLE_ROWS) -> tuple[int, float]:
    """Return how many of the intervals hold the true sum, and their mean reach upwards as a share of it."""
    truth, held, reaches = sum(tokens for _, tokens in rows), 0, []
    for seed in range(trials):
        sample: SizedSample[tuple[int, int], int] = SizedSample(draws, seed=str(seed), keep=lambda row: row[1])
        for row in rows:
            sample.add(row, row[0])
        found = sample.sum_of(lambda tokens: tokens)
        held += found.lower(CONFIDENCE) <= truth <= found.upper(CONFIDENCE)
        reaches.append((found.upper(CONFIDENCE) - found.point) / truth)
    return held, fmean(reaches)


KINDS = pytest.mark.parametrize(
    ("rows", "most"),
    [(passages, 0.025), (languages, 0.16), (heavy_tails, 0.06)],
    ids=["passages", "languages", "tails"],
)


@KINDS
def test_intervals_hold_the_true_sum(rows: Callable[[], Rows], most: float) -> None:
    held, reach = holding(rows(), ORDINARY)
    assert held >= MOSTLY
    assert reach <= most


@pytest.mark.long
@KINDS
def test_95_of_100_do_so(rows: Callable[[], Rows], most: float) -> None:
    held, reach = holding(rows(), ALL)
    assert held >= 0.95 * ALL
    assert reach <= most


def test_a_mean_of_plain_draws_would_not() -> None:
    rows = [(1, tokens) for _, tokens in heavy_tails()]
    held, _ = holding(rows, ORDINARY)
    assert held < MOSTLY


@pytest.mark.parametrize("rows", [languages, heavy_tails])
def test_the_sum_of_many_small_samples_holds_too(rows: Callable[[], Rows]) -> None:
    """So each date of a backfill needs only a few draws."""
    dates, draws, size, held = 30, 4, 100, 0
    given = rows()[: dates * size]
    truth = sum(tokens for _, tokens in given)
    for seed in range(ORDINARY):
        found = EstimatedSum()
        for date in range(dates):
            sample: SizedSample[tuple[int, int], int] = SizedSample(
                draws, seed=f"{seed}/{date}", keep=lambda row: row[1]
            )
            for row in given[date * size : (date + 1) * size]:
                sample.add(row, row[0])
            found += sample.sum_of(lambda tokens: tokens)
        held += found.lower(CONFIDENCE) <= truth <= found.upper(CONFIDENCE)
    assert held >= MOSTLY


@pytest.mark.parametrize(
    ("length", "answers"),
    [
        (lambda draw: draw.lognormvariate(4, 0.5), 16),
        (lambda draw: draw.lognormvariate(4, 1), 31),
        (lambda draw: draw.expovariate(1 / 100), 16),
        (lambda draw: draw.choice((10, 300)), 16),
        (lambda draw: draw.choices((20, 400), (9, 1))[0], 50),
    ],
    ids=["lognormal", "skewed", "exponential", "of two kinds", "a tenth long"],
)
def test_a_pilot_of_skewed_answers_holds_their_sum(length: Callable[[random.Random], float], answers: int) -> None:
    draw, rows, trials, held = random.Random(3), 300, 400, 0
    for _ in range(trials):
        truth = sum(int(length(draw)) for _ in range(rows))
        found = PilotSum(tuple(rows * int(length(draw)) for _ in range(answers)), rows, rows).estimated()
        held += found.lower(CONFIDENCE) <= truth <= found.upper(CONFIDENCE)
    assert held >= 0.93 * trials
