"""Whether an estimate keeps its promise: how often the bill lies within its interval, and how wide that is.

The bills are the simulator's, in dollars. Jobs, rows and answers are random, with fixed seeds.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from typing import Any

from anthropic_batches_provider.batches.estimates import EstimatedJob, FromPilot
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.simulator import Simulator
from tests.properties.bill_in_dollars import dollars
from tests.properties.estimated_jobs import Compared, compare, estimator_on, simulator_of
from tests.properties.random_estimates import CORPORA, Answers, Corpus, RandomJob, random_job
from tests.worlds.quiet_job import JobShape, QuietJob

JOBS = 1_000
BACKFILLS, DATES = 150, 5
ROWS = 5_000
TRIALS = 200
SAMPLES = (20, 50, 200)
PILOTS = (20, 100, 400)
SPREADS = (0.2, 0.4, 0.8)
PILOT_TRIALS = 5
MANY_ROWS = 500_000
MODEL = "claude-haiku-5-5"
_TITLES: dict[Corpus, str] = {
    "passages": "passages of speeches",
    "lognormal": "lognormal lengths",
    "heavy": "heavy-tailed lengths",
    "two lengths": "short rows and long ones",
    "languages": "English, Russian and Chinese",
    "equal": "equal lengths",
}


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Estimates of the same rows by different samples of a size.

    :param covered: share of the estimates whose interval holds the bill.
    :param half_width: half of the interval, as a share of the expected cost; the median.
    :param calls: that counted tokens, for one estimate; the median.
    """

    covered: float
    half_width: float
    calls: float


def sampled(trials: int = TRIALS) -> dict[tuple[Corpus, int], Sampled]:
    """Estimate the rows of each corpus many times, by samples of each size; the length of the answers is known.

    :param trials: how many estimates of each.
    """
    found = {}
    with _quiet(), _folder() as folder:
        for corpus in CORPORA:
            job = _plain(corpus=corpus, rows=ROWS, answers=Answers(median=1))
            simulator = simulator_of(job, seed=0)
            QuietJob(simulator, job.prepared_rows, folder / corpus, shape=JobShape()).run()
            rows, bill = list(job.prepared_rows()), float(dollars(simulator))
            for size in SAMPLES:
                found[corpus, size] = _sampled(simulator, rows, bill, size, trials, folder)
                print(corpus, size, found[corpus, size], flush=True)
    return found


def _sampled(
    simulator: Simulator, rows: Sequence[PreparedRow], bill: float, size: int, trials: int, folder: Path
) -> Sampled:
    covered, widths, calls = 0, [], []
    for trial in range(trials):
        estimator = estimator_on(simulator, folder, sample_rows=size)
        asked = EstimatedJob(pilot=0, output=FromPilot((1, 1)))
        estimate = estimator.estimate(iter(rows), asked, seed=f"trial {trial}")
        cost = estimate.cost
        assert cost is not None
        covered += cost.low <= bill * 1e12 <= cost.high
        widths.append((cost.high - cost.low) / 2 / cost.expected)
        calls.append(estimate.counted_calls)
    return Sampled(covered=covered / trials, half_width=median(widths), calls=median(calls))


def sampled_table(found: dict[tuple[Corpus, int], Sampled]) -> list[str]:
    """Return the lines of a Markdown table, a line per corpus and a column per size of the sample."""
    lines = [f"| rows | {' | '.join(f'n = {size}' for size in SAMPLES)} |", "|---" * (len(SAMPLES) + 1) + "|"]
    for corpus in CORPORA:
        cells = (found[corpus, size] for size in SAMPLES)
        texts = (f"{cell.covered:.1%}, ±{cell.half_width:.1%}, {cell.calls:.0f} calls" for cell in cells)
        lines.append(f"| {_TITLES[corpus]} | {' | '.join(texts)} |")
    return lines


def jobs(count: int = JOBS, *, dates: int = 1) -> list[Compared]:
    """Estimate random jobs, run them, and return bills and estimates.

    :param count: how many.
    :param dates: each of them runs for so many dates, which are estimated together.
    """
    found = []
    with _quiet(), _folder() as folder:
        for seed in range(count):
            found.append(compare(random_job(seed), folder / str(seed), dates=dates))
            shutil.rmtree(folder / str(seed))
            if seed % 100 == 99:
                print(f"{sum(each.is_covered for each in found)} of {len(found)} jobs are covered", flush=True)
    return found


_KINDS: Sequence[tuple[str, Callable[[RandomJob], object]]] = (
    ("all", lambda job: True),
    ("one model, text alone", lambda job: job.seed % 2 == 0),
    ("with a prompt cache", lambda job: job.cache is not None),
    ("with pictures", lambda job: job.pictures),
    ("with two models", lambda job: len(job.models) > 1),
    ("with rows that fail and are sent again", lambda job: job.failing),
    ("answers of two kinds, or longer to longer rows", lambda job: job.marked or job.answers.long_from),
    ("a pilot of 20 rows", lambda job: job.pilot == 20),
    ("a pilot of 100 rows", lambda job: job.pilot == 100),
)


_COLUMNS = (
    "jobs", "how many", "bill within the interval", "below", "above", "bill against expected, on average",
    "interval, half of them",
)  # fmt: skip


def jobs_table(found: Sequence[Compared], backfills: Sequence[Compared]) -> list[str]:
    """Return the lines of a Markdown table, a line per kind of job.

    :param backfills: jobs that ran for :data:`DATES` dates.
    """
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for title, is_of in _KINDS:
        lines.append(_jobs_line(title, [each for each in found if is_of(each.job)]))
    lines.append(_jobs_line(f"backfills of {DATES} dates, summed", backfills))
    return lines


def _jobs_line(title: str, some: Sequence[Compared]) -> str:
    covered = sum(each.is_covered for each in some)
    below, above = (sum(each.bill < each.low for each in some), sum(each.bill > each.high for each in some))
    off = fmean(each.bill / each.expected - 1 for each in some)
    width = median(each.half_width for each in some)
    return (
        f"| {title} | {len(some):,} | {covered:,} ({covered / len(some):.1%}) | {below} | {above} | {off:+.1%} | "
        f"within ±{width:.1%} |"
    )


def pilots(trials: int = PILOT_TRIALS) -> dict[tuple[float, int], float]:
    """Return the half width of the interval, by the spread of the answers and by the rows of the pilot.

    :param trials: how many jobs of each; the median counts.
    """
    found = {}
    with _quiet(), _folder() as folder:
        for spread in SPREADS:
            for pilot in PILOTS:
                job = _plain(rows=ROWS, pilot=pilot, answers=Answers(median=120, spread=spread), shared=300)
                widths = [
                    compare(replace(job, seed=seed), folder / f"{spread} {pilot} {seed}").half_width
                    for seed in range(trials)
                ]
                found[spread, pilot] = median(widths)
                print(f"answers spread by {spread}, {pilot} rows: ±{found[spread, pilot]:.1%}", flush=True)
    return found


def pilots_table(found: dict[tuple[float, int], float]) -> list[str]:
    """Return the lines of a Markdown table, a line per spread and a column per size of the pilot."""
    lines = [f"| answers | {' | '.join(f'`pilot={rows}`' for rows in PILOTS)} |", "|---" * (len(PILOTS) + 1) + "|"]
    for spread in SPREADS:
        deviation = math.sqrt(math.exp(spread**2) - 1)
        cells = (f"±{found[spread, rows]:.1%}" for rows in PILOTS)
        lines.append(f"| deviate by {deviation:.0%} of their mean | {' | '.join(cells)} |")
    return lines


def cpu_of_many_rows(rows: int = MANY_ROWS) -> tuple[float, int]:
    """Return the CPU seconds of an estimate of many rows that are encoded already, and its calls."""
    with _quiet(), _folder() as folder:
        job = _plain(rows=rows, answers=Answers())
        some = list(islice(job.prepared_rows(), 10_000))
        simulator = simulator_of(job, seed=0)
        estimator, asked = estimator_on(simulator, folder), EstimatedJob(pilot=0, output=FromPilot((1, 1)))
        started = time.process_time()
        estimate = estimator.estimate(_repeated(some, rows), asked, seed="many")
        return time.process_time() - started, estimate.counted_calls


def _repeated(some: Sequence[PreparedRow], rows: int) -> Iterator[PreparedRow]:
    for number in range(rows):
        row = some[number % len(some)]
        yield PreparedRow(number, row.columns, row.params)


def speed_line(cpu: float, calls: int, rows: int = MANY_ROWS) -> str:
    """Return the sentence on the CPU of an estimate."""
    return f"An estimate of {rows:,} rows that are read and encoded takes {cpu:.1f} s of CPU and {calls} calls."


def _plain(**changes: Any) -> RandomJob:
    plain = RandomJob(seed=0, rows=ROWS, corpus="passages", models=(MODEL,), max_tokens=4_096, pilot=20)
    return replace(plain, **changes)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="estimates-") as folder:
        yield Path(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the engine's log out of the benchmark's output."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
