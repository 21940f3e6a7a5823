"""No test touches the user's Airflow or could find a real credential: arranged before anything imports Airflow."""

import gc
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import httpcore2
import pytest
from hypothesis import HealthCheck, settings

from airflow_stack.guardian import guardian
from airflow_stack.patience import timeout_factor

if TYPE_CHECKING:
    from tests.e2e.postgres import Databases

for _name in [name for name in os.environ if name.startswith(("AIRFLOW", "ANTHROPIC_"))]:
    del os.environ[_name]
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
guardian().watch_folder(Path(os.environ["AIRFLOW_HOME"]))  # removes it, however this process ends


# A slow machine changes no outcome: neither a single example nor drawing the data has a limit of time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

gc.disable()  # while tests are collected: what they import stays, and looking through it takes seconds each time


def pytest_collection_finish() -> None:
    """Let no collection of garbage, neither during the tests nor at the end, look through what was imported before."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)  # after the marks of the folders' own conftest files
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let pytest's own time-outs grow with ``TIMEOUT_FACTOR``; tests of object stores, often skipped, come last."""
    items.sort(key=lambda item: item.path.name.startswith(("test_storage", "test_store")))
    factor = timeout_factor()
    if factor == 1:
        return
    usual = float(config.getini("timeout"))
    for item in items:
        mark = item.get_closest_marker("timeout")
        seconds = float(mark.args[0]) if mark else usual
        item.add_marker(pytest.mark.timeout(seconds * factor), append=False)


@pytest.fixture(autouse=True, scope="session")
def _one_tls_context() -> Iterator[None]:
    """Load the certificates once, not for each of a thousand clients (50 ms each), which all speak plain HTTP."""
    original = httpcore2.default_ssl_context
    with mock.patch.object(httpcore2, "default_ssl_context", cache(original)):
        yield


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Databases"]:
    """Run a PostgreSQL server for this process's tests."""
    from tests.e2e.postgres import postgres

    with postgres(tmp_path_factory.getbasetemp().parent / "postgres.lock") as databases:
        yield databases
