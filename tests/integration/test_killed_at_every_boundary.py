"""The death of a process at any of its write and network boundaries costs nothing and loses nothing.

The boundaries are enumerated: a first run lists them. Then a process is killed (SIGKILL) at each of them, and a new
process completes the same job. The tests assert on the simulator's bill.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest

from anthropic_batches_provider.batches.ledger import LocalStorage
from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from anthropic_batches_provider.batches.submission import Pilot
from anthropic_batches_provider.simulator import DEFAULT_API_KEY, SimulatorControl
from tests.worlds.killed_engine import Order
from tests.worlds.mortal import Report

REPOSITORY = Path(__file__).parents[2]
BATCH_SECONDS = 900
ROWS = 7  # two shards, of four and of three
DEAD_LETTERS = "_dead_letters.jsonl"
FIRST_INTENT = "before create 00000-01-intent.json"
FIRST_LOOK = "before retrieve"  # every shard has its batch

LOST: dict[str, dict[str, Any]] = {
    "an answer is lost": {"action": "drop_after_commit"},
    "a batch appears late": {"action": "late_commit", "seconds": 500},
    "a call never arrives": {"action": "drop_before_commit"},
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, and the faults that it meets.

    :param in_flight: complete it in one task, through a window of this size; None: step by step.
    :param fault: strikes the second create call, unless it says which.
    :param overloaded: rows that fail on their first submission, and are therefore sent again.
    :param refused: rows that fail for good.
    :param dead_letters: write such rows, with their requests, beside the output.
    :param batches: how many batches there must be at the end.
    :param rows_per_shard: how many rows a shard has at most.
    :param pilot: how many rows go first.
    :param silent_pilots: how many pilots meet an overload in every row, so that they are sent again.
    :param prompt_cache: how long an entry of the prompt cache is to live; None for none.
    :param pause: seconds in which nobody works on the job, after the first wait of each process.
    :param written: how often the shared prefix is written to the cache if no process dies.
    """

    rows: int = ROWS
    in_flight: int | None = None
    fault: dict[str, Any] | None = None
    overloaded: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    dead_letters: bool = False
    batches: int = 2
    rows_per_shard: int = 4
    pilot: Pilot = 0
    silent_pilots: int = 0
    prompt_cache: CacheTtl | None = None
    pause: float = 0.0
    written: int = 0

    @property
    def rows_of_first_pilot(self) -> int:
        """How many rows the pilot that goes first has."""
        return 1 if self.prompt_cache or self.pilot == "auto" else self.pilot


class Engine:
    """The process that is forked for each run."""

    def __init__(self, orders: IO[str], reports: IO[str]) -> None:
        self._orders = orders
        self._reports = reports

    def run(self, folder: Path, job: Job, kill_at: int | None = None) -> Report:
        order = Order(
            folder=str(folder),
            rows=job.rows,
            kill_at=kill_at,
            in_flight=job.in_flight,
            dead_letters=job.dead_letters,
            rows_per_shard=job.rows_per_shard,
            pilot=job.pilot,
            prompt_cache=job.prompt_cache,
            pause=job.pause,
        )
        self._orders.write(msgspec.json.encode(order).decode() + "\n")
        self._orders.flush()
        return msgspec.json.decode(self._reports.readline(), type=Report)


@pytest.fixture(scope="module")
def control() -> Iterator[SimulatorControl]:
    options = ["--speed", "0", "--set", f"batch_duration={BATCH_SECONDS}"]
    with _started("anthropic_batches_provider.simulator", *options) as simulator:
        assert simulator.stdout is not None
        yield SimulatorControl(simulator.stdout.readline().strip())
        simulator.terminate()


@pytest.fixture(scope="module")
def engine(control: SimulatorControl) -> Iterator[Engine]:
    with _started("tests.worlds.killed_engine", control.base_url, DEFAULT_API_KEY) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Engine(process.stdin, process.stdout)
        process.stdin.close()


def _started(module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_job_whose_process_is_killed_at_any_boundary_is_finished_by_the_next_process(
    engine: Engine, control: SimulatorControl, tmp_path: Path
) -> None:
    trial = Trial(engine, control, tmp_path, Job())
    path = trial.whole_path()
    assert len(path) > 80, "the path has become so short that something is no longer seen"
    trial.kill_at_each(range(len(path)))


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_process_that_is_killed_while_it_submits_and_an_answer_is_lost_too_costs_nothing(
    engine: Engine, control: SimulatorControl, tmp_path: Path, fault: dict[str, Any]
) -> None:
    trial = Trial(engine, control, tmp_path, Job(fault=fault))
    path = trial.whole_path()
    trial.kill_at_each(range(path.index(FIRST_INTENT), path.index(FIRST_LOOK)))


def test_of_two_shards_of_equal_size_in_doubt_each_finds_its_own_batch(
    engine: Engine, control: SimulatorControl, tmp_path: Path
) -> None:
    trial = Trial(engine, control, tmp_path, Job(rows=8, fault=LOST["an answer is lost"]))
    trial.kill_at_each([trial.whole_path().index("before the body")])


IN_ONE_TASK = Job(rows=10, in_flight=4, overloaded=(1, 9), batches=3 + 1)


def test_a_job_in_one_task_goes_on_through_its_window_and_its_rounds_wherever_a_process_was_killed(
    engine: Engine, control: SimulatorControl, tmp_path: Path
) -> None:
    trial = Trial(engine, control, tmp_path, IN_ONE_TASK)
    path = trial.whole_path()
    assert len(path) > 200, "the path has become so short that something is no longer seen"
    trial.kill_at_each(sampled(path))


@pytest.mark.parametrize(
    "job",
    [
        replace(IN_ONE_TASK, dead_letters=True, refused=(5,)),
        replace(IN_ONE_TASK, dead_letters=True),
        Job(dead_letters=True, refused=(2, 6)),
    ],
    ids=["some stay", "the last round empties them", "step by step"],
)
def test_dead_letters_are_those_of_the_manifest_wherever_a_process_was_killed_around_them(
    engine: Engine, control: SimulatorControl, tmp_path: Path, job: Job
) -> None:
    trial = Trial(engine, control, tmp_path, job)
    path = trial.whole_path()
    around = {DEAD_LETTERS, "_manifest.json"}
    numbers = [number for number, name in enumerate(path) if any(each in name for each in around)]
    assert any(DEAD_LETTERS in path[number] for number in numbers)
    trial.kill_at_each(sorted({near for number in numbers for near in (number, number + 1) if near < len(path)}))


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_job_in_one_task_loses_nothing_if_an_answer_is_lost_too(
    engine: Engine, control: SimulatorControl, tmp_path: Path, fault: dict[str, Any]
) -> None:
    trial = Trial(engine, control, tmp_path, replace(IN_ONE_TASK, fault=fault))
    trial.kill_at_each(range(0, len(trial.whole_path()), 12))


@pytest.mark.long
@pytest.mark.timeout(0)
def test_a_job_in_one_task_goes_on_from_every_single_boundary(
    engine: Engine, control: SimulatorControl, tmp_path: Path
) -> None:
    trial = Trial(engine, control, tmp_path, IN_ONE_TASK)
    trial.kill_at_each(range(len(trial.whole_path())))


PILOTS = {
    "in one task": Job(rows=10, in_flight=100, batches=3 + 1, pilot=2),
    "step by step": Job(rows=10, batches=3 + 1, pilot=2),
    "that is sent again, in one task": Job(rows=10, in_flight=100, batches=3 + 2, pilot=2, silent_pilots=1),
    "that is sent again, step by step": Job(rows=10, batches=3 + 2, pilot=2, silent_pilots=1),
}


@pytest.mark.parametrize("job", PILOTS.values(), ids=PILOTS)
def test_a_job_with_a_pilot_goes_on_wherever_a_process_was_killed(
    engine: Engine, control: SimulatorControl, tmp_path: Path, job: Job
) -> None:
    trial = Trial(engine, control, tmp_path, job)
    path = trial.whole_path()
    assert sum("pilot-0" in name for name in path) >= 1 + job.silent_pilots
    trial.kill_at_each(sampled(path))


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_job_with_a_pilot_loses_nothing_if_an_answer_is_lost_too(
    engine: Engine, control: SimulatorControl, tmp_path: Path, fault: dict[str, Any]
) -> None:
    job = replace(PILOTS["that is sent again, in one task"], fault={**fault, "nth": 1})
    trial = Trial(engine, control, tmp_path, job)
    trial.kill_at_each(range(0, len(trial.whole_path()), 25))


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("job", PILOTS.values(), ids=PILOTS)
def test_a_job_with_a_pilot_goes_on_from_every_single_boundary(
    engine: Engine, control: SimulatorControl, tmp_path: Path, job: Job
) -> None:
    trial = Trial(engine, control, tmp_path, job)
    trial.kill_at_each(range(len(trial.whole_path())))


PRIMED = Job(rows=14, rows_per_shard=6, prompt_cache="1h", pilot="auto", batches=3 + 3 + 2, written=1)
PRIMED_WITH_A_ROUND = replace(PRIMED, in_flight=100, overloaded=(0, 6), batches=PRIMED.batches + 2)
"""The first row of a shard is never its primer."""
HOURS = 3 * 3600.0
PRIMERS = {
    "in one task": PRIMED_WITH_A_ROUND,
    "in one task, through a window": replace(PRIMED_WITH_A_ROUND, in_flight=6),
    "step by step": PRIMED,
    "while the entry is dead, in one task": replace(PRIMED_WITH_A_ROUND, pause=HOURS, written=2),
    "while the entry is dead, step by step": replace(PRIMED, pause=HOURS, written=2),
    "with a pilot besides, in one task": replace(PRIMED_WITH_A_ROUND, pilot=2, batches=PRIMED.batches + 1 + 2),
    "with a pilot besides, while the entry is dead, step by step": replace(
        PRIMED, pilot=2, batches=PRIMED.batches + 1, pause=HOURS, written=2
    ),
    "of which the first is sent again, in one task": replace(
        PRIMED_WITH_A_ROUND, batches=PRIMED.batches + 1 + 2, silent_pilots=1
    ),
    "of which the first is sent again, step by step": replace(PRIMED, batches=PRIMED.batches + 1, silent_pilots=1),
}


@pytest.mark.parametrize("name", PRIMERS)
def test_a_job_with_primers_goes_on_wherever_a_process_was_killed(
    engine: Engine, control: SimulatorControl, tmp_path: Path, name: str
) -> None:
    job = PRIMERS[name]
    trial = Trial(engine, control, tmp_path, job)
    path = trial.whole_path()
    check_cache(control, job)
    assert path.count("before the body") == job.batches
    kinds = sampled(path, every=len(path)) if name == "while the entry is dead, in one task" else []
    trial.kill_at_each(sorted({*kinds, *range(0, len(path), 35)}))


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_job_with_primers_loses_nothing_if_an_answer_is_lost_too(
    engine: Engine, control: SimulatorControl, tmp_path: Path, fault: dict[str, Any], nth: int
) -> None:
    job = replace(PRIMERS["while the entry is dead, in one task"], fault={**fault, "nth": nth})
    trial = Trial(engine, control, tmp_path, job)
    trial.kill_at_each(range(0, len(trial.whole_path()), 50))


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("job", PRIMERS.values(), ids=PRIMERS)
def test_a_job_with_primers_goes_on_from_every_single_boundary(
    engine: Engine, control: SimulatorControl, tmp_path: Path, job: Job
) -> None:
    trial = Trial(engine, control, tmp_path, job)
    trial.kill_at_each(range(len(trial.whole_path())))


def check_cache(control: SimulatorControl, job: Job) -> None:
    """Check how often the prefix was written: once for each time that the entry had died, and read by all others."""
    bill = control.billing()
    written, read = bill.tokens.cache_creation_input_tokens, bill.tokens.cache_read_input_tokens
    prefix = (written + read) / bill.rows_billed
    assert (written / prefix, read / prefix) == (job.written, job.rows - job.written)


def sampled(path: Sequence[str], every: int = 10) -> list[int]:
    """Return the last boundary of each kind, such as "before an intent", and every so manieth of all."""
    last = {re.sub(r"\d+", "0", name): number for number, name in enumerate(path)}
    return sorted({*range(0, len(path), every), *last.values()})


class Trial:
    """Runs new jobs, each in a process that is killed and then in another one, and checks the outcome."""

    def __init__(self, engine: Engine, control: SimulatorControl, folder: Path, job: Job) -> None:
        self._engine = engine
        self._control = control
        self._folder = folder
        self._job = job
        self._path: list[str] = []

    def whole_path(self) -> list[str]:
        """Run a job without a kill and return the boundaries on its way."""
        self._path = self._tried(self._folder / "whole", kill_at=None)
        return self._path

    def kill_at_each(self, numbers: Iterable[int]) -> None:
        """Kill a process at each of these boundaries of the path."""
        for number in numbers:
            try:
                reached = self._tried(self._folder / str(number), kill_at=number)
            except AssertionError as error:
                error.add_note(f"The process was killed at boundary {number}, {self._path[number]}.")
                raise
            assert reached == self._path[: number + 1], "every run must take the same path"

    def _tried(self, folder: Path, *, kill_at: int | None) -> list[str]:
        job = self._job
        self._control.reset()
        if job.fault is not None:
            self._control.add_fault("create", **{"nth": 2, **job.fault})
        for row in job.overloaded:
            self._control.add_outcome("errored", text_matches=f"row {row}$", error_type="overloaded_error", times=1)
        for row in job.refused:
            self._control.add_outcome("errored", text_matches=f"row {row}$", error_type="invalid_request_error")
        if job.silent_pilots:
            times = job.silent_pilots * job.rows_of_first_pilot
            self._control.add_outcome("errored", error_type="overloaded_error", times=times)
        first = self._engine.run(folder, job, kill_at)
        assert (first.error, first.killed) == (None, kill_at is not None)
        if first.killed:
            check_nothing_is_half_written(folder)
            self._let_the_last_post_arrive()
            second = self._engine.run(folder, job)
            assert (second.error, second.killed) == (None, False)
        self._check_bill(first)
        check_output(folder, job)
        return first.boundaries

    def _let_the_last_post_arrive(self) -> None:
        """Wait for the last POST before the kill: it takes real time, and the next process lives in virtual time."""
        for _ in range(20):
            creates = self._control.received().creates
            if not creates or creates[-1].batch_id or creates[-1].fault:
                return
            time.sleep(0.01)

    def _check_bill(self, first: Report) -> None:
        """Check that each row is billed once, and that an extra POST replaces one that made no batch."""
        billing, received = self._control.billing(), self._control.received()
        rows = self._job.rows - len(self._job.refused)
        assert (billing.rows_billed, billing.max_times_billed, billing.distinct_contents) == (rows, 1, rows)
        assert received.batches_created == self._job.batches
        died_in_a_post = first.killed and first.boundaries[-1] in ("before the body", "after the body")
        assert len(received.creates) - received.batches_created <= died_in_a_post + (self._job.fault is not None)


def check_nothing_is_half_written(folder: Path) -> None:
    """Check that every file with its final name is complete, no matter where the process died."""
    for path in folder.glob("[so]*/**/*.json*"):
        if not path.name.startswith("."):
            content = path.read_bytes()
            for part in content.splitlines() if path.suffix == ".jsonl" else [content]:
                json.loads(part)


def check_output(folder: Path, job: Job) -> None:
    """Check that every row is there once, in the manifest's order, and each that failed for good a dead letter."""
    rows = job.rows
    output = LocalStorage(folder / "output")
    manifest = json.loads(output.read("_manifest.json"))
    lines = [json.loads(line) for part in manifest["parts"] for line in output.read(part["name"]).splitlines()]
    assert [line["key"] for line in lines] == list(range(rows))
    assert [line["key"] for line in lines if line["result_type"] != "succeeded"] == list(job.refused)
    letters = manifest["dead_letters"]
    assert (0 if letters is None else letters["rows"]) == len(job.refused)
    assert (DEAD_LETTERS in output.list("")) == bool(job.refused)
    kept = output.read(DEAD_LETTERS).splitlines() if job.refused else []
    assert [json.loads(line)["custom_id"] for line in kept] == list(job.refused)
    assert len({line["custom_id"] for line in lines}) == rows
