"""What the prefix of a job costs with primers: the least possible, and what the world adds to it, named.

Jobs run from their rows to the published output, in random arrangements. The oracle knows the batches and the world,
and nothing of the gate that sends them.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from tests.properties.cache_arrangements import Arrangement, arrangement, own_tokens
from tests.properties.cache_oracle import (
    AWAY,
    FAILED,
    FROZEN,
    IN_VAIN,
    LATE_BATCH,
    LATE_PRIMER,
    NO_PRIMERS,
    REFUSED,
    UNANSWERED,
    UNEXPLAINED,
    WINDOW_FULL,
    PrefixAccount,
    Sent,
    World,
    account_of,
)
from tests.properties.cached_jobs import CachedJob

ALL = 1_000
ORDINARY = 48
ONCE_WRONG = (65, 119, 131, 210, 211, 212, 218, 301, 338, 386, 709)
"""Arrangements in which the gate once sent something cold that it need not have sent, or the oracle knew no reason."""
MOST_ABOVE_LEAST = 1.05
THE_WORLD = {
    AWAY, FAILED, FROZEN, IN_VAIN, LATE_BATCH, LATE_PRIMER, NO_PRIMERS, REFUSED, UNANSWERED, WINDOW_FULL
}  # fmt: skip


@pytest.fixture(autouse=True)
def _without_the_engines_log() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def bring_home(asked: Arrangement, folder: Path) -> PrefixAccount:
    """Run a job, check its output and its bill, and return what its prefix cost."""
    folder.mkdir()
    job = CachedJob(asked, folder)
    manifest = job.bring_home()
    shutil.rmtree(folder)
    rows = job.output(manifest)
    assert [row["key"] for row in rows] == list(range(asked.rows))
    answered = [row["key"] for row in rows if row["result_type"] == "succeeded"]
    account = account_of(job.sent(), asked.ttl, job.world())
    bill = job.simulator.billing()
    assert bill.rows_billed == bill.distinct_contents == len(answered) == account.writes + account.reads
    assert bill.tokens.input_tokens == sum(own_tokens(row) for row in answered), "a prefix was neither written nor read"
    assert bill.tokens.cache_creation_input_tokens == account.writes * asked.prefix_tokens
    assert bill.tokens.cache_read_input_tokens == account.reads * asked.prefix_tokens
    return account


def check(asked: Arrangement, folder: Path) -> Counter[str]:
    """Check that a job's prefix costs the least possible, beside what the world adds; return for how many writes."""
    account = bring_home(asked, folder)
    named = Counter({cause: writes for cause, writes in account.more.items() if cause in THE_WORLD})
    prices = asked.prices
    added = named.total() * (prices.write - prices.read)
    assert account.cost(prices) - added <= MOST_ABOVE_LEAST * account.least_cost(prices), (asked, account)
    assert account.cost(prices) == account.least_cost(prices) + added, (asked, account)
    assert not (asked.is_quiet and named), (asked, account)
    return named


def check_all(seeds: Iterable[int], folder: Path) -> Counter[str]:
    """Check arrangements; return how many of them each cause made dearer."""
    dearer: Counter[str] = Counter()
    for seed in seeds:
        dearer.update(check(arrangement(seed), folder / str(seed)).keys())
    return dearer


def test_a_prefix_costs_the_least_possible_beside_what_the_world_adds(tmp_path: Path) -> None:
    check_all((*range(ORDINARY), *ONCE_WRONG), tmp_path)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_so_it_does_in_a_thousand_arrangements(tmp_path: Path) -> None:
    dearer = check_all(range(ALL), tmp_path)
    assert dearer.keys() == THE_WORLD, f"not all that may happen has happened: {dearer}"


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_without_primers_the_same_job_costs_many_times_the_least(ttl: CacheTtl, tmp_path: Path) -> None:
    cold = Arrangement(seed=0, rows=50, rows_per_shard=25, ttl=ttl, pilot=0)
    account = bring_home(cold, tmp_path / "cold")
    assert (account.writes, account.least, account.more) == (50, 1, {UNEXPLAINED: 49})
    primed = bring_home(replace(cold, pilot="auto"), tmp_path / "primed")
    assert (primed.writes, primed.least, primed.more) == (1, 1, {})
    assert account.cost(cold.prices) > 7 * primed.cost(cold.prices)


# ------------------------------------------------------------------------------------------------ the oracle itself


def sent(created: float, ends: float, requests: int, answered: int | None = None) -> Sent:
    """Return a batch with these minutes; one row is a primer."""
    return Sent(
        created_at=created * 60, ends_at=ends * 60, requests=requests, is_for_others=requests == 1,
        answered=requests if answered is None else answered,
    )  # fmt: skip


def minutes(*pairs: tuple[float, float]) -> list[tuple[float, float]]:
    return [(start * 60, end * 60) for start, end in pairs]


@pytest.mark.parametrize(
    ("batches", "writes", "least", "more"),
    [
        ([sent(0, 5, 1), sent(6, 30, 99)], 1, 1, {}),
        ([sent(0, 5, 1), sent(64, 70, 49), sent(129, 140, 50)], 1, 1, {}),  # each end renews it
        ([sent(0, 5, 1), sent(6, 7, 49), sent(68, 70, 1), sent(71, 80, 49)], 2, 2, {}),  # it died once
        ([sent(0, 5, 50), sent(1, 5, 50)], 100, 1, {UNEXPLAINED: 99}),
        ([sent(0, 5, 1), sent(66, 70, 99)], 100, 1, {UNEXPLAINED: 98, AWAY: 1}),
        ([sent(0, 5, 1), sent(2, 5, 1), sent(6, 30, 98)], 2, 1, {UNEXPLAINED: 1}),
        ([sent(0, 200, 1), sent(121, 125, 99)], 100, 1, {LATE_PRIMER: 99}),
        ([sent(0, 200, 1), sent(119, 125, 99)], 100, 1, {UNEXPLAINED: 99}),
        ([sent(0, 1, 1, 0), sent(2, 3, 1, 0), sent(4, 5, 1, 0), sent(6, 9, 97)], 97, 1, {FAILED: 96}),
        ([sent(0, 1, 1, 0), sent(2, 3, 1, 0), sent(4, 9, 98)], 98, 1, {UNEXPLAINED: 97}),
        ([sent(0, 5, 1), sent(60, 300, 9, 0), sent(110, 120, 90)], 91, 1, {UNANSWERED: 90}),
    ],
)  # fmt: skip
def test_the_oracle_knows_what_was_needed(batches: list[Sent], writes: int, least: int, more: dict[str, int]) -> None:
    account = account_of(batches, "1h", World(primers=[99]))
    assert (account.writes, account.least, account.more) == (writes, least, more)


def test_the_oracle_names_what_happened_while_the_entry_lived() -> None:
    in_vain = [sent(0, 5, 1), sent(100, 105, 1), sent(106, 120, 98)]
    at_work = [60.0 * minute for minute in (0, 30, 100, 106)]
    assert account_of(in_vain, "1h", World(at_work=at_work)).more == {UNEXPLAINED: 1}
    assert account_of(in_vain, "1h", World(at_work=[0.0, 6000.0])).more == {AWAY: 1}
    assert account_of(in_vain, "1h", World(at_work=at_work, troubled=minutes((20, 40)))).more == {REFUSED: 1}
    assert account_of(in_vain, "1h", World(at_work=at_work, frozen=minutes((30, 99)))).more == {FROZEN: 1}
    beside = [*in_vain, sent(10, 90, 1)]
    assert account_of(beside, "1h", World(at_work=at_work, window=98)).more == {WINDOW_FULL: 1}
