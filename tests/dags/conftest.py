"""Whole DAGs run in this process, by ``dag.test()``, against a simulator."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow import __version__ as airflow_version

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator

ROOT = Path(__file__).parents[2]
LOGICAL_DATE = pendulum.datetime(2026, 3, 14, tz="UTC")


def check_told(capfd: pytest.CaptureFixture[str], *texts: str) -> None:
    """Check that errors of tasks contain texts; ``dag.test()`` of Airflow 3.0 does not show these errors."""
    said = "".join(capfd.readouterr())
    assert [text for text in texts if text not in said] == [] or airflow_version.startswith("3.0.")


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of every part, in order."""
    rows: list[dict[str, Any]] = []
    for part in sorted(folder.glob("part-*")):
        content = part.read_bytes()
        text = gzip.decompress(content) if part.suffix == ".gz" else content
        rows += [json.loads(line) for line in text.split(b"\n") if line]
    return rows


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run all DAGs in one process: the first run in a process takes 20 s of a processor, each later one a second."""
    for item in items:
        if config.pluginmanager.hasplugin("xdist") and "dags_folder" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("DAGs in this process"))


@dataclass(frozen=True)
class Run:
    """A finished run: its state, the states of its tasks and access to their XComs."""

    state: str
    tasks: dict[str, str]
    dag_run: Any

    def xcom(self, task_id: str, key: str = "return_value", map_index: int | None = None) -> Any:
        """Return a value that a task has pushed."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            found = XComModel.get_many(
                run_id=self.dag_run.run_id, dag_ids=self.dag_run.dag_id, task_ids=task_id, key=key,
                map_indexes=map_index,
            )  # fmt: skip
            statement = found.with_session(session) if hasattr(found, "with_session") else found
            row = statement.first() if hasattr(statement, "first") else session.scalars(statement).first()
            return XComModel.deserialize_value(row)


@cache
def known_dags_folder() -> Path:
    """Return a folder of DAGs in the tests' own AIRFLOW_HOME, which has a database; created once per process.

    It is not Airflow's own DAGs folder: ``dag.test()`` parses and stores all DAGs of that one anew in each run.
    """
    from airflow.utils.db import initdb

    home = Path(os.environ["AIRFLOW_HOME"])
    (home / "dags").mkdir()
    folder = home / "all-dags"
    shutil.copytree(ROOT / "dags", folder)
    for file in (Path(__file__).parent / "dags").glob("*.*"):
        shutil.copy(file, folder)
    initdb()
    _serve_the_tasks_from_one_app()
    return folder


def _serve_the_tasks_from_one_app() -> None:
    """Let Airflow below 3.1 build its in-process API once, as newer versions do, and not for each task: 2 s each."""
    from airflow.sdk.execution_time import supervisor

    server = supervisor.in_process_api_server
    if not hasattr(server, "cache_info"):
        setattr(supervisor, "in_process_api_server", cache(server))  # noqa: B010 - a plain assignment has the wrong type


@pytest.fixture(scope="session")
def dags_folder() -> Iterator[Path]:
    """Return a DAGs folder with the example DAGs and the tests' own DAGs."""
    folder = str(known_dags_folder())
    sys.path.insert(0, folder)
    yield Path(folder)
    sys.path.remove(folder)


@dataclass(frozen=True)
class DagRunner:
    """Runs DAGs of the DAGs folder."""

    folder: Path

    def load(self, name: str, dag: str = "dag") -> Any:
        """Return a DAG of a module, freshly imported; Airflow's own DAGs folder then has this module alone.

        The module has a name as Airflow gives it, under which pydantic and others find it.
        """
        self._show_airflow_only(name)
        file = self.folder / f"{name}.py"
        digest = hashlib.sha1(str(file).encode(), usedforsecurity=False).hexdigest()
        spec = importlib.util.spec_from_file_location(f"unusual_prefix_{digest}_{name}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return getattr(module, dag)

    def run(self, name: str, conf: dict[str, Any] | None = None, logical_date: datetime = LOGICAL_DATE) -> Run:
        """Run a DAG; a second run of the same logical date has the effect of clearing the whole run."""
        dag_run = self.load(name).test(logical_date=logical_date, run_conf=conf)
        tasks = {task.task_id: str(task.state) for task in dag_run.get_task_instances()}
        return Run(state=str(dag_run.state), tasks=tasks, dag_run=dag_run)

    def _show_airflow_only(self, name: str) -> None:
        airflow_folder = self.folder.parent / "dags"
        for file in airflow_folder.glob("*.py"):
            file.unlink()
        shutil.copy(self.folder / f"{name}.py", airflow_folder)


@pytest.fixture
def dags(
    dags_folder: Path, message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> DagRunner:
    """Return a runner whose default connection leads to this test's simulator and whose storage is this test's own."""
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", message_batch_simulator.airflow_connection_json)
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", (tmp_path / "storage").as_uri())
    return DagRunner(dags_folder)
