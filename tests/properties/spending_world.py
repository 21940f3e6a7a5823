"""A world in which everything that can fail does fail: for tests that check the engine's rules of spending.

Attempts are processes of a task. At every moment (before each list and read, before and after each write, each call to
the service and the body of a create call) an attempt may die, pause, meet another attempt, or find that the store
fails, whether a write took place or not. The service is the simulator, called over HTTP or directly; only the test
moves its clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec
import pendulum

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.client import (
    ClientSettings,
    Greeting,
    MessageBatchClient,
)
from anthropic_batches_provider.batches.collection import (
    JobCollection,
    collect_job,
)
from anthropic_batches_provider.batches.further_rounds import Rounds
from anthropic_batches_provider.batches.job_advance import JobAdvance
from anthropic_batches_provider.batches.ledger import BatchRecord, JobFolder, UnitOfWork, jobs_of
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import MANIFEST_NAME, Destination
from anthropic_batches_provider.batches.output.manifest import Manifest, decode_manifest
from anthropic_batches_provider.batches.prompt_cache import CacheTtl, PromptCache
from anthropic_batches_provider.batches.repairs import Repair
from anthropic_batches_provider.batches.results.decode import decode_custom_id
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.service import SubmissionService
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
from anthropic_batches_provider.errors import ApiConnectionError, ApiError
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.properties.spending_moments import Moments, Objects, Store, Surprise

LIMITS = ShardLimits(max_requests=3)
IN_FLIGHT = 4
ROOM_OF_REPAIRS = 64
MOST_ROUNDS = 3
BOUNDS = SubmissionBounds()


class Clock:
    """The clock of one worker: the simulator's time plus the error of the worker's clock."""

    def __init__(self, server: SimulatorServer, wrong_by: float = 0.0) -> None:
        self._clock = server.simulator.clock  # only the test's thread changes this number
        self._wrong_by = wrong_by

    def now(self) -> pendulum.DateTime:
        return pendulum.from_timestamp(self._clock.now() + self._wrong_by)

    def set_forward(self, seconds: float) -> None:
        self._wrong_by += seconds

    def steady(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.advance(max(seconds, 0))


class Service:
    """One attempt's access to the service."""

    def __init__(self, world: World, moments: Moments) -> None:
        self._world = world
        self._client = world.client
        self._moments = moments

    def greet(self) -> Greeting:
        self._moments.come()
        return self._client.greet()

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        with self._call():
            if self._world.doubles:
                self._world.doubles -= 1
                self._world.post_twice(b"".join(self._body(content)))
            return self._client.create(self._body(content), content_length=content_length, betas=betas)

    def retrieve(self, batch_id: str) -> MessageBatch:
        with self._call():
            return self._client.retrieve(batch_id)

    def cancel(self, batch_id: str) -> MessageBatch:
        with self._call():
            self._world.canceled.add(batch_id)
            return self._client.cancel(batch_id)

    def list(self) -> Iterator[MessageBatch]:
        with self._call():
            yield from self._client.list()

    @contextmanager
    def results(self, batch_id: str) -> Iterator[Iterator[bytes]]:
        with self._call(), self._client.results(batch_id) as chunks:
            yield chunks

    @contextmanager
    def _call(self) -> Iterator[None]:
        self._moments.come()
        yield
        self._moments.come()

    def _body(self, content: Iterable[bytes]) -> Iterator[bytes]:
        self._moments.come()
        yield from content


class World:
    """A service, a store and destinations; each unit of work has a name and a number of rows.

    :param client: calls the server's simulator.
    :param spools: an empty local folder, for a folder of each attempt.
    :param pilot: how many rows of each unit go first.
    :param prompt_cache: how long an entry of the prompt cache is to live; None for none.
    :ivar doubles: how many of the next create calls a broken network delivers twice, with both answers lost.
    :ivar pause_between_doubles: seconds after each of the two.
    :ivar pause_after_greeting: seconds that reading and sealing the rows takes.
    :ivar doubled: beginnings of the custom_ids that were delivered twice.
    :ivar canceled: batches that the engine tried to cancel.
    :ivar foreign: batches of other programs.
    :ivar changed: units whose source has other rows now.
    :ivar pilots: by unit, how many of its rows its author wants to go first now.
    :ivar versions: by unit, how often its author has changed the question and the rows, and asked for a restart.
    :ivar brought_home: units on which a task has worked from the rows to the output, with further rounds.
    """

    def __init__(
        self,
        server: SimulatorServer,
        client: SubmissionService,
        spools: Path,
        rows: Mapping[str, int],
        *,
        limits: ShardLimits = LIMITS,
        in_flight: int = IN_FLIGHT,
        pilot: Pilot = 0,
        prompt_cache: CacheTtl | None = None,
    ):
        self.server = server
        self.limits = limits
        self.in_flight = in_flight
        self.control = server.control
        self.client = client
        self.rows = rows
        self._spools = spools
        self._spool_number = count()
        self.store = Objects("memory://storage")
        self._outputs = {unit: Objects(f"memory://output/{unit}") for unit in rows}
        self.doubles = 0
        self.doubled: set[str] = set()
        self.pause_between_doubles = 0.0
        self.pause_after_greeting = 0.0
        self.canceled: set[str] = set()
        self.foreign: set[str] = set()
        self.changed: set[str] = set()
        self.versions = dict.fromkeys(rows, 0)
        self.pilots: dict[str, Pilot] = dict.fromkeys(rows, pilot)
        self.prompt_cache = None if prompt_cache is None else PromptCache(ttl=prompt_cache)
        self.brought_home: set[str] = set()
        self.control.reset()

    def moments(
        self,
        surprises: Mapping[int, Surprise] | None = None,
        other: Callable[[], None] = lambda: None,
        step: Callable[[], None] = lambda: None,
    ) -> Moments:
        return Moments(surprises or {}, pause=self.pass_time, other=other, step=step)

    def pass_time(self, seconds: float) -> None:
        self.server.simulator.clock.advance(seconds)

    def now(self) -> pendulum.DateTime:
        return Clock(self.server).now()

    def work(self, unit: str) -> UnitOfWork:
        return UnitOfWork(dag_id="dag", task_id="task", unit=unit)

    def attempt(
        self, unit: str, moments: Moments, *, wrong_by: float = 0.0, version: int | None = None
    ) -> tuple[JobFolder, list[BatchRecord] | NextLook]:
        """Advance a unit's job, as a submitting task does each time it runs.

        :param version: of the question and the rows; default: the unit's latest. A later one asks for a restart.
        """
        clock, service = self._clock(moments, wrong_by), Service(self, moments)
        job = self._sealed(unit, moments, service, clock, version)
        return job, self._submission(unit, job, service, clock).advance()

    def bring_home(
        self, unit: str, moments: Moments, *, wrong_by: float = 0.0, version: int | None = None
    ) -> Manifest | NextLook:
        """Advance a unit's job, as the one-task operator does each time it runs."""
        self.brought_home.add(unit)
        clock, service = self._clock(moments, wrong_by), Service(self, moments)
        job = self._sealed(unit, moments, service, clock, version)
        collection = JobCollection(job, service, self._destination(unit, moments), self._settings(clock))
        repair = Repair({"truncated": {"max_tokens": ROOM_OF_REPAIRS}})
        rounds = Rounds(most=MOST_ROUNDS, limits=self.limits, spool_folder=self._spool(), repair=repair)
        return JobAdvance(job, self._submission(unit, job, service, clock), collection, rounds, clock=clock).advance()

    def collect(self, unit: str, moments: Moments) -> Manifest:
        """Write the results of a unit's latest job, as the results operator does."""
        latest = self.job(unit)
        job = JobFolder(Store(self.store, moments), latest.path if latest else f"{self.work(unit).folder}/job-0001")
        settings = self._settings(Clock(self.server))
        return collect_job(job, Service(self, moments), self._destination(unit, moments), settings)

    def _clock(self, moments: Moments, wrong_by: float) -> Clock:
        clock = Clock(self.server, wrong_by)
        moments.set_clock = clock.set_forward
        return clock

    def _sealed(
        self, unit: str, moments: Moments, service: Service, clock: Clock, version: int | None = None
    ) -> JobFolder:
        version = self.versions[unit] if version is None else version
        greeting = service.greet()
        self.pass_time(self.pause_after_greeting)
        source = f"{unit} changed" if unit in self.changed else f"{unit} {version}" if version else unit
        plan = JobPlan(
            unit=self.work(unit), question=f"question {version}", conn_id="c", run_id="r", limits=self.limits,
            on_changed_input="restart" if version else "fail", pilot=self.pilots[unit],
            prompt_cache=self.prompt_cache,
        )  # fmt: skip
        shared = self.prompt_cache is not None
        return sealed_job(
            Store(self.store, moments), plan, read_rows=lambda: prepared(source, self.rows[unit], shared=shared),
            account=greeting.account, service=service, clock=clock, spool_folder=self._spool(),
        )  # fmt: skip

    def _submission(self, unit: str, job: JobFolder, service: Service, clock: Clock) -> Submission:
        rules = PilotRules(spool_folder=self._spool(), repaired={"truncated"}, max_rounds=MOST_ROUNDS)
        return Submission(
            job, service, clock=clock, service_clock=ask_time(service, clock), bounds=BOUNDS,
            max_requests_in_flight=self.in_flight, pilot=rules if self.pilots[unit] else None,
        )  # fmt: skip

    def _destination(self, unit: str, moments: Moments) -> Destination:
        return Destination(storage=Store(self._outputs[unit], moments), owner=self.work(unit).owner)

    def _settings(self, clock: Clock) -> CollectionSettings:
        return CollectionSettings(spool_folder=self._spool(), clock=clock)

    def jobs(self, unit: str) -> tuple[JobFolder, ...]:
        """Return a unit's jobs, oldest first, as another process sees them."""
        jobs = jobs_of(Store(self.store, self.moments()), self.work(unit).folder).jobs
        assert len(jobs) <= 1 or self.versions[unit], "nobody asked for a second job"
        return jobs

    def job(self, unit: str) -> JobFolder | None:
        """Return a unit's latest job."""
        return next(reversed(self.jobs(unit)), None)

    def output_keys(self, unit: str, manifest: Manifest) -> list[int]:
        contents = self._outputs[unit].contents
        lines = [line for part in manifest.parts for line in contents[part.name].splitlines()]
        return [msgspec.json.decode(line)["key"] for line in lines]

    def output(self, unit: str) -> dict[str, bytes]:
        """Return the files in a unit's destination."""
        return dict(self._outputs[unit].contents)

    def published_keys(self, unit: str) -> list[int]:
        """Return the keys of the rows of the manifest in place: another attempt may have published since."""
        return self.output_keys(unit, decode_manifest(self._outputs[unit].contents[MANIFEST_NAME]))

    def _spool(self) -> Path:
        """Create a local folder for one attempt alone."""
        folder = self._spools / str(next(self._spool_number))
        folder.mkdir()
        return folder

    def add_foreign_batch(self, requests: int) -> None:
        """Create a batch, as another program of the same account does."""
        number = len(self.foreign)
        body = body_of(f"theirs {number}", f"theirs-{number}-", requests)
        self.foreign.add(self.client.create([body], content_length=len(body)).id)

    def post_twice(self, body: bytes) -> None:
        """Deliver a POST twice and lose both answers.

        :raises ApiConnectionError: always.
        """
        for _ in range(2):
            try:
                self.client.create([body], content_length=len(body))
            except ApiError:
                continue
            finally:
                self.pass_time(self.pause_between_doubles)
        self.doubled.add(beginning(msgspec.json.decode(body)["requests"][0]["custom_id"]))
        raise ApiConnectionError("the network lost the answer", connected=True)

    def check_that_custom_ids_name_their_rows(self) -> None:
        """Check that a row is never sent under the number of another one: the bill would count both as new."""
        for batch in self.server.simulator.batches():
            for request in batch.requests if batch.id not in self.foreign else ():
                text = msgspec.json.decode(request.params)["messages"][0]["content"]
                assert text.rpartition(" ")[2] == request.custom_id.rpartition("-")[2]

    def beginning_of_batch(self, batch_id: str) -> str:
        """Return the beginning of the custom_ids of an ended batch."""
        with self.client.results(batch_id) as chunks:
            lines = list(split_lines(chunks))
        custom_id = decode_custom_id(lines[0])
        assert custom_id is not None
        return beginning(custom_id)


def world_client(server: SimulatorServer) -> MessageBatchClient:
    settings = ClientSettings(base_url=server.base_url, api_key=server.api_key)
    return MessageBatchClient(settings, sleep=lambda seconds: None)


def beginning(custom_id: str) -> str:
    return custom_id.rpartition("-")[0]


def prepared(unit: str, rows: int, *, shared: bool = False) -> Iterator[PreparedRow]:
    for number in range(rows):
        yield PreparedRow(number, b'{"key":%d}' % number, params_of(f"{unit} {number}", shared=shared))


def params_of(text: str, *, shared: bool = False) -> bytes:
    head = b'"system":"Be brief.",' if shared else b""
    return b'{"model":"claude-haiku-4-5","max_tokens":9,%b"messages":[{"role":"user","content":"%b"}]}' % (
        head,
        text.encode(),
    )


def body_of(text: str, custom_id: str, requests: int) -> bytes:
    lines = [
        b'{"custom_id":"%b%d","params":%b}' % (custom_id.encode(), number, params_of(f"{text} {number}"))
        for number in range(requests)
    ]
    return b'{"requests":[' + b",".join(lines) + b"]}"
