"""The work of the one-task operator without Airflow: stints on a worker, each as in a new process, and waits.

A wait ends as in the triggerer: when one of its batches has ended, or at its last moment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

from anthropic_batches_provider.batches.client import MessageBatchClient
from anthropic_batches_provider.batches.collection import (
    JobCollection,
    XComCollection,
)
from anthropic_batches_provider.batches.further_rounds import Rounds
from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row
from anthropic_batches_provider.batches.job_advance import JobAdvance
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, PilotRecord, Storage, sent_pilots
from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.money.given_prices import GivenPrices
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.prompt_cache import CacheTtl, PromptCache
from anthropic_batches_provider.batches.repairs import Repair
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.requests.encoding import encode_arguments
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    JobSignals,
    NextLook,
    Pilot,
    PilotRules,
    Submission,
    ask_time,
)
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.task_destination import table_destination
from tests.worlds.simulated_world import BOUNDS, SimulatedClock, World, prepared

ROWS_PER_SHARD = 4
MOST_STINTS = 300
LOOK_SECONDS = 900.0


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments that a task's author may set, and change between two attempts.

    :param destination: name of the output's folder; "xcom" for memory.
    :param table: name of the table of the connection ``warehouse`` that the output goes to, in place of the folder.
    :param owner: the owner of the destination.
    :param wrong_by: by how many seconds the worker's clock is ahead of the service's.
    :param may_send: whether the try still has time left.
    :param invalid: the numbers of rows from which no request can be made.
    :param params_of: returns the params of a row, in place of a greeting with ``text``.
    :param output_schema: what the answers must fit; it is not added to the params.
    :param repair: verdicts, each with the params that a repair changes.
    :param pilot: how many rows go first.
    :param prompt_cache: how long an entry of the prompt cache is to live; None for none.
    :param prices: the user's own.
    """

    rows: int = 12
    invalid: frozenset[int] = frozenset()
    params_of: Callable[[int], dict[str, Any]] | None = None
    output_schema: OutputSchema | None = None
    repair: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    max_failed_rows: int | float = 0
    text: str = "hello"
    rows_per_shard: int = ROWS_PER_SHARD
    max_bytes: int = MAX_BYTES_PER_BATCH
    in_flight: int = 1_000_000
    max_rounds: int = 3
    tries: str = ""
    unit: str = "unit"
    question: str = "question"
    edition: str = ""
    on_changed_input: Literal["fail", "restart"] = "fail"
    destination: str = "out"
    table: str = ""
    columns: Sequence[str] | Mapping[str, str | None] | None = None
    owner: str = "owner"
    output_format: Literal["jsonl", "jsonl.gz"] = "jsonl"
    include_message: bool = False
    dead_letters: bool = False
    keep_requests: bool = False
    xcom_max_bytes: int = 1_000_000
    wrong_by: float = 0.0
    may_send: bool = True
    pilot: Pilot = 0
    prompt_cache: CacheTtl | None = None
    prices: Mapping[str, Any] | None = None


@dataclass
class OneTask:
    """A task that completes a unit of work, from its rows to the output.

    :param folder: a local folder for the output and the spools.
    :ivar rows_in_memory: the rows of the last output to XCom.
    """

    world: World
    folder: Path
    arguments: Arguments = field(default_factory=Arguments)
    rows_in_memory: list[dict[str, Any]] = field(default_factory=list)
    _stints: Iterator[int] = field(default_factory=count)

    def stint(
        self, *, client: MessageBatchClient | None = None, storage: Storage | None = None, **changes: Any
    ) -> Manifest | NextLook:
        """Run one stint, as one process does; changed arguments hold from now on.

        :param client: in place of the world's, for this stint alone.
        :param storage: of the jobs, for this stint alone.
        """
        self.arguments = replace(self.arguments, **changes)
        spool = self.folder / f"stint-{next(self._stints)}"
        spool.mkdir()
        job = self._job(storage or self.world.storage, spool)
        collection = self.collection(job, spool, client)
        advance = JobAdvance(
            job,
            self._submission(job, client or self.world.client, spool),
            collection,
            self._rounds(spool),
            clock=self._clock,
        )
        outcome = advance.advance()
        self.rows_in_memory = getattr(collection, "rows", [])
        return outcome

    def finish(self, **changes: Any) -> Manifest:
        """Run stints until the job is complete, waiting in between."""
        reason = ""
        for _ in range(MOST_STINTS):
            outcome = self.stint(**changes)
            if isinstance(outcome, Manifest):
                return outcome
            changes, reason = {}, outcome.reason
            self.wait(outcome)
        raise AssertionError(f"the job does not end: {reason}")

    def wait(self, waiting: NextLook) -> None:
        """Let time pass until the wait is over."""
        while (left := (waiting.until - self._clock.now()).total_seconds()) > 0:
            if {batch.id for batch in self.world.client.list() if batch.has_ended} & set(waiting.batch_ids):
                return
            self.world.control.advance_clock(min(left + 1, LOOK_SECONDS) if waiting.batch_ids else left + 1)

    def job(self) -> JobFolder:
        """Return the unit's job, as another process sees it."""
        folder = f"{self._plan().unit.folder}/job-0001"
        return JobFolder(self.world.storage, folder)

    def pilot(self, sent: int) -> PilotRecord | None:
        """Return what the first pilot has shown when it was sent for the first time, or the second, …"""
        job = self.job()
        return job.pilot(sent_pilots(job.rounds()[:sent])[0]) if len(job.rounds()) >= sent else None

    def collection(
        self, job: JobFolder, spool: Path, client: MessageBatchClient | None = None
    ) -> JobCollection | XComCollection:
        asked = self.arguments
        settings = CollectionSettings(
            spool_folder=spool / "collect", include_message=asked.include_message, keep_requests=asked.keep_requests,
            tries=asked.tries, clock=self._clock, choice=ColumnChoice.of(asked.columns), as_table=bool(asked.table),
            dead_letters=asked.dead_letters,
            prices=PriceList() if asked.prices is None else PriceList(GivenPrices(asked.prices)),
        )  # fmt: skip
        source = client or self.world.client
        if asked.destination == "xcom":
            return XComCollection(job, source, settings, max_bytes=asked.xcom_max_bytes)
        if asked.table:
            table = SqlTable("warehouse", asked.table, create=True)
            parts = LocalStorage(self.folder / "jobs" / job.path / "table")
            return JobCollection(job, source, table_destination(table, parts, owner=asked.owner), settings)
        storage = LocalStorage(self.folder / asked.destination)
        destination = Destination(storage=storage, owner=asked.owner, output_format=asked.output_format)
        return JobCollection(job, source, destination, settings)

    def output(self) -> list[dict[str, Any]]:
        """Return the rows of the published output, in the manifest's order."""
        folder = self.folder / self.arguments.destination
        manifest = json.loads((folder / "_manifest.json").read_bytes())
        contents = [(folder / part["name"]).read_bytes() for part in manifest["parts"]]
        assert [len(content) for content in contents] == [part["bytes"] for part in manifest["parts"]]
        return [json.loads(line) for content in contents for line in content.splitlines()]

    def _job(self, storage: Storage, spool: Path) -> JobFolder:
        asked = self.arguments

        def rows() -> Iterator[PreparedRow | InvalidRow]:
            for row in _prepared(asked):
                is_invalid = row.number in asked.invalid
                yield invalid_row(row.number, f"row {row.number} is bad", row.columns) if is_invalid else row

        return self.world.sealed(self._plan(), rows, storage=storage, spool=spool)

    def _plan(self) -> JobPlan:
        asked = self.arguments
        plan = self.world.plan(asked.unit, asked.question, asked.edition, asked.on_changed_input)
        limits = ShardLimits(max_requests=asked.rows_per_shard, max_bytes=asked.max_bytes)
        return replace(
            plan,
            tries=asked.tries,
            limits=limits,
            max_failed_rows=asked.max_failed_rows,
            output_schema=asked.output_schema,
            pilot=asked.pilot,
            prompt_cache=None if asked.prompt_cache is None else PromptCache(ttl=asked.prompt_cache),
        )

    def _submission(self, job: JobFolder, client: MessageBatchClient, spool: Path) -> Submission:
        asked = self.arguments
        rules = PilotRules(spool_folder=spool, repaired=asked.repair.keys(), max_rounds=asked.max_rounds)
        pilot = rules if asked.pilot != 0 else None
        return Submission(
            job, client, clock=self._clock, service_clock=ask_time(client, self._clock), bounds=BOUNDS,
            max_requests_in_flight=self.arguments.in_flight,
            signals=JobSignals(may_send=lambda: self.arguments.may_send), pilot=pilot,
        )  # fmt: skip

    def _rounds(self, spool: Path) -> Rounds:
        limits = ShardLimits(max_requests=self.arguments.rows_per_shard, max_bytes=self.arguments.max_bytes)
        return Rounds(
            most=self.arguments.max_rounds, limits=limits, spool_folder=spool, repair=Repair(self.arguments.repair),
            models=self.world.client,
        )  # fmt: skip

    @property
    def _clock(self) -> SimulatedClock:
        return self.world.clock(self.arguments.wrong_by)


def _prepared(asked: Arguments) -> Iterator[PreparedRow]:
    if asked.params_of is None:
        yield from prepared(asked.rows, asked.text)
        return
    for number in range(asked.rows):
        params = asked.params_of(number)
        yield PreparedRow(number, b'{"key":%d}' % number, encode_arguments(params), "output_config" in params)


class KilledError(BaseException):
    """The process ended here; no handler of the engine may see it."""


def check_home(task: OneTask, manifest: Manifest) -> None:
    """Check that every row is in the output once, in order, with its answer, and was billed once."""
    rows = task.arguments.rows
    assert [row["key"] for row in task.output()] == list(range(rows))
    assert {row["result_type"] for row in task.output()} == {"succeeded"}
    assert manifest.counts.rows == manifest.counts.succeeded == rows
    task.world.check_each_row_billed_once(rows)


@contextmanager
def before_each(client: MessageBatchClient, name: str, happens: Callable[[int], None]) -> Iterator[None]:
    """Call a function before each call of a client's method, with the number of the earlier calls."""
    method, calls = getattr(client, name), count()

    def watched(*args: Any, **kwargs: Any) -> Any:
        happens(next(calls))
        return method(*args, **kwargs)

    setattr(client, name, watched)
    try:
        yield
    finally:
        delattr(client, name)


def dies_at(number: int) -> Callable[[int], None]:
    """Return a function that kills the process before its call of this number, from 0."""

    def happens(calls: int) -> None:
        if calls == number:
            raise KilledError

    return happens


def most_in_queue(world: World) -> int:
    """Return the largest number of requests that the service held at one moment, over all batches ever made."""
    changes = []
    for batch in world.client.list():
        requests = batch.request_counts.total
        changes.append((batch.created_at, 1, requests))
        if batch.ended_at is not None:
            changes.append((batch.ended_at, 0, -requests))  # an end makes room for batches created at that moment
    queued, most = 0, 0
    for _, _, change in sorted(changes):
        queued += change
        most = max(most, queued)
    return most
