"""One Airflow for all end-to-end tests, started when it is needed; a test that kills a process starts another."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from tests.e2e.postgres import Databases, postgres

REPOSITORY = Path(__file__).parents[2]
_SECONDS = 600  # an Airflow that does not come up is an error of its own, with the ends of its logs, after 240 at most


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share the Airflow and the simulator in one process; a second Airflow costs minutes."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            if "airflow_stack" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group("the Airflow"))
            item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture(scope="session")
def e2e_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for everything that the end-to-end tests write; its path contains a space on purpose."""
    return tmp_path_factory.mktemp("end to end")


@pytest.fixture(scope="session")
def simulator_process(e2e_home: Path) -> Iterator[SimulatorProcess]:
    """Yield a simulator in a process of its own. All tests share its state: count per DAG run, or reset it."""
    with SimulatorProcess(e2e_home / "simulator") as simulator:
        yield simulator


@pytest.fixture(scope="session")
def e2e_dags(e2e_home: Path) -> Path:
    """Return a DAGs folder with the repository's example DAGs and the tests' own DAGs."""
    folder = e2e_home / "dags"
    for source in (REPOSITORY / "dags", Path(__file__).parent / "dags"):
        if source.exists():
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Yield a PostgreSQL server that makes a database for each Airflow."""
    with postgres(tmp_path_factory.getbasetemp().parent / "postgres.lock") as databases:
        yield databases


@pytest.fixture(scope="session")
def airflow_stack(
    e2e_home: Path, e2e_dags: Path, databases: Databases, simulator_process: SimulatorProcess
) -> Iterator[AirflowStack]:
    """Yield a running Airflow whose ``anthropic_default`` is the simulator; check that it leaves nothing behind."""
    if run := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        (e2e_home.parents[1] / f"airflow-{run}").touch(exist_ok=False)  # a second one is an error
    env = {
        "AIRFLOW_CONN_ANTHROPIC_DEFAULT": simulator_process.airflow_connection_json,
        "AIRFLOW__ANTHROPIC_BATCHES__SPOOL": str(e2e_home / "spool"),
    }
    database = databases.create("airflow")
    _let_the_scheduler_import_what_tasks_need(e2e_home / "airflow")
    with AirflowStack(e2e_home / "airflow", e2e_dags, env=env, database_url=database) as stack:
        yield stack
    assert not stack.processes.members()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(stack.url.rpartition(":")[2]))) != 0


def _let_the_scheduler_import_what_tasks_need(home: Path) -> None:
    """Let the scheduler import the SDK, which tasks then find imported: the LocalExecutor forks them from it.

    The import takes more than a second of each task's processor time, and no test here is about it.
    """
    settings = home / "config" / "airflow_local_settings.py"
    settings.parent.mkdir(parents=True)
    settings.write_text('import sys\n\nif "scheduler" in sys.argv:\n    import anthropic  # noqa: F401\n')
