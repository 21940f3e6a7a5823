"""What a job cost is told in manifest, records, progress and log, and is the simulator's bill at the public prices."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.collection import collect_batches, rows_for_xcom
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, PartRecord, latest_parts
from anthropic_batches_provider.batches.money import published_prices
from anthropic_batches_provider.batches.money.batch_uses import UNPRICED_PART, by_model
from anthropic_batches_provider.batches.money.dollars import as_decimal
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest, decode_manifest
from anthropic_batches_provider.batches.output.tally import Tally
from anthropic_batches_provider.batches.progress import JobProgress
from tests.worlds.one_task_job import Arguments, KilledError, OneTask
from tests.worlds.simulated_world import World

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
ROWS, ROWS_PER_SHARD = 24, 8

PRICES = {  # dollars for a million tokens in a batch: https://platform.claude.com/docs/en/about-claude/pricing
    HAIKU: {"input": "0.05", "output": "0.25", "cache_write_1h": "0.1", "cache_read": "0.005"},
    SONNET: {"input": "1", "output": "5", "cache_write_1h": "2", "cache_read": "0.05"},
}
FIELDS = {
    "input": "input_tokens", "output": "output_tokens", "cache_write_1h": "cache_creation_input_tokens",
    "cache_read": "cache_read_input_tokens",
}  # fmt: skip


def asking(number: int) -> dict[str, Any]:
    """Return the params of a row: each model has a prefix of its own that an hour's cache may keep."""
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    return {
        "model": HAIKU if number < 2 * ROWS_PER_SHARD else SONNET, "max_tokens": 99,
        "system": [{"type": "text", "text": "word" * 1_500, **mark}],
        "messages": [{"role": "user", "content": f"contract {number}"}],
    }  # fmt: skip


def task_of_two_models(world: World, folder: Path, **hooks: Any) -> OneTask:
    """Return a task whose rows go to two models; one of them errors at first, and the answers of two are repaired."""
    world.control.change_settings(batch_duration=1800.0)
    control = world.control
    control.add_outcome("max_tokens", text_matches=r"contract [39]$", first_submissions=1)
    control.add_outcome("errored", text_matches=r"contract 5$", error_type="api_error", first_submissions=1)
    control.add_outcome("refusal", text_matches=r"contract 4$", first_submissions=1)
    repair: dict[str, dict[str, Any]] = {"truncated": {"max_tokens": 200}, "refusal": {"model": SONNET}}
    arguments = Arguments(
        rows=ROWS, rows_per_shard=ROWS_PER_SHARD, pilot="auto", params_of=asking, max_failed_rows=ROWS, repair=repair
    )
    return OneTask(world, folder, arguments, **hooks)


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    return task_of_two_models(world, tmp_path)


@pytest.fixture
def without_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let genai-prices be missing."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    published_prices._library.cache_clear()
    yield
    monkeypatch.undo()
    published_prices._library.cache_clear()


def billed(task: OneTask, batch_id: str | None = None) -> dict[str, dict[str, Decimal]]:
    """Return what the answers of all batches cost, by model and kind, computed by hand; they are the whole bill.

    :param batch_id: the one batch to look at; None for all.
    """
    costs = {model: dict.fromkeys(prices, Decimal(0)) for model, prices in PRICES.items()}
    tokens = dict.fromkeys(FIELDS.values(), 0)
    for batch in task.world.client.list():
        if batch_id not in (None, batch.id):
            continue
        with task.world.client.results(batch.id) as chunks:
            lines = b"".join(chunks).splitlines()
        for result in (json.loads(line)["result"] for line in lines):
            if result["type"] != "succeeded":
                continue
            message = result["message"]
            for kind, name in FIELDS.items():
                number = message["usage"][name]
                tokens[name] += number
                costs[message["model"]][kind] += number * Decimal(PRICES[message["model"]][kind]) / 10**6
    assert batch_id or tokens == msgspec.to_builtins(task.world.control.billing().tokens)
    return costs


def check_told(task: OneTask, manifest: Manifest) -> Decimal:
    """Check the manifest's cost against the bill, and return its total."""
    expected = billed(task)
    told = manifest.cost
    assert told is not None
    assert {model for model, kinds in expected.items() if any(kinds.values())} == set(told.models)
    for model, figures in told.models.items():
        assert nonzero(figures.kinds_usd) == nonzero(expected[model])
        assert nonzero(figures.live_kinds_usd) == {kind: 2 * cost for kind, cost in nonzero(expected[model]).items()}
    total = sum((cost for kinds in expected.values() for cost in kinds.values()), Decimal(0))
    assert (Decimal(told.cost_usd), Decimal(told.live_usd), Decimal(told.saved_by_batch_usd)) == (
        total, 2 * total, total,
    )  # fmt: skip
    assert told.requests == task.world.control.billing().rows_billed
    assert (told.at_least, told.unknown) == (False, {})
    return total


def nonzero(kinds: Mapping[str, str] | Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {kind: Decimal(cost) for kind, cost in kinds.items() if Decimal(cost)}


def progress(task: OneTask) -> tuple[str | None, bool]:
    told = JobProgress.of(task.job(), now=task.world.clock().now()).as_dict()
    return told["cost_usd"], told["cost_is_at_least"]


def test_the_manifest_tells_the_bill_of_two_models_with_cache_a_further_round_and_repairs(task: OneTask) -> None:
    manifest = task.finish()
    check_told(task, manifest)
    cost = manifest.cost
    assert cost is not None
    assert manifest.repairs["truncated"].requests == 2
    assert cost.requests > ROWS  # the repaired answers were paid for, too
    assert set(nonzero(cost.models[HAIKU].kinds_usd)) == set(FIELDS)  # the cache was written, and read
    assert [source.split()[0] for source in cost.prices] == ["genai-prices"]
    content = (task.folder / "out" / "_manifest.json").read_bytes()
    assert json.loads(content)["cost"] == manifest.as_dict()["cost"]
    assert decode_manifest(content).cost == cost


def test_what_the_cache_saved_is_the_difference_to_plain_input(task: OneTask) -> None:
    told = task.finish().cost
    assert told is not None
    plain = Decimal(0)
    for model, kinds in billed(task).items():
        prices = {kind: Decimal(price) for kind, price in PRICES[model].items()}
        cached = sum(kinds[kind] / prices[kind] for kind in ("cache_write_1h", "cache_read"))
        plain += kinds["input"] + kinds["output"] + cached * prices["input"]
    assert Decimal(told.saved_by_cache_usd) == plain - Decimal(told.cost_usd)


def test_the_parts_sum_to_the_job_and_progress_tells_what_is_written(task: OneTask) -> None:
    assert task.stint() is not None
    assert progress(task) == (None, False)
    told = []
    while not isinstance(outcome := task.stint(in_flight=ROWS_PER_SHARD + 1), Manifest):
        told.append(progress(task))
        task.wait(outcome)
    total = check_told(task, outcome)
    assert progress(task) == (format(total.normalize(), "f"), False)
    parts = {part.shard: part for part in task.job().parts()}
    costs = [cost for part in parts.values() for cost in (part.tally.costs or {}).values()]
    assert sum(Decimal(cost["cost_usd"]) for cost in costs) == total
    written = [Decimal(usd) for usd, _ in told if usd is not None]
    assert written
    assert written == sorted(written)


def test_what_the_parts_record_by_batch_is_the_bill_of_each_batch(task: OneTask) -> None:
    manifest = task.finish()
    tally = Tally()
    for part in latest_parts(task.job().parts()).values():
        tally.include(part.tally)
    found = tally.by_batch()
    assert found.keys() == {batch.id for batch in task.world.client.list()}
    for batch_id, models in found.items():
        bill = {model: nonzero(kinds) for model, kinds in billed(task, batch_id).items()}
        told = {model: used.cost for model, used in models.items() if used.cost is not None}
        assert told.keys() == {model for model, kinds in bill.items() if kinds} == models.keys()
        for model, cost in told.items():
            assert {kind: as_decimal(cost.batch.of(kind)) for kind in bill[model]} == bill[model]
            assert cost.requests == models[model].usage.requests
            assert cost.live.total == 2 * cost.batch.total
    used = by_model(found.values())
    assert {model: each.usage.as_dict() for model, each in used.items()} == manifest.usage
    assert JobCost.of({model: each.cost for model, each in used.items() if each.cost}) == manifest.cost


def test_a_killed_attempt_that_goes_on_tells_the_same(task: OneTask, monkeypatch: pytest.MonkeyPatch) -> None:
    record_part, noted = JobFolder.record_part, []

    def dies_at_the_second(job: JobFolder, part: PartRecord) -> PartRecord:
        noted.append(part)
        if len(noted) % 2 == 0:
            raise KilledError
        return record_part(job, part)

    monkeypatch.setattr(JobFolder, "record_part", dies_at_the_second)
    kills, manifest = 0, None
    while manifest is None:
        try:
            manifest = task.finish()
        except KilledError:
            kills += 1
    assert kills >= 2
    check_told(task, manifest)


def test_rows_that_go_to_xcom_cost_the_same(task: OneTask) -> None:
    task.arguments = replace(task.arguments, destination="xcom")
    total = check_told(task, task.finish())
    assert progress(task) == (format(total.normalize(), "f"), False)


def test_batches_that_something_else_submitted_are_priced_alike(task: OneTask, tmp_path: Path) -> None:
    task.finish()
    ids = [batch.id for batch in task.world.client.list()]
    settings = CollectionSettings(spool_folder=tmp_path / "plain", clock=task._clock)
    destination = Destination(storage=LocalStorage(tmp_path / "of-others"), owner="others", output_format="jsonl")
    check_told(task, collect_batches(ids, task.world.client, destination, settings))
    check_told(task, rows_for_xcom(ids, task.world.client, settings, max_bytes=1_000_000).manifest)


def test_an_answer_that_cannot_be_read_makes_the_cost_a_lower_bound(task: OneTask) -> None:
    task.world.control.add_outcome("unreadable", text_matches=r"contract 7$")
    told = task.finish().cost
    assert told is not None
    assert (told.at_least, told.unknown_requests) == (True, sum(told.unknown.values()))
    assert told.unknown_requests >= 1
    assert (told.models[HAIKU].at_least, told.models["unknown"].cost_usd) == (False, "0")
    assert progress(task) == (told.cost_usd, True)


def test_the_log_ends_with_a_table_of_the_cost(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    manifest = task.finish()
    sentence, header, rule, *rows = caplog.messages[-6:]
    assert sentence.startswith(f"Cost of {manifest.job}: $")
    assert "genai-prices" in sentence
    assert header.split()[1:3] == ["model", "|"]
    assert [row.split()[1] for row in rows] == [HAIKU, SONNET, "all"]
    assert len({len(line) for line in (header, rule, *rows)}) == 1


def test_without_the_extra_nothing_is_priced_and_that_is_said_once(
    task: OneTask, without_prices: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = CollectionSettings(spool_folder=task.folder / "plain", clock=task._clock)
    manifest = task.finish()
    assert manifest.cost is None
    assert manifest.as_dict()["cost"] is None
    assert [part.tally.costs for part in task.job().parts()] == [None] * len(task.job().parts())
    assert progress(task) == (None, False)
    caplog.clear()
    ids = [batch.id for batch in task.world.client.list()]
    destination = Destination(storage=LocalStorage(task.folder / "others"), owner="others", output_format="jsonl")
    assert collect_batches(ids, task.world.client, destination, settings).cost is None
    said = [record for record in caplog.records if "genai-prices is not installed" in record.message]
    assert [record.levelno for record in said] == [logging.INFO]


def test_parts_that_were_written_without_prices_make_the_cost_a_lower_bound(
    task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_part = JobFolder.record_part

    def as_before(job: JobFolder, part: PartRecord) -> PartRecord:
        """Record the first part as a version that knew no costs did."""
        if part.shard == 0:
            part = msgspec.structs.replace(part, tally=msgspec.structs.replace(part.tally, costs=None, batches={}))
        return record_part(job, part)

    monkeypatch.setattr(JobFolder, "record_part", as_before)
    manifest = task.finish()
    told = manifest.cost
    assert told is not None
    bill = task.world.control.billing()
    assert told.requests + told.unknown_requests == bill.rows_billed
    assert set(told.unknown) == {UNPRICED_PART}
    assert progress(task) == (told.cost_usd, True)
