"""Real processes submit one unit at once, are killed and stopped at random, and lose answers: nothing is paid twice.

Two or three attempts begin within a moment. Some are killed (SIGKILL), some stopped for a while (SIGSTOP), and a new
one begins in place of one that died. That is how the worst fault of this protocol was found. The bounds assume that no
process is stopped for longer than they say between its last look at the clock and its write; where one was, the times
in the ledger and at the service tell.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.ledger import LocalStorage, ShardState, UnitOfWork, Void, jobs_of
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.submission.settler import settles_at
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.server import SimulatorServer
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch
from tests.worlds.hasty_attempt import PROCESSES, Order, submit

ROWS = 5  # two shards
AT_ONCE = 4  # units
MOST_STRIKES = 10  # at a unit; then its attempts are left alone, however long they take
FAULTS = (
    ("drop_after_commit", {"probability": 0.15}),
    ("drop_before_commit", {"probability": 0.1}),
    ("late_commit", {"probability": 0.05, "seconds": 0.7}),
    ("status", {"probability": 0.1, "status": 529}),
    ("status_after_commit", {"probability": 0.05, "status": 500}),
    ("status", {"probability": 0.05, "status": 429}),
)


pytestmark = pytest.mark.timeout(600)  # a machine may be slow; then the attempts only take longer


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(Simulator()) as server:
        server.control.change_settings(batch_duration=0)
        for action, options in FAULTS:
            server.control.add_fault("create", action, **options)
        yield server


@dataclass(frozen=True)
class Run:
    """One unit, and the attempts at it."""

    server: SimulatorServer
    folder: Path
    number: int

    def __call__(self) -> None:
        """Run attempts until one of them has submitted everything."""
        chance = random.Random(self.number)
        strikes = 0
        attempts = [self._begin(chance) for _ in range(chance.choice((2, 3)))]
        try:
            while all(attempt.exitcode != 0 for attempt in attempts):
                time.sleep(chance.uniform(0.01, 0.3))
                strikes += 1
                if strikes <= MOST_STRIKES or not any(attempt.is_alive() for attempt in attempts):
                    self._strike(attempts, chance)
        finally:
            for attempt in attempts:
                attempt.kill()
                attempt.join()

    @property
    def unit(self) -> str:
        return f"unit {self.number}"

    def _begin(self, chance: random.Random) -> ForkServerProcess:
        time.sleep(chance.uniform(0, 0.03))
        scratch = self.folder / "scratch" / f"{self.number}-{chance.getrandbits(40):x}"
        order = Order(
            storage=str(self.folder / "storage"), scratch=str(scratch), base_url=self.server.base_url,
            api_key=self.server.api_key, unit=self.unit, rows=ROWS, seed=chance.getrandbits(32),
        )  # fmt: skip
        attempt = PROCESSES.Process(target=submit, args=(order,))
        attempt.start()
        return attempt

    def _strike(self, attempts: list[ForkServerProcess], chance: random.Random) -> None:
        """Kill an attempt and begin another, or stop one for a while, or do nothing."""
        living = [attempt for attempt in attempts if attempt.is_alive()]
        if not living:
            attempts.append(self._begin(chance))
            return
        attempt, blow = chance.choice(living), chance.random()
        if blow < 0.2:
            attempt.kill()
            attempts.append(self._begin(chance))
        elif blow < 0.5 and attempt.pid is not None:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(attempt.pid, signal.SIGSTOP)
                time.sleep(chance.choice((0.05, 0.3, 1.0)))
                os.kill(attempt.pid, signal.SIGCONT)


def run(server: SimulatorServer, folder: Path, numbers: Sequence[int]) -> int:
    """Run so many units, and check each; return how many shards were paid twice because a process stood still."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(Run(server, folder, number)) for number in numbers]:
            done.result()
    server.control.end_batches()
    made: dict[str, list[MessageBatch]] = {}
    for batch in server.simulator.batches():
        made.setdefault(batch.requests[0].custom_id.rpartition("-")[0], []).append(batch)
    stood_still = 0
    for number in numbers:
        (job,) = jobs_of(LocalStorage(folder / "storage"), unit_folder(number)).jobs
        for state in job.shards():
            assert state.batch is not None
            assert state.open_intent is None
            batches = made[f"{job.description().nonce}-{state.shard.shard}"]
            unread = [batch for batch in batches if batch.id != state.batch.batch_id]
            assert len(unread) < len(batches), "the ledger names a batch of the shard"
            faults = [batch.id for batch in unread if not came_too_late(batch, state)]
            assert not faults, f"paid twice: {faults} of {job.uri}; the service received {received(server)}"
            stood_still += bool(unread)
    return stood_still


def came_too_late(batch: MessageBatch, state: ShardState) -> bool:
    """Return whether a batch was made after the bounds of every call of its shard that was declared void."""
    concluded = [(attempt.intent, attempt.outcome.outcome) for attempt in state.attempts if attempt.outcome]
    voids = [intent for intent, outcome in concluded if isinstance(outcome, Void)]
    before = [intent for intent in voids if moment(intent.at).timestamp() <= batch.created_at]
    return bool(before) and all(settles_at(intent).timestamp() < batch.created_at for intent in before)


def unit_folder(number: int) -> str:
    return UnitOfWork(dag_id="dag", task_id="task", unit=f"unit {number}").folder


def received(server: SimulatorServer) -> list[str]:
    return [f"{call.at:.1f} {call.fault or ''} {call.batch_id or ''}" for call in server.control.received().creates]


@pytest.mark.parametrize("first", range(0, 20, AT_ONCE))
def test_whatever_strikes_real_processes_nothing_is_paid_twice(
    server: SimulatorServer, tmp_path: Path, first: int
) -> None:
    run(server, tmp_path, range(first, first + AT_ONCE))


@pytest.mark.long
@pytest.mark.timeout(0)
def test_nor_in_a_thousand_runs(server: SimulatorServer, tmp_path: Path) -> None:
    for first in range(0, 1000, 100):
        run(server, tmp_path, range(first, first + 100))
