"""The Airflow that the other end-to-end tests run on works, survives a kill, and leaves nothing behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from airflow_stack.api import UnexpectedStateError
from airflow_stack.processes import Processes, StackError, end_leftovers
from airflow_stack.stack import AirflowStack

pytestmark = pytest.mark.e2e

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
LEAVE_THE_SESSION = f"""
import os, subprocess, time
subprocess.Popen({SLEEP!r}, start_new_session=True)
if os.fork():
    time.sleep(600)
os.setsid()
time.sleep(600)
"""


# The scheduler fails a task that is due again before the end of its last process is reported to it, which takes about a
# second: each wait here is longer than that on a slow machine.
SHORT_WAIT = 6


def test_a_deferred_task_runs_to_success(airflow_stack: AirflowStack) -> None:
    run = airflow_stack.api.trigger("stack_deferral", {"seconds": SHORT_WAIT})
    airflow_stack.api.wait_for_task(run, "waits", "deferred")
    airflow_stack.api.wait_for_run(run)
    assert airflow_stack.api.xcom(run, "waits") == {"waited": f"{SHORT_WAIT}"}
    assert f"Resumed after {SHORT_WAIT} s" in airflow_stack.api.task_log(run, "waits")


def test_another_triggerer_takes_over_from_one_that_was_killed(airflow_stack: AirflowStack) -> None:
    api = airflow_stack.api
    run = api.trigger("stack_deferral", {"seconds": 8})

    def triggerer() -> int | None:
        return api.task_instances(run)[0].triggerer_job_id

    lost = api.wait_until("a triggerer that runs the trigger", triggerer, timeout=60)
    airflow_stack.kill_triggerer()
    assert not airflow_stack.processes.names("triggerer")
    airflow_stack.start_triggerer()
    api.wait_until("another triggerer", lambda: triggerer() not in (None, lost) or None, timeout=60)
    api.wait_for_run(run)


def test_a_cleared_task_runs_again(airflow_stack: AirflowStack) -> None:
    api = airflow_stack.api
    run = api.trigger("stack_deferral", {"seconds": SHORT_WAIT})
    api.wait_for_run(run)
    api.clear(run, ["waits"])
    api.wait_for_run(run)
    assert [task.try_number for task in api.task_instances(run)] == [2]


def test_a_wait_for_a_state_that_cannot_come_tells_what_did(airflow_stack: AirflowStack) -> None:
    run = airflow_stack.api.trigger("stack_deferral", {"seconds": "no number"})
    with pytest.raises(UnexpectedStateError, match=r"ended as failed(.|\n)*could not convert string to float"):
        airflow_stack.api.wait_for_task(run, "waits", "deferred")


def test_the_stack_listens_on_loopback_only(airflow_stack: AirflowStack) -> None:
    members = airflow_stack.processes.members()
    listening = [c.laddr for p in members for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert [f"http://{address.ip}:{address.port}" for address in listening] == [airflow_stack.url]


def test_a_start_that_fails_shows_why_and_leaves_no_process(tmp_path: Path) -> None:
    stack = AirflowStack(tmp_path, tmp_path, env={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "nonsense://"})
    with pytest.raises(StackError, match=r"db-migrate ended with exit code 1\.(.|\n)*nonsense"), stack:
        raise AssertionError("the stack has started")
    assert not stack.processes.members()


def test_a_kill_reaches_processes_that_left_their_session_and_spares_the_others(tmp_path: Path) -> None:
    processes = Processes(tmp_path, os.environ)
    try:
        processes.start("strays", [sys.executable, "-c", LEAVE_THE_SESSION])
        processes.start("calm", SLEEP)
        wait_for_members(processes, 4)
        processes.kill("strays")
        assert len(processes.members()) == 1
    finally:
        processes.stop()
    assert not processes.members()


def test_what_a_launcher_left_that_was_killed_with_its_guardian_is_found_and_ended(tmp_path: Path) -> None:
    launcher = f"""
from pathlib import Path
import psutil
from airflow_stack.processes import Processes
Processes(Path({str(tmp_path)!r}), {{}}).start("left", {SLEEP!r})
[guardian] = [child for child in psutil.Process().children() if "airflow_stack.guardian" in child.cmdline()]
guardian.kill()
"""
    subprocess.run([sys.executable, "-c", launcher], check=True, cwd=Path(__file__).parents[2])
    assert end_leftovers(tmp_path) == 1
    assert end_leftovers(tmp_path) == 0


def test_what_a_living_launcher_runs_is_not_ended(tmp_path: Path) -> None:
    processes = Processes(tmp_path, os.environ)
    try:
        processes.start("mine", SLEEP)
        with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
            end_leftovers(tmp_path)
        processes.check()
    finally:
        processes.stop()


def wait_for_members(processes: Processes, number: int) -> None:
    deadline = time.monotonic() + 20
    while len(processes.members()) < number and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(processes.members()) == number
