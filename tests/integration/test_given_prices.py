"""A job priced by a contract: every kind of token and long prompts, computed by hand; and prices that change midway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.output.manifest import Manifest
from tests.worlds.one_task_job import Arguments, OneTask
from tests.worlds.simulated_world import World

OPUS, UNKNOWN = "claude-opus-5-5", "claude-mythos-5-1"
ROWS, ROWS_PER_SHARD = 12, 4
LONG = 2_000
CONTRACT: dict[str, Any] = {
    OPUS: {
        "input": "3.3", "output": 16.5, "cache_write_1h": "6.61", "cache_read": "0.17", "batch": "0.3",
        "above": {LONG: {"input": "7.1", "output": "33", "cache_write_1h": "13.3", "cache_read": "0.37"}},
    },
    UNKNOWN: {"input": 90, "output": 400},
}  # fmt: skip
CHANGED: dict[str, Any] = {
    OPUS: {"input": 1, "output": 2, "cache_write_1h": 4, "cache_read": 1},
    UNKNOWN: {"input": 5, "output": 6},
}
FIELDS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")

# Dollars for a million tokens in a batch, in the order of FIELDS.
SHORT_PROMPT = ("0.99", "4.95", "1.983", "0.051")
LONG_PROMPT = ("2.13", "9.9", "3.99", "0.111")
OF_UNKNOWN = ("45", "200", "0", "0")
AFTER_THE_CHANGE = {OPUS: ("0.5", "1", "2", "0.5"), UNKNOWN: ("2.5", "3", "0", "0")}


def asking(number: int) -> dict[str, Any]:
    """Return the params of a row: short and long prompts whose prefix is cached for an hour, and another model."""
    if number % ROWS_PER_SHARD == 3:
        return {"model": UNKNOWN, "max_tokens": 99, "messages": [{"role": "user", "content": f"contract {number}"}]}
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    content = f"contract {number} " + "word " * (LONG if number % ROWS_PER_SHARD == 2 else 1)
    return {
        "model": OPUS, "max_tokens": 99, "system": [{"type": "text", "text": "word" * 1_500, **mark}],
        "messages": [{"role": "user", "content": content}],
    }  # fmt: skip


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    world.control.change_settings(batch_duration=1800.0)
    arguments = Arguments(rows=ROWS, rows_per_shard=ROWS_PER_SHARD, params_of=asking, prices=CONTRACT)
    return OneTask(world, tmp_path, arguments)


def messages(task: OneTask, *batch_ids: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of batches, or of all."""
    for batch_id in batch_ids or tuple(batch.id for batch in task.world.client.list()):
        with task.world.client.results(batch_id) as chunks:
            for line in b"".join(chunks).splitlines():
                yield json.loads(line)["result"]["message"]


def by_contract(message: dict[str, Any]) -> Decimal:
    """Return what an answer costs in dollars."""
    usage = message["usage"]
    if message["model"] == UNKNOWN:
        return _priced(usage, OF_UNKNOWN)
    return _priced(usage, LONG_PROMPT if prompt_of(usage) > LONG else SHORT_PROMPT)


def prompt_of(usage: dict[str, int]) -> int:
    return sum(usage[name] for name in FIELDS if name != "output_tokens")


def by_change(message: dict[str, Any]) -> Decimal:
    return _priced(message["usage"], AFTER_THE_CHANGE[message["model"]])


def _priced(usage: dict[str, int], prices: tuple[str, ...]) -> Decimal:
    return sum((usage[name] * Decimal(price) / 10**6 for name, price in zip(FIELDS, prices, strict=True)), Decimal(0))


def told(task: OneTask, manifest: Manifest) -> Decimal:
    """Check that the rows sum to the job, and return what it cost."""
    cost = manifest.cost
    assert cost is not None
    assert (cost.at_least, cost.requests, cost.prices) == (False, ROWS, ("the argument `prices`",))
    parts = [task.folder / "out" / part.name for part in manifest.parts]
    rows = [json.loads(line, parse_float=Decimal) for part in parts for line in part.read_bytes().splitlines()]
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal(cost.cost_usd)
    return Decimal(cost.cost_usd)


def test_the_bill_of_a_contract_is_that_by_hand_for_every_kind_of_token_and_for_long_prompts(task: OneTask) -> None:
    manifest = task.finish(in_flight=ROWS_PER_SHARD)  # so that later batches read the cache
    found = list(messages(task))
    assert told(task, manifest) == sum(map(by_contract, found))
    used = [message["usage"] for message in found if message["model"] == OPUS]
    assert all(sum(usage[name] for usage in used) for name in FIELDS)
    assert {prompt_of(usage) > LONG for usage in used} == {True, False}


def test_parts_keep_the_prices_that_held_when_they_were_written_and_the_rest_has_the_new_ones(task: OneTask) -> None:
    outcome = task.stint(in_flight=ROWS_PER_SHARD)
    while not task.job().parts():
        assert not isinstance(outcome, Manifest)
        task.wait(outcome)
        outcome = task.stint()
    written = {state.batch.batch_id for state in task.job().known_shards() if state.batch and state.shard.shard == 0}
    manifest = task.finish(prices=CHANGED)
    others = {batch.id for batch in task.world.client.list()} - written
    assert len(others) == 2
    expected = sum(map(by_contract, messages(task, *written))) + sum(map(by_change, messages(task, *others)))
    assert told(task, manifest) == expected


def test_a_finished_job_that_is_collected_again_is_priced_anew_for_nothing(task: OneTask) -> None:
    task.finish()
    manifest = task.finish(prices=CHANGED, tries="cleared")
    assert told(task, manifest) == sum(map(by_change, messages(task)))
    task.world.check_each_row_billed_once(ROWS)


def test_a_model_without_any_price_makes_the_cost_a_lower_bound(task: OneTask) -> None:
    cost = task.finish(prices={OPUS: CONTRACT[OPUS]}).cost
    assert cost is not None
    unpriced = ROWS // ROWS_PER_SHARD
    assert (cost.at_least, cost.requests, cost.unknown_requests) == (True, ROWS - unpriced, unpriced)
    (reason,) = cost.unknown
    assert f"does not know `{UNKNOWN}`" in reason
    assert {(row["model"], row["cost_usd"] is None) for row in task.output()} == {(OPUS, False), (UNKNOWN, True)}
    known = (message for message in messages(task) if message["model"] == OPUS)
    assert Decimal(cost.cost_usd) == sum(map(by_contract, known))
