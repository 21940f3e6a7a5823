"""Runs a triggerer process against the simulator, ends its batches, and measures how soon it learns of each end."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec

from airflow_stack.environment import airflow_environment
from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.simulator import DEFAULT_API_KEY, SimulatorControl
from benchmarks.contestants import connections
from benchmarks.peers_environment import REPOSITORY
from benchmarks.waiting.measured import LoopUse, Measured
from benchmarks.waiting.scenario import PATIENCE_SECONDS, ends

_PROGRAM = REPOSITORY / "benchmarks" / "programs" / "waiting_triggerer.py"
_UNUSED_PORT = 9  # no API server is started
_LONGEST_SECONDS = 600
_STEP_SECONDS = 0.25  # batches whose ends are this close end in one call of the control API
_REQUEST = {"model": "claude-haiku-4-5", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
_BODY = json.dumps({"requests": [{"custom_id": "a", "params": _REQUEST}]}).encode()


@dataclass(frozen=True)
class Waited:
    """The result of a run.

    :param calls: HTTP calls that the simulator received.
    :param delays: per batch, seconds from its end by the simulator's clock to its event; ascending. Empty if no batch
        was polled.
    """

    use: LoopUse
    calls: int
    delays: Sequence[float]


class Waits:
    """Starts triggerers, one after another.

    :param python: the interpreter that has this package and both peers.
    :param home: where everything is written.
    :param control: the control API of the simulator that they poll.
    """

    def __init__(self, python: str, home: Path, control: SimulatorControl) -> None:
        self._python = python
        self._home = home
        self._control = control
        extra = {**connections(control.base_url, DEFAULT_API_KEY), "PYTHONPATH": str(REPOSITORY)}
        self._environment = airflow_environment(home / "airflow", home, _UNUSED_PORT, extra)

    def run(self, program: str, triggers: int, *, frozen: bool = False) -> Waited:
        """Let ``triggers`` triggers of ``programs/waiting_{program}.py`` wait for a batch each.

        :param frozen: whether the garbage collector skips the objects that exist when they start.
        :raises RuntimeError: the program failed, or reported the end of a batch before it had ended.
        :raises subprocess.TimeoutExpired: the program did not end in time.
        """
        folder = self._home / f"{program}-{triggers}{'-frozen' if frozen else ''}"
        folder.mkdir()
        self._control.reset()
        self._control.change_settings(batch_duration=PATIENCE_SECONDS)
        moments = ends(self._batches(triggers))
        (folder / "batches.json").write_text(json.dumps(moments))
        with self._process(program, folder, frozen=frozen) as process:
            before = self._calls()
            self._start(process, folder)
            self._end_batches(moments)
            if process.wait(_LONGEST_SECONDS):
                raise RuntimeError(_failure(program, folder))
        calls = self._calls() - before
        measured = msgspec.json.decode((folder / "measured.json").read_bytes(), type=Measured)
        delays = sorted(measured.heard[batch_id] - ended for batch_id, ended in self._ended()) if calls else []
        if delays and delays[0] < 0:
            raise RuntimeError(f"{program} reported the end of a batch {-delays[0]:.3f} s too early")
        return Waited(measured.use, calls, delays)

    def _batches(self, number: int) -> list[str]:
        with self._client() as client:
            return [client.create([_BODY], content_length=len(_BODY)).id for _ in range(number)]

    def _ended(self) -> Iterator[tuple[str, float]]:
        with self._client() as client:
            for batch in client.list():
                if batch.ended_at is None:
                    raise RuntimeError(f"{batch.id} has not ended")
                yield batch.id, batch.ended_at.timestamp()

    def _client(self) -> MessageBatchClient:
        return MessageBatchClient(ClientSettings(api_key=DEFAULT_API_KEY, base_url=self._control.base_url))

    def _calls(self) -> int:
        return sum(self._control.received().calls.values())

    @contextmanager
    def _process(self, program: str, folder: Path, *, frozen: bool) -> Iterator[subprocess.Popen[bytes]]:
        with (folder / "errors").open("wb") as errors:
            process = subprocess.Popen(
                [self._python, str(_PROGRAM), program, str(folder), *(["frozen"] if frozen else [])],
                env=self._environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        with process:
            try:
                yield process
            finally:
                process.kill()

    @staticmethod
    def _start(process: subprocess.Popen[bytes], folder: Path) -> None:
        if process.stdin is None or process.stdout is None or not process.stdout.readline():
            raise RuntimeError(_failure("the program", folder))
        process.stdin.write(b"start\n")
        process.stdin.flush()

    def _end_batches(self, moments: Mapping[str, float]) -> None:
        """End each batch at its moment, seconds from now, or up to a step earlier."""
        began = time.monotonic()
        by_moment = sorted(moments, key=moments.__getitem__)
        for step, batch_ids in groupby(by_moment, lambda batch_id: moments[batch_id] // _STEP_SECONDS):
            time.sleep(max(0.0, began + step * _STEP_SECONDS - time.monotonic()))
            self._control.end_batches(batch_ids)


def _failure(program: str, folder: Path) -> str:
    return f"{program} failed:\n{(folder / 'errors').read_text()[-3000:]}"
