"""The engine in processes that kill themselves: imported once, forked for each run, SIGKILLed at a chosen boundary.

Run as a module, it reads one :class:`Order` a line and answers each with one :class:`Report`. It has one thread, so
that forking it is safe.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pendulum

from anthropic_batches_provider.batches.client import ClientSettings
from anthropic_batches_provider.batches.collection import (
    JobCollection,
    collect_job,
)
from anthropic_batches_provider.batches.further_rounds import Rounds
from anthropic_batches_provider.batches.job_advance import JobAdvance
from anthropic_batches_provider.batches.ledger import BatchRecord, JobFolder, LocalStorage, UnitOfWork
from anthropic_batches_provider.batches.limits import REQUESTS_IN_QUEUE
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.prompt_cache import CacheTtl, PromptCache
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    NextLook,
    Pilot,
    PilotRules,
    Submission,
    SubmissionBounds,
    ask_time,
    sealed_job,
)
from anthropic_batches_provider.simulator import SimulatorControl
from tests.worlds.mortal import Boundaries, MortalClient, MortalStorage, run_forked

SHARED = "The guide says: be brief. " * 800
TRIES = "r#1"
UNIT = UnitOfWork(dag_id="dag", task_id="task", unit="unit")
BOUNDS = SubmissionBounds(
    start_within=pendulum.duration(seconds=20),
    post_deadline=pendulum.duration(minutes=2),
    settle_time=pendulum.duration(minutes=10),
)
LOOK_SECONDS = 900.0
MOST_LOOKS = 100


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order to complete the job under ``folder``, or to be killed on the way.

    :param rows: how many rows the job has.
    :param kill_at: number of the boundary, from 0; None: no kill.
    :param dead_letters: write the rows that stay without a usable answer, too.
    :param in_flight: complete it as one task does, through a window of this size; None: submit all, wait, collect.
    :param rows_per_shard: how many rows a shard has at most.
    :param pilot: how many rows go first.
    :param prompt_cache: how long an entry of the prompt cache is to live; None for none.
    :param pause: seconds in which nobody works on the job, after the first wait.
    """

    folder: str
    rows: int
    kill_at: int | None = None
    dead_letters: bool = False
    in_flight: int | None = None
    rows_per_shard: int = 4
    pilot: Pilot = 0
    prompt_cache: CacheTtl | None = None
    pause: float = 0.0


class VirtualClock:
    """The simulator's time, which passes only where the engine sleeps: so it is asked once, and after each sleep."""

    def __init__(self, control: SimulatorControl) -> None:
        self._control = control
        self._now = control.now()

    def now(self) -> pendulum.DateTime:
        return pendulum.from_timestamp(self._now)

    def steady(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now = self._control.advance_clock(seconds)


class Run:
    """One process's work on a job: everything a task would do, from the rows to the manifest."""

    def __init__(self, order: Order, client: MortalClient, control: SimulatorControl, boundaries: Boundaries) -> None:
        client.boundaries = boundaries
        folder = Path(order.folder)
        self._order = order
        self._limits = ShardLimits(max_requests=order.rows_per_shard)
        self._client = client
        self._control = control
        self._clock = VirtualClock(control)
        self._spool = folder / "spool"
        self._storage = MortalStorage(LocalStorage(folder / "storage"), boundaries)
        output = MortalStorage(LocalStorage(folder / "output"), boundaries)
        self._destination = Destination(storage=output, owner=UNIT.owner)
        self._settings = CollectionSettings(
            spool_folder=self._spool, clock=self._clock, tries=TRIES, dead_letters=order.dead_letters
        )

    def bring_to_end(self) -> None:
        """Submit, wait and collect, as three tasks do."""
        job, batches = self._submit()
        for batch in batches:
            while not self._client.retrieve(batch.batch_id).has_ended:
                self._clock.sleep(LOOK_SECONDS)
        collect_job(job, self._client, self._destination, self._settings)

    def bring_home(self, in_flight: int) -> None:
        """Do all three as one task does, which is deferred in between."""
        for look in range(MOST_LOOKS):
            job = self._sealed()
            collection = JobCollection(job, self._client, self._destination, self._settings)
            rounds = Rounds(most=3, limits=self._limits, spool_folder=self._spool)
            outcome = JobAdvance(job, self._submission(job, in_flight), collection, rounds, clock=self._clock).advance()
            if isinstance(outcome, Manifest):
                return
            self._wait(outcome)
            self._pause_after(look)
        raise AssertionError("the job does not end")

    def _submit(self) -> tuple[JobFolder, list[BatchRecord]]:
        for look in range(MOST_LOOKS):
            job = self._sealed()
            outcome = self._submission(job).advance()
            if isinstance(outcome, list):
                return job, outcome
            seconds = (outcome.until - self._clock.now()).total_seconds() + 1
            self._clock.sleep(min(max(seconds, 1), LOOK_SECONDS))
            self._pause_after(look)
        raise AssertionError("the submission does not end")

    def _pause_after(self, look: int) -> None:
        if not look and self._order.pause:
            self._clock.sleep(self._order.pause)

    def _sealed(self) -> JobFolder:
        self._spool.mkdir(parents=True, exist_ok=True)
        asked = self._order
        plan = JobPlan(
            unit=UNIT, question="question", conn_id="c", run_id="r", limits=self._limits, tries=TRIES,
            pilot=asked.pilot, prompt_cache=None if asked.prompt_cache is None else PromptCache(ttl=asked.prompt_cache),
        )  # fmt: skip
        shared = "" if asked.prompt_cache is None else SHARED
        return sealed_job(
            self._storage, plan, read_rows=lambda: prepared(asked.rows, shared), account=self._client.greet().account,
            service=self._client, clock=self._clock, spool_folder=self._spool, tokens=self._client,
        )  # fmt: skip

    def _submission(self, job: JobFolder, in_flight: int = REQUESTS_IN_QUEUE) -> Submission:
        return Submission(
            job, self._client, clock=self._clock, service_clock=ask_time(self._client, self._clock), bounds=BOUNDS,
            max_requests_in_flight=in_flight, pilot=PilotRules(spool_folder=self._spool) if self._order.pilot else None,
        )  # fmt: skip

    def _wait(self, waiting: NextLook) -> None:
        """Let time pass, as during a deferral, in which the triggerer, another process, waits."""
        while (left := (waiting.until - self._clock.now()).total_seconds()) > 0:
            if {bill.batch_id for bill in self._control.billing().batches if bill.ended} & set(waiting.batch_ids):
                return
            self._clock.sleep(min(left + 1, LOOK_SECONDS))


def prepared(rows: int, shared: str = "") -> Iterator[PreparedRow]:
    for number in range(rows):
        params: dict[str, Any] = {"model": "claude-haiku-5-5" if shared else "claude-haiku-4-5", "max_tokens": 9}
        if shared:
            params["system"] = shared
        params["messages"] = [{"role": "user", "content": f"row {number}"}]
        yield PreparedRow(number, b'{"key":%d}' % number, msgspec.json.encode(params))


def main() -> None:
    base_url, api_key = sys.argv[1:]
    control = SimulatorControl(base_url)
    client = MortalClient(ClientSettings(base_url=base_url, api_key=api_key), sleep=lambda seconds: None)
    gc.freeze()  # no forked process copies what a collection would touch
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        report = run_forked(partial(_run, order, client, control), order.kill_at)
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        sys.stdout.flush()


def _run(order: Order, client: MortalClient, control: SimulatorControl, boundaries: Boundaries) -> None:
    run = Run(order, client, control, boundaries)
    if order.in_flight is None:
        run.bring_to_end()
    else:
        run.bring_home(order.in_flight)


if __name__ == "__main__":
    main()
