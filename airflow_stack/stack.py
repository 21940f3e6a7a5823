"""A real Airflow of its own: API server, scheduler, DAG processor and triggerers as separate processes.

Invariants: nothing of the user's Airflow is read or written. Every server listens on loopback. No process outlives the
context, however it is left.
"""

import socket
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_stack.api import POLL_SECONDS, AirflowApi
from airflow_stack.environment import airflow_environment, database_path
from airflow_stack.patience import patient
from airflow_stack.processes import Processes, StackError, end_leftovers

_COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


class AirflowStack:
    """A context manager that runs an Airflow in ``home``; ``api`` drives it.

    :param home: AIRFLOW_HOME; created if it does not exist. Its path may contain spaces.
    :param dags_folder: the DAGs folder; DAGs start paused, ``api.trigger`` unpauses.
    :param python: the interpreter whose Airflow runs; give another one to run another version of Airflow.
    :param env: variables for all processes, such as ``AIRFLOW_CONN_ANTHROPIC_DEFAULT``. They override the stack's
        own. Inherited ``AIRFLOW*`` and ``ANTHROPIC*`` variables are dropped.
    :param database_url: the SQLAlchemy URL of an empty database; default: SQLite in ``home``, which is enough for one
        triggerer and a few tasks. A stalled process may hold SQLite's only lock.
    :param triggerers: how many triggerers to start.
    :raises StackError: a process died or was not healthy in time; the message shows the end of its log.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
        database_url: str | None = None,
        triggerers: int = 1,
    ) -> None:
        self.home = home.absolute()
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._python = python
        self._triggerers = triggerers
        self._started_triggerers = 0
        port = int(self.url.rpartition(":")[2])
        self._on_sqlite = database_url is None
        self.environment = airflow_environment(self.home, dags_folder.absolute(), port, env or {}, database_url)
        self.processes = Processes(self.home, self.environment)
        self.api = AirflowApi(self.url, self.processes.check)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.stop)
            self.start()
            self.wait_until_healthy()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Create the database and start all processes; return before they are healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        end_leftovers(self.home)
        self.processes.run("db-migrate", self._command("db", "migrate"), timeout=120)
        if self._on_sqlite:
            _let_readers_and_a_writer_work_side_by_side(database_path(self.home))
        self.processes.start("api-server", self._command("api-server"))
        self.start_scheduler()
        self.processes.start("dag-processor", self._command("dag-processor"))
        for _ in range(self._triggerers):
            self.start_triggerer()

    def wait_until_healthy(self, timeout: float = 120) -> None:
        """Wait until the API server reports every component as healthy.

        :param timeout: in seconds, on a machine of ordinary speed (:func:`~airflow_stack.patience.patient`).
        :raises StackError: a process died, or the time has passed; the message shows the ends of the logs.
        """
        timeout = patient(timeout)
        deadline = time.monotonic() + timeout
        while True:
            health = self.api.health()
            ill = [name for name in _COMPONENTS if health.get(name) != "healthy"]
            if not ill:
                return
            self.processes.check()
            if time.monotonic() > deadline:
                tails = "\n".join(self.processes.log_tail(name) for name in self.processes.names())
                raise StackError(f"Not healthy after {timeout:.0f} s: {', '.join(ill)}.\n{tails}")
            time.sleep(POLL_SECONDS)

    def start_triggerer(self) -> str:
        """Start one more triggerer and return its name."""
        self._started_triggerers += 1
        name = f"triggerer-{self._started_triggerers}"
        self.processes.start(name, self._command("triggerer", "--skip-serve-logs"))
        return name

    def kill_triggerer(self, name: str | None = None) -> str:
        """SIGKILL a triggerer (default: the oldest) with its subprocess, and return its name."""
        name = name or self.processes.names("triggerer")[0]
        self.processes.kill(name)
        return name

    def stall_triggerer(self, name: str) -> None:
        """Stall a triggerer: after the health threshold the others take it for dead; it does not notice."""
        self.processes.suspend(name)

    def continue_triggerer(self, name: str) -> None:
        """Let a stalled triggerer continue where it stopped."""
        self.processes.resume(name)

    def start_scheduler(self) -> None:
        """Start the scheduler."""
        self.processes.start("scheduler", self._command("scheduler", "--skip-serve-logs"))

    def kill_scheduler(self) -> None:
        """SIGKILL the scheduler together with the local executor's workers and the tasks that they run.

        The next scheduler takes it for dead at once, and not after the threshold of half a minute: nothing else happens
        in that time, and no process that lives is suspected because the machine is slow.
        """
        self.processes.kill("scheduler")
        _age_the_heartbeats_of_schedulers(self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])

    def stop(self, grace: float = 2.0) -> None:
        """End all processes: SIGTERM, ``grace`` seconds, SIGKILL."""
        self.processes.stop(grace)

    def _command(self, *arguments: str) -> list[str]:
        # Not the `airflow` script: its first line cannot hold an interpreter's path with a space.
        return [self._python, "-P", "-m", "airflow", *arguments]


def _age_the_heartbeats_of_schedulers(database_url: str) -> None:
    from sqlalchemy import create_engine, text  # half a second, which only this function needs

    engine = create_engine(database_url)
    try:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE job SET latest_heartbeat = :past WHERE job_type = 'SchedulerJob' AND state = 'running'"),
                {"past": datetime.now(UTC) - timedelta(hours=1)},
            )
    finally:
        engine.dispose()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _let_readers_and_a_writer_work_side_by_side(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # persists in the file
