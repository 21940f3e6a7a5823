"""What each row cost, over all its rounds: the rows sum to the job, in every format and however they are collected."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from anthropic_batches_provider.batches.collection import collect_batches, collect_job, rows_for_xcom
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, PartRecord
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import RESULT_COLUMNS
from anthropic_batches_provider.batches.output.delimited_files import read_delimited
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.submission import sealing
from anthropic_batches_provider.sources import read_rows
from tests.worlds.one_task_job import Arguments, OneTask
from tests.worlds.simulated_world import World

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
ROWS, ROWS_PER_SHARD = 24, 8
STEP = 100_000
"""Longer prompts of Haiku 5.5 cost more."""


def asking(number: int) -> dict[str, Any]:
    """Return the params of a row: of two models, each with a prefix that the cache keeps; one beyond the price step."""
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    return {
        "model": HAIKU if number < 2 * ROWS_PER_SHARD else SONNET, "max_tokens": 99,
        "system": [{"type": "text", "text": "word" * 1_500, **mark}],
        "messages": [{"role": "user", "content": f"contract {number}" + " long" * (2 * STEP if number == 6 else 0)}],
    }  # fmt: skip


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    """A task with a pilot, two models, repairs, and rows that err, expire and come back in a further round."""
    control = world.control
    control.change_settings(batch_duration=1800.0)
    control.add_outcome("max_tokens", text_matches=r"contract [39]$", first_submissions=1)
    control.add_outcome("errored", text_matches=r"contract 5$", error_type="api_error", first_submissions=1)
    control.add_outcome("errored", text_matches=r"contract 8$", error_type="invalid_request_error")
    control.add_outcome("expired", text_matches=r"contract 1[12]$", first_submissions=1)
    control.add_outcome("expired", text_matches=r"contract 20$")
    control.add_outcome("refusal", text_matches=r"contract 4$", first_submissions=1)
    repair: dict[str, dict[str, Any]] = {"truncated": {"max_tokens": 200}, "refusal": {"model": SONNET}}
    arguments = Arguments(
        rows=ROWS, rows_per_shard=ROWS_PER_SHARD, pilot="auto", params_of=asking, max_failed_rows=ROWS, repair=repair
    )
    return OneTask(world, tmp_path, arguments)


def costs_of_lines(lines: Sequence[bytes | str]) -> list[Decimal | None]:
    """Return the column as it is written: a float has never been one of its digits."""
    rows = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines]
    return [row["cost_usd"] for row in rows]


def lines_of(folder: Path, manifest: Manifest) -> list[bytes]:
    return [line for part in manifest.parts for line in (folder / part.name).read_bytes().splitlines()]


def total(costs: Sequence[Decimal | None]) -> Decimal:
    assert None not in costs
    return sum((cost for cost in costs if cost is not None), Decimal(0))


def job_cost(manifest: Manifest) -> Decimal:
    assert manifest.cost is not None
    assert not manifest.cost.at_least
    return Decimal(manifest.cost.cost_usd)


def collected(task: OneTask, name: str, output_format: str = "jsonl", **changes: Any) -> tuple[Path, Manifest]:
    """Collect the finished job once more, into another folder."""
    folder = task.folder / name
    settings = CollectionSettings(spool_folder=task.folder / "spool", clock=task._clock, **changes)
    destination = Destination(storage=LocalStorage(folder), owner="again", output_format=output_format)
    return folder, collect_job(task.job(), task.world.client, destination, settings)


def test_the_rows_sum_to_the_job_whatever_happened_to_them(task: OneTask) -> None:
    manifest = task.finish()
    costs = costs_of_lines(lines_of(task.folder / "out", manifest))
    assert total(costs) == job_cost(manifest) > 0
    rows = task.output()
    assert len(rows) == ROWS
    repaired = {row["key"] for row in rows if row["earlier_rounds"] and row["result_type"] == "succeeded"}
    assert repaired >= {3, 4, 5, 9, 11, 12}
    unbilled = {row["key"]: cost for row, cost in zip(rows, costs, strict=True) if row["result_type"] != "succeeded"}
    assert unbilled == {8: 0, 20: 0}


def test_a_row_costs_what_all_its_requests_cost_and_its_usage_is_that_of_one(task: OneTask) -> None:
    """By hand: dollars for a million tokens in a batch, input, output, written for an hour, read."""
    manifest = task.finish()
    steps = set()
    prices = {HAIKU: ("0.05", "0.25", "0.1", "0.005"), SONNET: ("1", "5", "2", "0.05")}
    for line, cost in zip(task.output(), costs_of_lines(lines_of(task.folder / "out", manifest)), strict=True):
        requests = [line, *(line["earlier_rounds"] or [])]
        by_hand = Decimal(0)
        for request in requests:
            usage = request["usage"]
            if usage is None:
                continue
            names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
            tokens = [usage[name] for name in names]
            steps.add(step := 5 if request["model"] == HAIKU and sum(tokens) - tokens[1] > STEP else 1)
            by_hand += step * sum(
                Decimal(price) * number for price, number in zip(prices[request["model"]], tokens, strict=True)
            )
        assert cost == by_hand / 10**6, line["key"]
    assert steps == {1, 5}


def test_every_format_has_the_same_costs_to_the_last_digit(task: OneTask) -> None:
    expected = costs_of_lines(lines_of(task.folder / "out", task.finish()))
    folder, manifest = collected(task, "parquet", "parquet")
    tables = [parquet.read_table(folder / part.name) for part in manifest.parts]
    assert [cost for table in tables for cost in table.column("cost_usd").to_pylist()] == expected
    folder, manifest = collected(task, "csv", "csv")
    cells = [
        row["cost_usd"]
        for part in manifest.parts
        for row in read_delimited((folder / part.name).read_bytes().splitlines(keepends=True))
    ]
    assert [Decimal(cell or "") for cell in cells] == expected
    assert not any("e" in (cell or "").lower() for cell in cells)
    settings = CollectionSettings(spool_folder=task.folder / "spool", clock=task._clock)
    xcom = rows_for_xcom(task.job(), task.world.client, settings, max_bytes=10**7)
    assert [Decimal(str(row["cost_usd"])) for row in xcom.rows] == expected


def test_collecting_again_and_in_another_way_has_the_same_costs(task: OneTask) -> None:
    first = task.finish()
    expected = costs_of_lines(lines_of(task.folder / "out", first))
    folder, again = collected(task, "again")
    assert costs_of_lines(lines_of(folder, again)) == expected
    ids = [batch.id for batch in task.world.client.list()]
    settings = CollectionSettings(spool_folder=task.folder / "spool", clock=task._clock)
    folder = task.folder / "of-others"
    destination = Destination(storage=LocalStorage(folder), owner="others", output_format="jsonl")
    plain = collect_batches(ids, task.world.client, destination, settings)
    assert total(costs_of_lines(lines_of(folder, plain))) == job_cost(plain) == job_cost(first)


def test_a_killed_attempt_that_goes_on_writes_the_same_costs(task: OneTask, monkeypatch: pytest.MonkeyPatch) -> None:
    record_part, noted = JobFolder.record_part, []

    def dies_at_the_second(job: JobFolder, part: PartRecord) -> PartRecord:
        noted.append(part)
        if len(noted) == 2:
            raise KeyboardInterrupt
        return record_part(job, part)

    monkeypatch.setattr(JobFolder, "record_part", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        task.finish()
    manifest = task.finish()
    assert total(costs_of_lines(lines_of(task.folder / "out", manifest))) == job_cost(manifest)


def test_a_request_whose_cost_is_unknown_makes_that_of_its_row_null_and_no_other(task: OneTask) -> None:
    task.world.control.add_outcome("unreadable", text_matches=r"contract 7$")
    manifest = task.finish()
    costs = costs_of_lines(lines_of(task.folder / "out", manifest))
    rows = task.output()
    assert [row["key"] for row, cost in zip(rows, costs, strict=True) if cost is None] == [7]
    assert manifest.cost is not None
    assert manifest.cost.at_least
    assert sum((cost for cost in costs if cost is not None), Decimal(0)) == Decimal(manifest.cost.cost_usd)


class WithoutCache:
    """Prices of every model, in pico-dollars, with none for the cache."""

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        return ModelPrices(batch=UnitPrices(input=1, output=2), live=UnitPrices(input=2, output=4), source="test")


def test_rows_that_used_a_kind_without_a_price_have_no_cost(task: OneTask) -> None:
    task.finish()
    folder, manifest = collected(task, "given", prices=PriceList(public=WithoutCache()))
    costs = costs_of_lines(lines_of(folder, manifest))
    for row, cost in zip(task.output(), costs, strict=True):
        usages = [each["usage"] for each in (row, *(row["earlier_rounds"] or [])) if each["usage"]]
        if any(usage["cache_creation_input_tokens"] or usage["cache_read_input_tokens"] for usage in usages):
            assert cost is None
        else:
            by_hand = sum(usage["input_tokens"] + 2 * usage["output_tokens"] for usage in usages)
            assert cost == Decimal(by_hand).scaleb(-12)
    assert 0 < costs.count(None) < ROWS
    assert manifest.cost is not None
    assert manifest.cost.at_least


def test_without_prices_no_row_has_a_cost(task: OneTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PriceList, "are_known", lambda _: False)
    manifest = task.finish()
    assert manifest.cost is None
    assert costs_of_lines(lines_of(task.folder / "out", manifest)) == [None] * ROWS


def test_the_column_can_be_renamed_chosen_and_left_out(task: OneTask) -> None:
    expected = costs_of_lines(lines_of(task.folder / "out", task.finish()))
    folder, manifest = collected(task, "chosen", choice=ColumnChoice.of({"cost_usd": "usd"}))
    lines = [json.loads(line, parse_float=Decimal) for line in lines_of(folder, manifest)]
    assert [line["usd"] for line in lines] == expected
    folder, manifest = collected(task, "alone", choice=ColumnChoice.of(["cost_usd"]))
    assert set(json.loads(lines_of(folder, manifest)[0])) == {"key", "cost_usd"}
    folder, manifest = collected(task, "without", choice=ColumnChoice.of({"cost_usd": None}))
    assert "cost_usd" not in json.loads(lines_of(folder, manifest)[0])


def test_a_job_of_before_the_column_has_it_only_where_it_is_named(
    task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "RESULT_COLUMNS", tuple(name for name in RESULT_COLUMNS if name != "cost_usd"))
    manifest = task.finish()
    assert "cost_usd" not in task.output()[0]
    folder, again = collected(task, "named", choice=ColumnChoice.of(["cost_usd"]))
    assert total(costs_of_lines(lines_of(folder, again))) == job_cost(again) == job_cost(manifest)


def test_a_table_of_a_database_holds_the_same_digits(task: OneTask, monkeypatch: pytest.MonkeyPatch) -> None:
    database = task.folder / "warehouse.db"
    database.touch()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    manifest = task.finish(table="answers")
    with sqlite3.connect(database) as connection:
        found = [Decimal(cost) for (cost,) in connection.execute("SELECT cost_usd FROM answers")]
    assert len(found) == ROWS
    assert total(found) == job_cost(manifest)


@pytest.mark.parametrize("output_format", ["jsonl", "jsonl.gz", "parquet"])
def test_the_rows_of_an_output_are_read_back_with_their_costs(task: OneTask, output_format: str) -> None:
    expected = costs_of_lines(lines_of(task.folder / "out", task.finish()))
    folder, manifest = collected(task, "read", output_format)
    rows = list(read_rows(manifest.as_dict() | {"destination": folder.as_uri()}))
    assert [Decimal(str(row["cost_usd"])) for row in rows] == expected
