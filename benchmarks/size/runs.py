"""Runs the programs as whole processes and takes what the kernel says they used."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.simulator import DEFAULT_API_KEY, SimulatorControl
from benchmarks.contestants import CONTESTANTS, connections
from benchmarks.peers_environment import REPOSITORY
from demo.airflow_environment import airflow_environment

ROWS = 100_000
FEW_ROWS = 100
REQUEST_BYTES = 2_000
STEPS = ("submit", "collect")
PROGRAMS = (*(contestant.dag_id for contestant in CONTESTANTS), "limit")
_UNUSED_PORT = 9  # no API server is started


@dataclass(frozen=True)
class Used:
    """What a process used.

    :param cpu: seconds, in the program and in the kernel on its behalf.
    :param memory: the most resident memory, in bytes.
    """

    cpu: float
    memory: int


@dataclass(frozen=True)
class Growth:
    """What the large run takes beyond the small one, each at the least of the rounds.

    A busy machine only ever adds to what a process uses.

    :param cpu: seconds.
    :param memory: bytes.
    """

    cpu: float
    memory: int


class SizeRuns:
    """Runs all programs at both sizes.

    :param python: the interpreter that has this package and both peers.
    :param home: where everything is written.
    :param control: of the simulator that they send to.
    """

    def __init__(self, python: str, home: Path, control: SimulatorControl) -> None:
        self._python = python
        self._home = home
        self._control = control
        self._inputs = {rows: _write_requests(home / f"requests-{rows}.jsonl", rows) for rows in (FEW_ROWS, ROWS)}
        extra = {**connections(control.base_url, DEFAULT_API_KEY), "PYTHONPATH": str(REPOSITORY)}
        self._environment = airflow_environment(home / "airflow", home, _UNUSED_PORT, extra)

    def measure(self, rounds: int) -> dict[tuple[str, str], Growth]:
        """Return the growth by program and step.

        :raises RuntimeError: a program failed, or did not send or write every row.
        """
        seen: dict[tuple[str, str, int], list[Used]] = {}
        for number in range(rounds):
            for program in PROGRAMS:
                for rows in (FEW_ROWS, ROWS):
                    for step, used in self._both_steps(program, rows, number).items():
                        seen.setdefault((program, step, rows), []).append(used)
        least = {place: _least(used) for place, used in seen.items()}
        return {
            (program, step): Growth(
                least[program, step, ROWS].cpu - least[program, step, FEW_ROWS].cpu,
                least[program, step, ROWS].memory - least[program, step, FEW_ROWS].memory,
            )
            for program in PROGRAMS
            for step in STEPS
        }

    def _both_steps(self, program: str, rows: int, number: int) -> Mapping[str, Used]:
        folder = self._home / f"{program}-{rows}-{number}"
        folder.mkdir()
        used = {step: self._run(program, step, self._inputs[rows], folder) for step in STEPS}
        sent = [create.requests for create in self._control.received().creates]
        written = sum(_lines(file) for file in (folder / "output").rglob("*.jsonl"))
        if (sum(count or 0 for count in sent), written) != (rows, rows):
            raise RuntimeError(f"{program} sent {sent} and wrote {written} of {rows} rows")
        self._control.reset()
        return used

    def _run(self, program: str, step: str, requests: Path, folder: Path) -> Used:
        file = REPOSITORY / "benchmarks" / "programs" / f"size_{program}.py"
        with (folder / f"{step}.log").open("wb") as log:
            process = subprocess.Popen(
                [self._python, str(file), step, str(requests), str(folder)],
                env=self._environment,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{program} failed to {step}:\n{(folder / f'{step}.log').read_text()[-3000:]}")
        return Used(cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss * 1024)


def _least(used: Sequence[Used]) -> Used:
    return Used(cpu=min(one.cpu for one in used), memory=min(one.memory for one in used))


def _write_requests(file: Path, rows: int) -> Path:
    with file.open("w", encoding="utf-8") as target:
        for number in range(rows):
            params = {"model": "claude-haiku-4-5", "max_tokens": 64}
            question = f"Label passage {number}. "
            frame = {"custom_id": f"row-{number}", "params": {**params, "messages": [{"role": "user", "content": ""}]}}
            filling = "The quick brown fox jumps over the lazy dog. " * 60
            room = REQUEST_BYTES - len(json.dumps(frame))
            frame["params"] = {**params, "messages": [{"role": "user", "content": (question + filling)[:room]}]}
            target.write(json.dumps(frame) + "\n")
    return file


def _lines(file: Path) -> int:
    with file.open("rb") as source:
        return sum(1 for _ in source)
