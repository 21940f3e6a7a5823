"""Stored cases, and the DAGs that made them, run by ``dag.test()``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility.stored import Case, restored
from tests.dags.conftest import DagRunner, Run, known_dags_folder

KeptCase = Callable[[str], Case]


@pytest.fixture(scope="session")
def dags_folder() -> Iterator[Path]:
    folder = known_dags_folder()
    for file in (Path(__file__).parent / "dags").glob("*.py"):
        shutil.copy(file, folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def kept_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeptCase]:
    """Return a function that restores a case by name; from then on storage and connection are those of the case."""
    with ExitStack() as stack:

        def give(name: str) -> Case:
            case = stack.enter_context(restored(name, tmp_path / name))
            host, password = case.server.base_url, case.server.api_key
            connection = {"conn_type": "anthropic_batches", "host": host, "password": password}
            monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(connection))
            monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", case.storage.as_uri())
            return case

        yield give


@pytest.fixture
def run(dags_folder: Path) -> Callable[..., Run]:
    """Return a function that runs a DAG on a case.

    It runs from a stored moment: tasks that were deferred then resume, and ended tasks stay ended. Without a moment the
    DAG runs from its beginning, as when its run is cleared.
    """

    def go(dag: str, case: Case, moment: str | None = None, **conf: Any) -> Run:
        stored = "" if moment is None else str(case.deferred_file(moment))
        return DagRunner(dags_folder).run(dag, {"folder": str(case.folder), "stored": stored, **conf})

    return go
