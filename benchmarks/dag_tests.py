"""Runs DAGs by ``dag.test()``, each in a process and an Airflow home of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_stack.environment import airflow_environment, database_path
from benchmarks.peers_environment import REPOSITORY

DAGS = REPOSITORY / "benchmarks" / "dags"
_PROGRAM = REPOSITORY / "benchmarks" / "programs" / "dag_test.py"
_LONGEST_SECONDS = 1200
_UNUSED_PORT = 9  # dag.test() starts no API server


class DagTests:
    """Runs DAGs of a folder.

    :param python: the interpreter that has what the DAGs import.
    :param home: where everything is written; a new folder.
    :param dags: the folder.
    """

    def __init__(self, python: str, home: Path, dags: Path = DAGS) -> None:
        self._python = python
        self._dags = dags
        self._template = home / "template"
        self._template.mkdir(parents=True)
        self._run([python, "-m", "airflow", "db", "migrate"], self._template, {}, "database")

    def run(
        self,
        module: str,
        home: Path,
        variables: Mapping[str, str],
        conf: Mapping[str, Any] | None = None,
        returning: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Run the DAG of a module, and return how it ended.

        :param home: its Airflow home, a new folder.
        :param variables: more variables of its environment.
        :param conf: of the run.
        :param returning: tasks of which the returned values are wanted.
        :raises subprocess.CalledProcessError: the program that runs the DAG failed.
        """
        home.mkdir()
        shutil.copy(database_path(self._template), database_path(home))
        ended = home / "ended.json"
        arguments = [module, str(ended), json.dumps(dict(conf or {})), *returning]
        self._run([self._python, str(_PROGRAM), *arguments], home, variables, "dag-test")
        answer: dict[str, Any] = json.loads(ended.read_text())
        return answer

    def _run(self, command: list[str], home: Path, variables: Mapping[str, str], name: str) -> None:
        with (home / f"{name}.log").open("wb") as log:
            subprocess.run(
                command,
                env=airflow_environment(home, self._dags, _UNUSED_PORT, variables),
                cwd=home,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=_LONGEST_SECONDS,
            )


def dag_variables(output: Path, rows: int) -> dict[str, str]:
    """Return the environment variables that all DAGs in ``DAGS`` need."""
    return {"BENCHMARK_ROWS": str(rows), "BENCHMARK_OUTPUT": str(output), "PYTHONPATH": str(REPOSITORY)}
