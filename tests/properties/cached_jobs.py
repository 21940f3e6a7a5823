"""Jobs that use the prompt cache, each in its arrangement, from their rows to the published output.

The engine runs in this thread against the simulator, in virtual time. Whatever it does not decide is drawn: how long a
batch takes, how many rows get no answer, which calls fail, and how late the task comes back.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from anthropic_batches_provider.batches.collection import JobCollection
from anthropic_batches_provider.batches.further_rounds import Rounds
from anthropic_batches_provider.batches.job_advance import JobAdvance
from anthropic_batches_provider.batches.ledger import JobFolder, SealRecord, UnitOfWork
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    NextLook,
    PilotRules,
    Submission,
    SubmissionBounds,
    ask_time,
    sealed_job,
)
from anthropic_batches_provider.errors import ApiError
from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.control.faults import Action, Fault
from anthropic_batches_provider.simulator.service.outcomes import OutcomeRule
from anthropic_batches_provider.simulator.service.service_settings import DEFAULT_WORKSPACE, changed_settings
from anthropic_batches_provider.simulator.service.simulated_batch import SUCCEEDED
from tests.properties.cache_arrangements import HOUR, MINUTE, Arrangement, prepared_rows
from tests.properties.cache_oracle import Sent, World
from tests.properties.spending_moments import Moments, Objects, Store, Surprise
from tests.worlds.direct_service import DirectService
from tests.worlds.simulated_world import SimulatedClock

START = 1_800_000_000
MOST_STINTS = 3_000
MOMENTS_OF_A_STINT = 80
LONGEST_PAUSE = 600.0  # after a refusal that asks for none
LOST_ANSWERS: tuple[Action, ...] = ("drop_before_commit", "drop_after_commit", "late_commit")
UNIT = UnitOfWork(dag_id="dag", task_id="task", unit="unit")


@dataclass
class Trace:
    """What the world did to the task, in seconds of the simulator's clock.

    :ivar at_work: when the task began a stint in which the service answered.
    :ivar troubled: from when to when a create call was refused, its answer was lost, or no call was answered.
    :ivar frozen: from when to when the worker stopped.
    :ivar late: when batches were created whose call came long before.
    """

    at_work: list[float] = field(default_factory=list)
    troubled: list[tuple[float, float]] = field(default_factory=list)
    frozen: list[tuple[float, float]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


class UnsteadyService(DirectService):
    """The service, whose batches take as long as is drawn, and some of whose create calls fail."""

    def __init__(self, simulator: Simulator, asked: Arrangement, draw: random.Random, trace: Trace) -> None:
        super().__init__(simulator)
        self._asked = asked
        self._draw = draw
        self._trace = trace

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        simulator, body = self._simulator, b"".join(content)
        simulator.clock.advance(self._draw.uniform(1, 10))  # the upload
        takes = self._takes(body.count(b'"custom_id"'))
        simulator.settings = changed_settings(simulator.settings, {"batch_duration": takes})
        if self._draw.random() < self._asked.refused:
            self._refuse_this_call()
        elif self._draw.random() < self._asked.lost:
            self._lose_its_answer()
        return super().create([body], content_length=content_length, betas=betas)

    def _refuse_this_call(self) -> None:
        seconds = self._draw.choice((20.0, 600.0, 3600.0))
        self._trouble(Fault(action="status", operation="create", status=429, retry_after=seconds), seconds)

    def _lose_its_answer(self) -> None:
        """Lose the answer of the next create call; it takes almost half an hour until that is settled."""
        action = self._draw.choice(LOST_ANSWERS)
        seconds = self._draw.uniform(5, 590) if action == "late_commit" else None
        if seconds is not None:
            self._trace.late.append(self._simulator.clock.now() + seconds)
        self._trouble(Fault(action=action, operation="create", seconds=seconds), HOUR)

    def _trouble(self, fault: Fault, seconds: float) -> None:
        now = self._simulator.clock.now()
        self._trace.troubled.append((now, now + max(seconds, LONGEST_PAUSE)))
        self._simulator.faults.add(fault)

    def _takes(self, requests: int) -> float:
        asked, draw = self._asked, self._draw
        if draw.random() < asked.expiring:
            return draw.uniform(25 * HOUR, 60 * HOUR)
        if requests == 1 and draw.random() < asked.slow_primers:
            return draw.uniform(HOUR, 6 * HOUR)
        shortest, longest = asked.primer_takes if requests == 1 else asked.shard_takes
        return math.exp(draw.uniform(math.log(shortest), math.log(longest)))


class CachedJob:
    """A job that uses the prompt cache, and the task that brings it home.

    :param folder: an empty local folder.
    """

    def __init__(self, asked: Arrangement, folder: Path) -> None:
        self.asked = asked
        self._trace = Trace()
        self._draw = random.Random(f"world {asked.seed}")
        self.simulator = Simulator(clock=ManualClock(start=START, speed=0), seed=asked.seed)
        self._service = UnsteadyService(self.simulator, asked, self._draw, self._trace)
        self._clock = SimulatedClock(self.simulator.clock)
        self._jobs, self._output = Objects("memory://storage"), Objects("memory://output")
        self._folder = folder
        self._stints = count()
        self._unanswered_since = 0.0
        self._set_outcomes()

    def _set_outcomes(self) -> None:
        asked = self.asked
        wrong: dict[str, Any] = {"result": "errored", "error_type": "overloaded_error"}
        if asked.failing_first:
            self.simulator.rules.add(OutcomeRule(**wrong, times=asked.failing_first))
        if asked.failing:
            self.simulator.rules.add(OutcomeRule(**wrong, share=asked.failing))

    def bring_home(self) -> Manifest:
        """Run the task, as often as it must come back, until its output is published; then let all batches end."""
        with mock.patch("secrets.token_hex", lambda size=16: self._draw.randbytes(size).hex()):  # the same in each run
            manifest = self._bring_home()
        self._pass(100 * HOUR)
        return manifest

    def _bring_home(self) -> Manifest:
        for _ in range(MOST_STINTS):
            try:
                outcome = self._stint()
            except ApiError:
                self._pass(self._draw.uniform(5 * MINUTE, 2 * HOUR))
                continue
            if isinstance(outcome, Manifest):
                return outcome
            self._wait(outcome)
        raise AssertionError(f"the job does not end: {self.asked}")

    def _stint(self) -> Manifest | NextLook:
        asked, service, clock = self.asked, self._service, self._clock
        self._begin()
        spool = self._folder / f"stint-{next(self._stints)}"
        spool.mkdir()
        moments = self._moments()
        job = self._sealed(moments, spool)
        submission = Submission(
            job, service, clock=clock, service_clock=ask_time(service, clock), bounds=SubmissionBounds(),
            max_requests_in_flight=asked.in_flight,
            pilot=PilotRules(spool_folder=spool, max_rounds=asked.max_rounds) if asked.pilot != 0 else None,
        )  # fmt: skip
        destination = Destination(storage=Store(self._output, moments), owner="owner")
        settings = CollectionSettings(spool_folder=spool / "collect", clock=clock)
        collection = JobCollection(job, service, destination, settings)
        rounds = Rounds(most=asked.max_rounds, limits=self._limits, spool_folder=spool)
        return JobAdvance(job, submission, collection, rounds, clock=clock).advance()

    def _begin(self) -> None:
        """Decide whether the service answers, and note when the task comes to work."""
        now = self.simulator.clock.now()
        self.simulator.faults.clear()
        if self._draw.random() < self.asked.outages:
            self.simulator.faults.add(Fault(action="status", operation="any", status=500, times=None))
            self._unanswered_since = self._unanswered_since or now
            return
        self._trace.at_work.append(now)
        if self._unanswered_since:
            self._trace.troubled.append((self._unanswered_since, now))
            self._unanswered_since = 0.0

    def _moments(self) -> Moments:
        surprises = {}
        if self._draw.random() < self.asked.frozen:
            seconds = self._draw.uniform(MINUTE, 3 * HOUR)
            surprises[self._draw.randrange(MOMENTS_OF_A_STINT)] = Surprise("is paused", seconds)
        return Moments(surprises, pause=self._freeze, other=lambda: None, step=lambda: None)

    def _freeze(self, seconds: float) -> None:
        now = self.simulator.clock.now()
        self._trace.frozen.append((now, now + seconds))
        self._pass(seconds)

    @property
    def _limits(self) -> ShardLimits:
        return ShardLimits(max_requests=self.asked.rows_per_shard)

    def _sealed(self, moments: Moments, spool: Path) -> JobFolder:
        asked = self.asked
        shared_blocks = int(asked.place == "shared block")
        plan = JobPlan(
            unit=UNIT, question="question", conn_id="c", run_id="r", limits=self._limits, pilot=asked.pilot,
            shared_blocks=shared_blocks, prompt_cache=PromptCache(ttl=asked.ttl, shared_blocks=shared_blocks),
        )  # fmt: skip
        return sealed_job(
            Store(self._jobs, moments), plan, read_rows=lambda: prepared_rows(asked),
            account=self._service.greet().account, service=self._service, clock=self._clock, spool_folder=spool,
            tokens=self._service,
        )  # fmt: skip

    def _wait(self, waiting: NextLook) -> None:
        """Let time pass as a deferral does: the triggerer sees an end within a minute, then a worker must be free."""
        now = self.simulator.clock.now()
        named = (self.simulator.batch(batch_id, DEFAULT_WORKSPACE) for batch_id in waiting.batch_ids)
        ends = [batch.ends_at for batch in named if not batch.has_ended(now)]
        until = max(min([waiting.until.timestamp(), *ends]), now) + self._draw.uniform(1, 100)
        if self._draw.random() < self.asked.away:
            until += self._draw.uniform(0, self.asked.longest_away)
        self._pass(until - now)

    def _pass(self, seconds: float) -> None:
        self.simulator.clock.advance(seconds)
        self.simulator.look()

    def sent(self) -> list[Sent]:
        """Return all batches in the order of their creation; all have ended."""
        shards = {shard.shard: (seal, shard) for seal in self._rounds() for shard in seal.shards}
        found = []
        for batch in self.simulator.batches():
            seal, shard = shards[int(batch.requests[0].custom_id.split("-")[1])]
            found.append(
                Sent(
                    created_at=batch.created_at, ends_at=batch.ends_at, requests=len(batch),
                    answered=batch.codes().count(SUCCEEDED), round=seal.round,
                    is_for_others=shard.is_primer or (len(batch) == 1 and shard not in seal.pilot_shards),
                )
            )  # fmt: skip
        return sorted(found, key=lambda sent: sent.created_at)

    def world(self) -> World:
        """Return what happened to the job."""
        trace, primers = self._trace, [sum(shard.requests == 1 for shard in seal.shards) for seal in self._rounds()]
        return World(
            at_work=trace.at_work, troubled=trace.troubled, frozen=trace.frozen, late=trace.late, primers=primers,
            window=self.asked.in_flight,
        )  # fmt: skip

    def _rounds(self) -> Sequence[SealRecord]:
        return JobFolder(Store(self._jobs, self._moments()), f"{UNIT.folder}/job-0001").rounds()

    def output(self, manifest: Manifest) -> list[dict[str, Any]]:
        """Return the rows of the published output."""
        lines = [line for part in manifest.parts for line in self._output.contents[part.name].splitlines()]
        return [msgspec.json.decode(line) for line in lines]
