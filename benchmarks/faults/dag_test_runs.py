"""Cases in which no Airflow process dies: ``dag.test()`` runs the DAG, in a process and an Airflow home of its own."""

from __future__ import annotations

import time
from pathlib import Path

from anthropic_batches_provider.simulator import Settings, Simulator, SimulatorServer
from benchmarks.contestants import Contestant, connections
from benchmarks.dag_tests import DagTests, dag_variables
from benchmarks.faults.cases import ROWS, Case, Outcome, outcome


class DagTestRuns:
    """Runs DAGs by ``dag.test()``.

    :param python: the interpreter that has this package and both peers.
    :param home: where everything is written.
    """

    def __init__(self, python: str, home: Path) -> None:
        self._home = home
        self._tests = DagTests(python, home)

    def run(self, case: Case, contestant: Contestant) -> Outcome:
        """Run one case.

        :raises subprocess.CalledProcessError: the program that runs the DAG failed.
        """
        home = self._home / f"{contestant.dag_id}-{_slug(case.name)}"
        output = home / "output"
        with SimulatorServer(Simulator(settings=Settings(batch_duration=case.batch_duration))) as server:
            for fault in case.faults:
                server.control.add_fault(**fault)
            settings = {f"AIRFLOW__ANTHROPIC_BATCHES__{name.upper()}": value for name, value in case.settings.items()}
            extra = {**connections(server.base_url, server.api_key), **dag_variables(output, ROWS), **settings}
            started = time.monotonic()
            answer = self._tests.run(contestant.dag_id, home, extra)
            seconds = time.monotonic() - started
            return outcome(
                contestant, server.control, output, state=answer["state"], tasks=answer["tasks"], seconds=seconds
            )


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
