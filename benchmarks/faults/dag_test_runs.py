"""Cases in which no Airflow process dies: ``dag.test()`` runs the DAG, in a process and an Airflow home of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from airflow_stack.environment import airflow_environment, database_path
from anthropic_batches_provider.simulator import Settings, Simulator, SimulatorServer
from benchmarks.contestants import Contestant, connections
from benchmarks.faults.cases import ROWS, Case, Outcome, outcome
from benchmarks.peers_environment import REPOSITORY

DAGS = REPOSITORY / "benchmarks" / "dags"
_PROGRAM = REPOSITORY / "benchmarks" / "programs" / "dag_test.py"
_LONGEST_SECONDS = 600
_UNUSED_PORT = 9  # dag.test() starts no API server


class DagTestRuns:
    """Runs DAGs by ``dag.test()``.

    :param python: the interpreter that has this package and both peers.
    :param home: where everything is written.
    """

    def __init__(self, python: str, home: Path) -> None:
        self._python = python
        self._home = home
        self._template = home / "template"
        self._template.mkdir(parents=True)
        self._run([python, "-m", "airflow", "db", "migrate"], self._environment(self._template, {}), "database")

    def run(self, case: Case, contestant: Contestant) -> Outcome:
        """Run one case.

        :raises subprocess.CalledProcessError: the program that runs the DAG failed.
        """
        home = self._home / f"{contestant.dag_id}-{_slug(case.name)}"
        home.mkdir()
        shutil.copy(database_path(self._template), database_path(home))
        ended, output = home / "ended.json", home / "output"
        with SimulatorServer(Simulator(settings=Settings(batch_duration=case.batch_duration))) as server:
            for fault in case.faults:
                server.control.add_fault(**fault)
            settings = {f"AIRFLOW__ANTHROPIC_BATCHES__{name.upper()}": value for name, value in case.settings.items()}
            extra = {**connections(server.base_url, server.api_key), **benchmark_variables(output), **settings}
            started = time.monotonic()
            command = [self._python, str(_PROGRAM), contestant.dag_id, str(ended)]
            self._run(command, self._environment(home, extra), "dag-test", cwd=home)
            seconds = time.monotonic() - started
            answer = json.loads(ended.read_text())
            return outcome(
                contestant, server.control, output, state=answer["state"], tasks=answer["tasks"], seconds=seconds
            )

    def _environment(self, home: Path, extra: Mapping[str, str]) -> dict[str, str]:
        return airflow_environment(home, DAGS, _UNUSED_PORT, extra)

    def _run(self, command: list[str], environment: Mapping[str, str], name: str, cwd: Path | None = None) -> None:
        folder = cwd or self._home
        with (folder / f"{name}.log").open("wb") as log:
            subprocess.run(
                command,
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=_LONGEST_SECONDS,
            )


def benchmark_variables(output: Path) -> dict[str, str]:
    """Return the environment variables that the DAGs in ``dags/`` need."""
    return {"BENCHMARK_ROWS": str(ROWS), "BENCHMARK_OUTPUT": str(output), "PYTHONPATH": str(REPOSITORY)}


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
