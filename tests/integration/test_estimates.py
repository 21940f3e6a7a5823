"""An estimate against the bill of the simulator, which it asks only what is free; the job then runs to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.estimates import (
    UNKNOWN_OUTPUT,
    Estimate,
    EstimatedJob,
    Estimator,
    FromPilot,
    OutputExpectation,
)
from anthropic_batches_provider.batches.money.dollars import pico_of
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.requests.encoding import encode_arguments
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from tests.worlds.one_task_job import Arguments, OneTask
from tests.worlds.simulated_world import World

HAIKU, OPUS = "claude-haiku-5-5", "claude-opus-5-5"
ROWS = 24


def asking(number: int) -> dict[str, Any]:
    content = f"contract {number}: " + "word " * (number % 7)
    return {"model": HAIKU, "max_tokens": 40, "messages": [{"role": "user", "content": content}]}


def of_two_models(number: int) -> dict[str, Any]:
    return {**asking(number), "model": OPUS if number % 3 else HAIKU}


def in_the_us(number: int) -> dict[str, Any]:
    return {**asking(number), "inference_geo": "us"}


def with_guide(number: int) -> dict[str, Any]:
    return {**asking(number), "system": "guide " * 1_500}


def one_empty(number: int) -> dict[str, Any]:
    return {**asking(number), "messages": []} if number == 5 else asking(number)


def estimate_of(world: World, asked: Arguments, output: OutputExpectation = UNKNOWN_OUTPUT) -> Estimate:
    assert asked.params_of is not None
    rows = [PreparedRow(n, b"{}", encode_arguments(asked.params_of(n))) for n in range(asked.rows)]
    cache = None if asked.prompt_cache is None else PromptCache(ttl=asked.prompt_cache)
    limits = ShardLimits(max_requests=asked.rows_per_shard)
    job = EstimatedJob(limits=limits, cache=cache, pilot=asked.pilot, output=output)
    engine = Estimator(prices=PriceList(), service=world.client, clock=world.clock(), spool=world.spool)
    return engine.estimate(rows, job, seed="unit")


def bill(manifest: Manifest) -> int:
    assert manifest.cost is not None
    assert not manifest.cost.at_least
    return pico_of(manifest.cost.cost_usd)


@pytest.mark.parametrize("params_of", [asking, of_two_models, in_the_us, one_empty])
def test_if_all_answers_are_cut_the_bound_is_the_bill(
    world: World, tmp_path: Path, params_of: Callable[[int], dict[str, Any]]
) -> None:
    world.control.add_outcome("max_tokens", contains="contract")
    asked = Arguments(rows=ROWS, rows_per_shard=ROWS, params_of=params_of, max_failed_rows=1)
    found = estimate_of(world, asked)
    manifest = OneTask(world, tmp_path, asked).finish()
    assert found.cost is not None
    assert found.cost.expected == found.cost.high == bill(manifest)
    assert manifest.cost is not None
    assert found.live == pico_of(manifest.cost.live_usd)
    assert (params_of is one_empty) == any("refuses 1 of 24 sampled rows" in caveat for caveat in found.caveats)


def test_with_a_primer_the_expected_cost_is_the_bill(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("max_tokens")
    asked = Arguments(rows=ROWS, rows_per_shard=ROWS, params_of=with_guide, prompt_cache="1h", pilot="auto")
    found = estimate_of(world, asked, FromPilot((40,) * 20))
    plain = estimate_of(world, replace(asked, prompt_cache=None), FromPilot((40,) * 20))
    manifest = OneTask(world, tmp_path, asked).finish()
    assert found.cost is not None
    assert found.cost.expected == bill(manifest)
    assert found.batches == len(list(world.client.list()))
    assert plain.cost is not None
    assert found.cost.low == found.cost.expected < plain.cost.expected < found.cost.high


def test_the_pilot_of_an_earlier_job_shows_what_the_next_one_costs(world: World, tmp_path: Path) -> None:
    asked = Arguments(rows=100, rows_per_shard=100, params_of=asking, pilot=30)
    earlier = OneTask(world, tmp_path, asked)
    earlier.finish()
    record = earlier.pilot(1)
    assert record is not None
    later = replace(asked, params_of=lambda number: asking(number + 1_000), unit="next", destination="next")
    found = estimate_of(world, later, FromPilot.of(record, "job-0001"))
    assert found.cost is not None
    assert found.cost.low <= bill(OneTask(world, tmp_path / "spool", later).finish()) <= found.cost.high
    assert found.cost.high < found.cost.bound


def test_it_spends_nothing_and_leaves_nothing(world: World) -> None:
    found = estimate_of(world, Arguments(rows=ROWS, params_of=of_two_models))
    calls = dict(world.control.received().calls)
    assert calls == {"count_tokens": found.counted_calls, "models": 2}
    assert not list(world.client.list())
    assert world.control.billing().rows_billed == 0
    assert not (world.spool.parent / "storage").exists()
    assert not list(world.spool.iterdir())
