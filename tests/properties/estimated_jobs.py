"""Estimates a random job, runs it, and compares the simulator's bill in dollars with what was estimated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from anthropic_batches_provider.batches.estimates import EstimatedJob, Estimator, FromPilot, total
from anthropic_batches_provider.batches.money.dollars import as_decimal
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from tests.properties.bill_in_dollars import dollars
from tests.properties.random_estimates import RandomJob
from tests.worlds.direct_service import DirectService
from tests.worlds.quiet_job import JobShape, QuietJob
from tests.worlds.simulated_world import SimulatedClock

START = 1_800_000_000
CONFIDENCE = 0.95
SAMPLE_ROWS = 50
SAMPLE_ROWS_OF_A_DATE = 20
"""For several dates, each needs fewer."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A job's bill and its estimate, in dollars."""

    job: RandomJob
    bill: float
    low: float
    expected: float
    high: float
    bound: float
    counted_calls: int

    @property
    def is_covered(self) -> bool:
        """Whether the bill lies within the interval."""
        return self.low <= self.bill <= self.high

    @property
    def half_width(self) -> float:
        """Half the width of the interval, as a share of the expected cost."""
        return (self.high - self.low) / 2 / self.expected


def least_covered(jobs: int, *, chance: float) -> int:
    """Return how many of some jobs lie within their 95 % intervals, but for a small chance of fewer.

    :param chance: of fewer, if each job lies within its interval with a probability of 95 %.
    """
    at_most = 0.0
    for covered in range(jobs + 1):
        at_most += math.comb(jobs, covered) * CONFIDENCE**covered * (1 - CONFIDENCE) ** (jobs - covered)
        if at_most > chance:
            return covered
    return jobs


def simulator_of(job: RandomJob, seed: int) -> Simulator:
    """Return a simulator that answers as the job's rules say."""
    simulator = Simulator(clock=ManualClock(start=START, speed=0), seed=seed)
    for rule in job.rules():
        simulator.rules.add(rule)
    return simulator


def pilot_of_an_earlier_job(job: RandomJob, folder: Path) -> FromPilot:
    """Run the earlier job, and return what its pilot says of the answers."""
    shape = JobShape(rows_per_shard=job.rows_per_shard, pilot=job.pilot, cache=job.prompt_cache)
    earlier = QuietJob(simulator_of(job, 2 * job.seed), job.earlier_rows, folder, shape=shape, seed=job.seed)
    earlier.run()
    return FromPilot.of(earlier.pilot(), "the earlier job")


def estimator_on(simulator: Simulator, folder: Path, *, sample_rows: int = SAMPLE_ROWS) -> Estimator:
    """Return an estimator that counts by a simulator."""
    spool = folder / "estimate"
    spool.mkdir(parents=True, exist_ok=True)
    return Estimator(
        prices=PriceList(), service=DirectService(simulator), clock=SimulatedClock(simulator.clock), spool=spool,
        sample_rows=sample_rows, confidence=CONFIDENCE,
    )  # fmt: skip


def compare(job: RandomJob, folder: Path, *, dates: int = 1) -> Compared:
    """Estimate a job, run it, and return what was estimated and what it cost.

    :param folder: an empty local folder.
    :param dates: for how many dates, as in a backfill; each has rows of its own, and all rest on one pilot.
    """
    output = pilot_of_an_earlier_job(job, folder / "earlier")
    simulators = [simulator_of(job, 2 * job.seed + 1 + date) for date in range(dates)]
    asked = EstimatedJob(
        limits=ShardLimits(max_requests=job.rows_per_shard), cache=job.prompt_cache, pilot="auto", output=output
    )
    estimator = estimator_on(simulators[0], folder, sample_rows=SAMPLE_ROWS if dates == 1 else SAMPLE_ROWS_OF_A_DATE)
    estimate = total(
        estimator.estimate(job.prepared_rows(date), asked, seed=f"job {job.seed} {date}") for date in range(dates)
    )
    assert not simulators[0].batches(), "an estimate has sent something"
    cost = estimate.cost
    assert cost is not None, "no price is known"
    assert not estimate.at_least, "a price is unknown"
    assert estimate.rows == job.rows * dates
    low, expected, high, bound = (float(as_decimal(each)) for each in (cost.low, cost.expected, cost.high, cost.bound))
    bill = sum(_bill(job, date, simulator, folder / f"job-{date}") for date, simulator in enumerate(simulators))
    return Compared(
        job=job, bill=float(bill), low=low, expected=expected, high=high, bound=bound,
        counted_calls=estimate.counted_calls,
    )  # fmt: skip


def _bill(job: RandomJob, date: int, simulator: Simulator, folder: Path) -> Decimal:
    """Run a job on one date, and return its bill, which its manifest tells to the last digit."""
    shape = JobShape(rows_per_shard=job.rows_per_shard, pilot="auto", cache=job.prompt_cache)
    quiet = QuietJob(simulator, lambda: job.prepared_rows(date), folder, shape=shape, seed=job.seed)
    manifest = quiet.run()
    assert simulator.billing().rows_billed == job.rows
    bill = dollars(simulator)
    assert manifest.cost is not None
    assert bill == Decimal(manifest.cost.cost_usd)
    return bill
