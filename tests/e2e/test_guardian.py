"""A launcher that is killed leaves nothing behind: its guardian ends its processes and removes its folders."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from airflow_stack.patience import patient

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]

LAUNCHER = """
import signal, subprocess, sys, time
from pathlib import Path
from airflow_stack.processes import Processes
from tests.e2e.postgres import postgres

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
home = Path(sys.argv[1])
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
left = [sys.executable, "-c", f"import subprocess; subprocess.Popen({sleep!r}, start_new_session=True)"]
processes = Processes(home, {"PATH": "/usr/bin:/bin"})
processes.start("one", sleep)
processes.start("one that leaves another behind", left)
with postgres(home / "lock") as databases:
    print(databases.folder, flush=True)
    time.sleep(600)
"""


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def those_that_name(text: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(text in argument for argument in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_a_launcher_that_is_killed_leaves_no_process_and_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "launcher.py"
    script.write_text(LAUNCHER)
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{REPOSITORY / 'provider'}:{REPOSITORY}"}
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as launcher:  # fmt: skip
        assert launcher.stdout is not None
        database = Path(launcher.stdout.readline().strip())
        sleeping, servers = check_that_all_runs(database, tmp_path)
        shared = {Path(part.path) for server in servers for part in server.memory_maps() if "/PostgreSQL." in part.path}
        assert shared
        launcher.send_signal(number)
    assert until(lambda: not any(process.is_running() for process in [*sleeping, *servers]))
    assert until(lambda: not database.exists())
    assert [part for part in shared if part.exists()] == []


def check_that_all_runs(database: Path, home: Path) -> tuple[list[psutil.Process], list[psutil.Process]]:
    sleeping = [process for process in those_that_name("time.sleep(600)") if works_in(process, home)]
    servers = those_that_name(str(database))
    assert database.is_dir()
    assert len(sleeping) == 2
    assert servers
    return sleeping, servers


def works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except psutil.Error:
        return False
