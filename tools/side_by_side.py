"""Runs make targets in lanes: the targets of a lane one after the other, the lanes side by side.

Each argument is a lane: the names of its targets, with spaces between. The other lanes yield the processors to the
first, whose tests wait for a real Airflow.

Invariants: the output of a target is printed whole, when the target ends. A target that fails ends no other, and makes
the exit code 1. No process outlives this one: an interrupt ends all targets, and so does the guardian if this process
is killed.
"""

import functools
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from airflow_stack.guardian import guardian
from airflow_stack.process_table import STACK_MARK, end_all, marked

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOWER_PRIORITY = ("nice", "-n", "5")
_GRACE_SECONDS = 20  # for the tests to stop their own processes, and to remove their folders
_POLL_SECONDS = 0.1


class InterruptedBySignalError(Exception):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass(frozen=True)
class Part:
    """A target that has ended."""

    target: str
    seconds: float
    code: int

    def __str__(self) -> str:
        verdict = "ok" if self.code == 0 else f"FAILED with exit code {self.code}"
        return f"{self.target:<16} {self.seconds / 60:4.1f} min  {verdict}"


class Lane:
    """Targets that run one after the other, in process groups of their own.

    :param prefix: comes before each command, such as ``nice``.
    :param logs: the folder for the output of the targets.
    """

    def __init__(
        self, targets: Sequence[str], prefix: Sequence[str], logs: Path, environment: Mapping[str, str]
    ) -> None:
        self._waiting = list(targets)
        self._prefix = prefix
        self._logs = logs
        self._environment = environment
        self._target = ""
        self._began = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self.ended: list[Part] = []

    def advance(self) -> bool:
        """Print what has ended and start the next target; return whether there is more to do."""
        if self.process is not None:
            if (code := self.process.poll()) is None:
                return True
            self.process = None
            self.ended.append(Part(self._target, time.monotonic() - self._began, code))
            self.print_output(str(self.ended[-1]))
        if not self._waiting:
            return False
        self._target, self._began = self._waiting.pop(0), time.monotonic()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*self._prefix, "make", self._target],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return True

    def print_output(self, verdict: str) -> None:
        """Print the output of the current target, with the verdict before and after it."""
        output = self._log.read_bytes()
        print(f"==== {verdict}", flush=True)
        sys.stdout.buffer.write(output if output.endswith(b"\n") or not output else output + b"\n")
        print(f"==== {verdict}\n", flush=True)

    def interrupt(self) -> None:
        """Ask the current target to end."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGINT)

    @property
    def is_running(self) -> bool:
        """Whether a target runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def _log(self) -> Path:
        return self._logs / f"{self._target}.log"


def run(lanes: Sequence[Sequence[str]]) -> int:
    """Run the lanes to their ends; return the exit code."""
    began = time.monotonic()
    mark = secrets.token_hex(16)
    guardian().watch_mark(mark)
    environment = {**os.environ, STACK_MARK: mark}
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as logs:
        guardian().watch_folder(Path(logs))
        running = [
            Lane(targets, _LOWER_PRIORITY if number else (), Path(logs), environment)
            for number, targets in enumerate(lanes)
        ]
        try:
            while sum(lane.advance() for lane in running):
                time.sleep(_POLL_SECONDS)
        except BaseException as error:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            _end(running, mark, f"ended by {error}")
            raise
    parts = [part for lane in running for part in lane.ended]
    print(*parts, f"{'together':<16} {(time.monotonic() - began) / 60:4.1f} min", sep="\n")
    return int(any(part.code for part in parts))


def _end(lanes: Sequence[Lane], mark: str, verdict: str) -> None:
    interrupted = [lane for lane in lanes if lane.is_running]
    for lane in interrupted:
        lane.interrupt()
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(lane.is_running for lane in interrupted) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    end_all(functools.partial(marked, mark), [lane.process for lane in lanes if lane.process is not None])
    for lane in interrupted:
        lane.print_output(verdict)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise InterruptedBySignalError(number)


def main(arguments: Sequence[str]) -> int:
    """Run the lanes that the arguments name; return the exit code."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        return run([argument.split() for argument in arguments])
    except InterruptedBySignalError as error:
        return 128 + error.number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
