"""A job whose world is quiet: from its rows to the published output, in this thread and in the simulator's time.

Batches take ten minutes, and the task comes back as soon as one has ended. Rows may fail as the simulator's rules say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from unittest import mock

from anthropic_batches_provider.batches.collection import JobCollection
from anthropic_batches_provider.batches.further_rounds import Rounds
from anthropic_batches_provider.batches.job_advance import JobAdvance
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, PilotRecord, UnitOfWork, sent_pilots
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.prompt_cache import PromptCache
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
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.service.service_settings import DEFAULT_WORKSPACE, changed_settings
from tests.worlds.direct_service import DirectService
from tests.worlds.simulated_world import SimulatedClock

BATCH_SECONDS = 600.0
UNIT = UnitOfWork(dag_id="dag", task_id="task", unit="unit")
_MOST_STINTS = 500


@dataclass(frozen=True, kw_only=True)
class JobShape:
    """How a job is cut and sent.

    :param cache: how its requests use the prompt cache; None for not at all.
    """

    rows_per_shard: int = 100_000
    pilot: Pilot = 0
    max_rounds: int = 3
    cache: PromptCache | None = None


class QuietJob:
    """A job, and the task that completes it.

    :param folder: an empty local folder, for the job folder and the output.
    :param seed: of the job's nonces.
    """

    def __init__(
        self,
        simulator: Simulator,
        read_rows: Callable[[], Iterable[PreparedRow]],
        folder: Path,
        *,
        shape: JobShape,
        seed: int = 0,
    ) -> None:
        self.simulator = simulator
        self.service = DirectService(simulator)
        self._read_rows = read_rows
        self._folder = folder
        self._shape = shape
        self._draw = random.Random(f"nonces {seed}")
        self._clock = SimulatedClock(simulator.clock)
        self._storage = LocalStorage(folder / "storage")
        self._spools = count()
        self._job: JobFolder | None = None

    def run(self) -> Manifest:
        """Run the task as often as it must come back, and return the manifest of its output."""
        settings = self.simulator.settings
        self.simulator.settings = changed_settings(settings, {"batch_duration": BATCH_SECONDS})
        with mock.patch("secrets.token_hex", lambda size=16: self._draw.randbytes(size).hex()):  # the same in each run
            for _ in range(_MOST_STINTS):
                outcome = self._stint()
                if isinstance(outcome, Manifest):
                    return outcome
                self._wait(outcome)
        raise AssertionError("the job does not end")

    def pilot(self) -> PilotRecord:
        """Return what the job's pilot has shown."""
        assert self._job is not None, "the job did not run"
        pilots = [pilot for pilot in sent_pilots(self._job.rounds()) if not pilot.is_primer]
        found = self._job.pilot(pilots[-1])
        assert found is not None, "the pilot was not judged"
        return found

    def _stint(self) -> Manifest | NextLook:
        shape, service, clock = self._shape, self.service, self._clock
        spool = self._folder / f"spool-{next(self._spools)}"
        spool.mkdir(parents=True)
        limits = ShardLimits(max_requests=shape.rows_per_shard)
        plan = JobPlan(
            unit=UNIT, question="question", conn_id="c", run_id="r", limits=limits, pilot=shape.pilot,
            shared_blocks=shape.cache.shared_blocks if shape.cache else 0, prompt_cache=shape.cache,
        )  # fmt: skip
        self._job = sealed_job(
            self._storage, plan, read_rows=self._read_rows, account=service.greet().account, service=service,
            clock=clock, spool_folder=spool, tokens=service,
        )  # fmt: skip
        submission = Submission(
            self._job, service, clock=clock, service_clock=ask_time(service, clock), bounds=SubmissionBounds(),
            pilot=PilotRules(spool_folder=spool, max_rounds=shape.max_rounds) if shape.pilot != 0 else None,
        )  # fmt: skip
        destination = Destination(storage=LocalStorage(self._folder / "output"), owner="owner")
        settings = CollectionSettings(spool_folder=spool / "collect", clock=clock)
        collection = JobCollection(self._job, service, destination, settings)
        rounds = Rounds(most=shape.max_rounds, limits=limits, spool_folder=spool)
        return JobAdvance(self._job, submission, collection, rounds, clock=clock).advance()

    def _wait(self, waiting: NextLook) -> None:
        now = self.simulator.clock.now()
        named = (self.simulator.batch(batch_id, DEFAULT_WORKSPACE) for batch_id in waiting.batch_ids)
        ends = [batch.ends_at for batch in named if not batch.has_ended(now)]
        self.simulator.clock.advance(max(min([waiting.until.timestamp(), *ends]) - now, 0) + 1)
        self.simulator.look()
