"""The bills of random jobs lie within the intervals that their estimates state; one job in twenty may lie outside.

Each job is estimated from its rows and from the pilot of an earlier job, and then run, by the engine and on the
simulator. The bill is the simulator's, priced by genai-prices row by row.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import fmean, median

import pytest

from anthropic_batches_provider.batches.estimates import EstimatedJob, Share
from tests.properties.bill_in_dollars import dollars
from tests.properties.estimated_jobs import Compared, compare, estimator_on, least_covered, simulator_of
from tests.properties.random_estimates import Answers, RandomJob, random_job
from tests.worlds.quiet_job import JobShape, QuietJob

ALL = 1_000
PROMISED = 940
ORDINARY = 60
BACKFILLS, DATES = 150, 5
FALSE_ALARM = 1e-6
WIDEST_OF_MOST = 0.15
MOST_BIASED = 0.04
WIDEST_OF_LARGE_PILOT = 0.05
LARGE_PILOT = RandomJob(
    seed=400, rows=2_000, corpus="passages", models=("claude-haiku-5-5",), max_tokens=1_024, pilot=400, shared=300
)


@pytest.fixture(autouse=True)
def _without_the_engines_log() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def compared(seeds: Iterable[int], folder: Path, *, dates: int = 1) -> list[Compared]:
    found = []
    for seed in seeds:
        found.append(compare(random_job(seed), folder / str(seed), dates=dates))
        shutil.rmtree(folder / str(seed))
    return found


def check(found: list[Compared], covered: int) -> None:
    """Check that so many bills lie within their intervals, and that these say something."""
    outside = [each for each in found if not each.is_covered]
    assert len(found) - len(outside) >= covered, "\n".join(map(str, outside))
    assert all(each.bill <= each.bound for each in found), [each for each in found if each.bill > each.bound]
    assert min(each.bill for each in found) > 0
    # The interval of a cached job goes from all rows that read the prefix to all that write it.
    plain = [each for each in found if each.job.cache is None]
    assert sum(each.is_covered for each in plain) >= covered * len(plain) // len(found)
    assert median(each.half_width for each in plain) < WIDEST_OF_MOST
    assert abs(fmean(each.bill / each.expected - 1 for each in plain)) < MOST_BIASED


def test_the_bills_of_random_jobs_lie_within_their_intervals(tmp_path: Path) -> None:
    check(compared(range(ORDINARY), tmp_path), least_covered(ORDINARY, chance=FALSE_ALARM))


@pytest.mark.long
@pytest.mark.timeout(0)
def test_of_a_thousand_bills_940_lie_within_the_95_percent_interval(tmp_path: Path) -> None:
    check(compared(range(ALL), tmp_path), PROMISED)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_so_do_the_bills_of_backfills(tmp_path: Path) -> None:
    """The interval of a sum is narrower than the sum of intervals, but for what all dates take from one pilot."""
    found = compared(range(BACKFILLS), tmp_path, dates=DATES)
    check(found, round(BACKFILLS * PROMISED / ALL))


@pytest.mark.parametrize(
    "answers", [Answers(), Answers(median=12, spread=0.4), Answers(median=120, spread=0.4)], ids=str
)
def test_a_pilot_of_400_rows_narrows_the_interval_to_5_percent(answers: Answers, tmp_path: Path) -> None:
    large = compare(replace(LARGE_PILOT, answers=answers), tmp_path / "large")
    assert large.is_covered, large
    assert large.half_width <= WIDEST_OF_LARGE_PILOT, large
    small = compare(replace(LARGE_PILOT, answers=answers, pilot=20), tmp_path / "small")
    assert small.half_width > large.half_width or not answers.spread


def test_the_interval_is_as_wide_as_the_pilot_is_unsure(tmp_path: Path) -> None:
    """Which shows that the intervals above are none that hold anything."""
    widths = [
        compare(replace(LARGE_PILOT, answers=Answers(median=120, spread=spread)), tmp_path / str(spread)).half_width
        for spread in (0.1, 0.4, 0.9)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] / 3


def test_a_job_that_is_counted_whole_and_has_equal_answers_costs_what_was_expected(tmp_path: Path) -> None:
    job = replace(LARGE_PILOT, rows=40, corpus="lognormal", pilot=20, answers=Answers(median=30))
    found = compare(job, tmp_path)
    assert found.low == found.expected == found.high == found.bill


def test_a_share_says_nothing_of_the_low_and_the_high_end(tmp_path: Path) -> None:
    job = replace(LARGE_PILOT, rows=40, answers=Answers(median=256), max_tokens=1_024)
    simulator = simulator_of(job, seed=1)
    asked = EstimatedJob(pilot=0, output=Share(0.25))
    cost = estimator_on(simulator, tmp_path).estimate(job.prepared_rows(), asked, seed="share").cost
    QuietJob(simulator, job.prepared_rows, tmp_path / "job", shape=JobShape()).run()
    assert cost is not None
    assert Decimal(cost.expected).scaleb(-12) == dollars(simulator)
    assert cost.low < cost.expected < cost.high == cost.bound


@pytest.mark.parametrize(("jobs", "chance", "covered"), [(1, 0.01, 0), (1, 0.5, 1), (20, 1e-6, 12), (60, 1e-6, 46)])
def test_chance_explains_so_few(jobs: int, chance: float, covered: int) -> None:
    """By hand: one job misses in 5 % of cases; the tables of the binomial distribution have the others."""
    assert least_covered(jobs, chance=chance) == covered
