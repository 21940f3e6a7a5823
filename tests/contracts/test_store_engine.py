"""The engine end to end, with its ledger and its output on an object store; the tests check the simulator's bill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.collection import collect_job
from anthropic_batches_provider.batches.ledger import JobFolder, UnitOfWork
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.contracts.store_servers import Store
from tests.worlds.simulated_world import HOUR, World

ROOT = Path(__file__).parents[2]
ROWS = 40  # ten shards


@pytest.fixture
def world(store: Store, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "spool").mkdir()
    with SimulatorServer(Simulator(clock=ManualClock(speed=0))) as server:
        server.control.change_settings(batch_duration=2 * HOUR)
        world = World(server, open_storage(f"{store.folder()}/jobs"), tmp_path / "spool")
        with world.client:
            yield world


def collect(world: World, job: JobFolder, uri: str) -> list[int]:
    """Collect a finished job and return the keys of its output, in order."""
    output = open_storage(uri, holds_ledger=False)
    owner = UnitOfWork(dag_id="dag", task_id="task", unit="unit").owner
    destination = Destination(storage=output, owner=owner, output_format="jsonl")
    settings = CollectionSettings(spool_folder=world.spool, clock=world.clock())
    manifest = collect_job(job, world.client, destination, settings)
    assert json.loads(output.read("_manifest.json"))["counts"]["succeeded"] == manifest.counts.succeeded
    parts = [output.read(name) for name in output.list("") if name.startswith("part-")]
    return [json.loads(line)["key"] for part in parts for line in part.splitlines()]


def test_a_job_is_submitted_settled_and_collected(world: World, store: Store) -> None:
    world.control.add_fault("create", "drop_after_commit", times=2)
    world.control.add_fault("create", "drop_before_commit", times=1)
    job = world.job(rows=ROWS)
    world.finish(job)
    world.check_each_row_billed_once(ROWS)
    output = store.folder()
    assert collect(world, job, output) == list(range(ROWS))
    assert collect(world, job, output) == list(range(ROWS))
    world.check_each_row_billed_once(ROWS)


def test_two_processes_that_race_for_a_job_send_each_shard_once(world: World, store: Store) -> None:
    job = world.job(rows=ROWS)
    arguments = [world.server.base_url, world.server.api_key, world.storage.uri, job.path]
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.store_racer", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("", "provider"))},
        )
        for _ in range(2)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert "ready\n" in iter(racer.stdout.readline, "")  # Airflow has printed other lines before
    for racer in racers:
        racer.communicate("go\n", timeout=60)
    assert [racer.returncode for racer in racers] == [0, 0]
    world.finish(job)
    assert len(world.control.received().creates) == ROWS / 4
    world.check_each_row_billed_once(ROWS)
