"""``python -m benchmarks.size.many_shards``: what the bookkeeping of one job costs, by its number of shards.

One task submits and collects shards of one row: all are sent in one stint and collected in the next. The service is the
simulator in this process, so that the CPU is that of the engine and of the client of the store. The object store is an
emulator of S3 in a process of its own: run this with ``.matrix/stores/bin/python``, which ``make test-stores`` makes.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import pendulum

from anthropic_batches_provider.batches.collection import JobCollection
from anthropic_batches_provider.batches.further_rounds import Rounds
from anthropic_batches_provider.batches.job_advance import JobAdvance
from anthropic_batches_provider.batches.ledger import LocalStorage, Storage, UnitOfWork
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import JobPlan, Submission, SubmissionBounds, ask_time, sealed_job
from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from benchmarks import report
from tests.contracts import store_servers
from tests.worlds.direct_service import DirectService
from tests.worlds.simulated_world import SimulatedClock

ON_DISK = (100, 200, 400, 800)
ON_S3 = (300, 3_000)
_LIMITS = ShardLimits(max_requests=1)
_HOUR = 3600


@dataclass
class Operations:
    """Operations of a job on its storage, and on that of its output."""

    lists: int = 0
    names: int = 0
    reads: int = 0
    writes: int = 0


class CountedStorage:
    """A storage that counts its operations."""

    def __init__(self, inner: Storage, operations: Operations) -> None:
        self._inner = inner
        self._operations = operations

    @property
    def uri(self) -> str:
        return self._inner.uri

    def read(self, path: str) -> bytes:
        self._operations.reads += 1
        return self._inner.read(path)

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        self._operations.reads += 1
        return self._inner.open(path)

    def list(self, folder: str) -> list[str]:
        names = self._inner.list(folder)
        self._operations.lists += 1
        self._operations.names += len(names)
        return names

    def create(self, path: str, content: bytes) -> None:
        self._operations.writes += 1
        self._inner.create(path, content)

    def put_file(self, source: Path, path: str) -> None:
        self._operations.writes += 1
        self._inner.put_file(source, path)

    def remove(self, path: str) -> None:
        self._operations.writes += 1
        self._inner.remove(path)


@dataclass(frozen=True)
class Spent:
    """What a job cost.

    :param cpu: seconds of this process.
    """

    where: str
    shards: int
    cpu: float
    elapsed: float
    operations: Operations


class _Job:
    """One task's job, in stints, each with objects of its own, as a process has them."""

    def __init__(self, jobs: Storage, output: Storage, spool: Path, shards: int) -> None:
        self.operations = Operations()
        self._jobs = CountedStorage(jobs, self.operations)
        self._output = CountedStorage(output, self.operations)
        self._spool = spool
        self._shards = shards
        simulator = Simulator(clock=ManualClock(speed=0))
        self._time, self._service = simulator.clock, DirectService(simulator)
        self._clock = SimulatedClock(self._time)

    def finish(self) -> None:
        """Run stints until every row is collected.

        :raises RuntimeError: rows are missing at the end.
        """
        while not isinstance(outcome := self._stint(), Manifest):
            self._time.advance(2 * _HOUR)
        if outcome.counts.succeeded != self._shards:
            raise RuntimeError(f"Of {self._shards} rows there are {outcome.counts}")

    def _stint(self) -> object:
        clock, service = self._clock, self._service
        unit = UnitOfWork(dag_id="dag", task_id="task", unit="unit")
        plan = JobPlan(unit=unit, question="question", conn_id="c", run_id="r", limits=_LIMITS)
        job = sealed_job(
            self._jobs, plan, read_rows=self._rows, account=service.greet().account, service=service, clock=clock,
            spool_folder=self._spool,
        )  # fmt: skip
        destination = Destination(storage=self._output, owner=unit.owner)
        settings = CollectionSettings(spool_folder=self._spool, clock=clock)
        return JobAdvance(
            job,
            Submission(job, service, clock=clock, service_clock=ask_time(service, clock), bounds=SubmissionBounds()),
            JobCollection(job, service, destination, settings),
            Rounds(most=1, limits=_LIMITS, spool_folder=self._spool),
            clock=clock,
        ).advance()

    def _rows(self) -> Iterator[PreparedRow]:
        for number in range(self._shards):
            params = b'{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"row %d"}]}'
            yield PreparedRow(number, b'{"key":%d}' % number, params % number)


def measure(where: str, jobs: Storage, output: Storage, shards: int) -> Spent:
    """Bring a job of so many shards to its end."""
    with tempfile.TemporaryDirectory(prefix="many-shards-") as spool:
        job = _Job(jobs, output, Path(spool), shards)
        began, cpu = pendulum.now("UTC"), time.process_time()
        job.finish()
        spent, elapsed = time.process_time() - cpu, (pendulum.now("UTC") - began).total_seconds()
    return Spent(where, shards, spent, elapsed, job.operations)


def measure_all() -> Iterator[Spent]:
    """Measure the local disk first, then S3."""
    for shards in ON_DISK:
        with tempfile.TemporaryDirectory(prefix="many-shards-") as folder:
            yield measure(
                "local disk", LocalStorage(Path(folder) / "jobs"), LocalStorage(Path(folder) / "output"), shards
            )
    from anthropic_batches_provider.edge.object_storage import open_storage

    with store_servers.s3() as store:
        for shards in ON_S3:
            jobs, output = open_storage(store.folder()), open_storage(store.folder(), holds_ledger=False)
            yield measure("S3", jobs, output, shards)


def as_table(found: Sequence[Spent]) -> list[str]:
    """Return the lines of a Markdown table, a line per job."""
    head = "| store | shards | CPU | CPU per shard | elapsed | lists | per shard: names listed | reads | writes |"
    lines = [head, "|---" * 9 + "|"]
    for spent in found:
        operations, shards = spent.operations, spent.shards
        cells = [
            spent.where,
            f"{shards:,}",
            f"{spent.cpu:.1f} s",
            f"{spent.cpu / shards * 1000:.1f} ms",
            f"{spent.elapsed:.0f} s",
            f"{operations.lists:,}",
            f"{operations.names / shards:.1f}",
            f"{operations.reads / shards:.1f}",
            f"{operations.writes / shards:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size.many_shards", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    logging.disable(logging.INFO)  # a line for each shard would hide the table
    load_before, began = report.load(), time.monotonic()
    found = []
    for spent in measure_all():
        found.append(spent)
        print(as_table(found)[-1], flush=True)
    names = ("airflow-provider-anthropic-batches", "apache-airflow", "s3fs", "moto")
    versions = {name: version(name) for name in names}
    section = report.Section("many shards", as_table(found))
    lines = report.measured(section, versions, time.monotonic() - began, load_before)
    print("", *lines, sep="\n")
    if options.write:
        report.write(section.name, lines)


if __name__ == "__main__":
    main()
