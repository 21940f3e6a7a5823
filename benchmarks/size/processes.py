"""Runs the programs as whole processes and measures what they use.

The kernel reports the CPU time when a process has ended. The program itself reports its memory: the kernel's figure is
never below that of the process that started it.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_stack.environment import airflow_environment
from anthropic_batches_provider.simulator import DEFAULT_API_KEY, SimulatorControl
from benchmarks.contestants import connections
from benchmarks.peers_environment import REPOSITORY

_UNUSED_PORT = 9  # no API server is started


@dataclass(frozen=True)
class Used:
    """The resources that a process used.

    :param cpu: seconds, in the program and in the kernel on its behalf, once its imports were done.
    :param memory: the peak resident memory, in bytes.
    :param elapsed: seconds from its start to its end, imports included.
    """

    cpu: float
    memory: int
    elapsed: float

    def beyond(self, small: Used) -> Used:
        """Return what this run used beyond a small one."""
        return Used(self.cpu - small.cpu, self.memory - small.memory, self.elapsed - small.elapsed)


def least(used: Sequence[Used]) -> Used:
    """Return the lowest figures of several rounds: a busy machine only ever adds to them."""
    return Used(*(min(getattr(one, name) for one in used) for name in ("cpu", "memory", "elapsed")))


class Processes:
    """Starts programs, each in a process of its own.

    :param python: the interpreter that has this package and both peers.
    :param home: where everything is written.
    :param control: the control API of the simulator to which they send.
    :param tree: the checkout whose package the programs import; default: this one. Another one measures another
        commit, with the programs of this one.
    :param under: a command that each program runs under, such as a profiler with its options.
    """

    def __init__(
        self, python: str, home: Path, control: SimulatorControl, *, tree: Path = REPOSITORY, under: Sequence[str] = ()
    ) -> None:
        self._command = [*under, python]
        self._programs = REPOSITORY / "benchmarks" / "programs"
        self.home = home
        self.control = control
        extra = {**connections(control.base_url, DEFAULT_API_KEY), "PYTHONPATH": f"{tree / 'provider'}:{REPOSITORY}"}
        self._environment = airflow_environment(home / "airflow", home, _UNUSED_PORT, extra)

    def run(self, program: str, step: str, source: Path, folder: Path) -> Used:
        """Run one step of a program in an existing folder.

        :raises RuntimeError: the program failed; the message shows the end of its log.
        """
        file = self._programs / f"{program}.py"
        started = time.monotonic()
        with (folder / f"{step}.log").open("wb") as log:
            process = subprocess.Popen(
                [*self._command, str(file), step, str(source), str(folder)],
                env=self._environment,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{program} failed to {step}:\n{(folder / f'{step}.log').read_text()[-3000:]}")
        told = json.loads((folder / f"{step}-told.json").read_text())
        return Used(usage.ru_utime + usage.ru_stime - told["imports_cpu"], told["peak_memory"], elapsed)

    def submit_and_collect(
        self, program: str, source: Path, folder: Path, *, rows: int, submit: str = "submit", collect: str = "collect"
    ) -> dict[str, Used]:
        """Run both steps in a new folder, and reset the simulator.

        :param submit: the name of the first step.
        :param collect: the name of the second.
        :returns: what ``submit`` and ``collect`` used, under these names.
        :raises RuntimeError: a step failed, or did not send or write every row.
        """
        folder.mkdir()
        used = {
            "submit": self.run(program, submit, source, folder),
            "collect": self.run(program, collect, source, folder),
        }
        sent = sum(create.requests or 0 for create in self.control.received().creates)
        written = sum(_lines(file) for file in (folder / "output").rglob("*.jsonl*"))
        if (sent, written) != (rows, rows):
            raise RuntimeError(f"{program} sent {sent} and wrote {written} of {rows} rows")
        self.control.reset()
        return used


def _lines(file: Path) -> int:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as source:
        return sum(1 for _ in source)
