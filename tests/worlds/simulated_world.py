"""A simulator, a storage and jobs in virtual time, as a worker sees them, without Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pendulum

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.ledger import BatchRecord, JobFolder, LocalStorage, Storage, UnitOfWork
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    JobSignals,
    NextLook,
    Submission,
    SubmissionBounds,
    ask_time,
    sealed_job,
)
from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.server import SimulatorServer

HOUR = 3600.0
BOUNDS = SubmissionBounds()


class SimulatorTime(Protocol):
    """The simulator's time: its own clock where it runs in this process, which is much quicker, or its control API."""

    def now(self) -> float: ...

    def advance(self, seconds: float, /) -> object: ...


class SimulatedClock:
    """The local clock of a worker: the simulator's time plus the error of the worker's clock."""

    def __init__(self, time: SimulatorTime, wrong_by: float = 0.0) -> None:
        self._time = time
        self.wrong_by = wrong_by

    def now(self) -> pendulum.DateTime:
        return pendulum.from_timestamp(self._time.now() + self.wrong_by)

    def steady(self) -> float:
        return self._time.now()

    def sleep(self, seconds: float) -> None:
        self._time.advance(seconds)


class World:
    """A simulator, a storage and a job of ``rows`` rows; each attempt sees them as a new process does."""

    def __init__(self, server: SimulatorServer, storage: Storage, spool: Path) -> None:
        self.server = server
        self.control = server.control
        self.storage = storage
        self.spool = spool
        self.client = MessageBatchClient(
            ClientSettings(base_url=server.base_url, api_key=server.api_key), sleep=lambda seconds: None
        )

    def clock(self, wrong_by: float = 0.0) -> SimulatedClock:
        """Return the clock of a worker; only the test's thread moves its time."""
        return SimulatedClock(self.server.simulator.clock, wrong_by)

    def plan(
        self,
        unit: str = "unit",
        question: str = "question",
        edition: str = "",
        on_changed_input: Literal["fail", "restart"] = "fail",
    ) -> JobPlan:
        work = UnitOfWork(dag_id="dag", task_id="task", unit=unit)
        return JobPlan(
            unit=work,
            question=question,
            edition=edition,
            conn_id="c",
            run_id="r",
            limits=ShardLimits(max_requests=4),
            on_changed_input=on_changed_input,
        )

    def job(self, plan: JobPlan | None = None, rows: int = 10, text: str = "hello") -> JobFolder:
        return self.sealed(plan or self.plan(), lambda: prepared(rows, text))

    def sealed(
        self,
        plan: JobPlan,
        read_rows: Callable[[], Iterable[PreparedRow | InvalidRow]],
        *,
        storage: Storage | None = None,
        spool: Path | None = None,
    ) -> JobFolder:
        """Return the job of a plan, sealed, as a new process sees it."""
        return sealed_job(
            storage or self.storage, plan, read_rows=read_rows, account=self.client.greet().account,
            service=self.client, clock=self.clock(), spool_folder=spool or self.spool, tokens=self.client,
        )  # fmt: skip

    def submission(self, job: JobFolder, *, wrong_by: float = 0.0, stop: bool = False) -> Submission:
        clock = self.clock(wrong_by)
        service_clock = ask_time(self.client, clock)
        return Submission(
            job,
            self.client,
            clock=clock,
            service_clock=service_clock,
            bounds=BOUNDS,
            signals=JobSignals(should_stop=lambda: stop),
        )

    def advance(self, job: JobFolder) -> list[BatchRecord] | NextLook:
        """Advance a job as a new attempt does."""
        return self.submission(job).advance()

    def finish(self, job: JobFolder) -> list[BatchRecord]:
        """Advance a job, waiting as the operator does, until every shard has its batch."""
        for _ in range(100):
            outcome = self.advance(job)
            if isinstance(outcome, list):
                return outcome
            seconds = (outcome.until - self.clock().now()).total_seconds()
            self.control.advance_clock(min(max(seconds, 0) + 1, HOUR / 2 if outcome.batch_ids else 1e9))
        raise AssertionError("the submission does not end")

    def check_each_row_billed_once(self, rows: int) -> None:
        """Check the bill of rows that have different texts."""
        self.control.end_batches()
        billing = self.control.billing()
        assert (billing.rows_billed, billing.max_times_billed, billing.distinct_contents) == (rows, 1, rows)


def prepared(rows: int, text: str = "hello") -> Iterator[PreparedRow]:
    for number in range(rows):
        params = b'{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"%b %d"}]}' % (
            text.encode(),
            number,
        )
        yield PreparedRow(number, b'{"key":%d}' % number, params)


@contextmanager
def simulated_world(folder: Path) -> Iterator[World]:
    """Yield a world whose batches take two hours of the simulator's time."""
    simulator = Simulator(clock=ManualClock(speed=0))
    (folder / "spool").mkdir()
    with SimulatorServer(simulator) as server:
        server.control.change_settings(batch_duration=2 * HOUR)
        world = World(server, LocalStorage(folder / "storage"), folder / "spool")
        with world.client:
            yield world


class Proxy:
    """The real client, with some calls answered by something in between."""

    def __init__(self, world: World, **answers: Any) -> None:
        self._client = world.client
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        return self._answers.get(name) or getattr(self._client, name)


def through(world: World, job: JobFolder, **answers: Any) -> Submission:
    """Return a new attempt's submission through a proxy."""
    clock, service = world.clock(), Proxy(world, **answers)
    return Submission(job, service, clock=clock, service_clock=ask_time(service, clock), bounds=BOUNDS)
