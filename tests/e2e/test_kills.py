"""``on_kill="cancel"`` cancels when a task is really over, and Airflow's false kills cancel nothing."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from airflow import __version__ as airflow_version

from airflow_stack.api import DagRun
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(airflow_version < "3.3", reason="Airflow calls on_kill of triggers from 3.3 on"),
]


@pytest.fixture
def waiting(airflow_stack: AirflowStack, simulator_process: SimulatorProcess) -> DagRun:
    """Return a run whose ``wait`` is deferred, its trigger running, its batch in progress until a test ends it."""
    simulator_process.control.reset()
    simulator_process.control.change_settings(batch_duration=3600.0)
    api = airflow_stack.api
    run = api.trigger("kills")
    api.wait_for_task(run, "wait", "deferred", timeout=90)
    before = simulator_process.control.received().calls.get("retrieve", 0)
    api.wait_until(
        "a look at the batch", lambda: simulator_process.control.received().calls.get("retrieve", 0) > before or None,
        timeout=60,
    )  # fmt: skip
    return run


def cancels(simulator: SimulatorProcess) -> int:
    return simulator.control.received().calls.get("cancel", 0)


def test_a_task_that_is_marked_failed_cancels_its_batches(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, waiting: DagRun
) -> None:
    path = f"/api/v2/dags/{waiting.dag_id}/dagRuns/{quote(waiting.run_id)}/taskInstances/wait"
    airflow_stack.api.call("PATCH", path, {"new_state": "failed"})
    airflow_stack.api.wait_until("the cancellation", lambda: cancels(simulator_process) or None, timeout=60)
    assert cancels(simulator_process) == 1


def test_a_task_that_is_cleared_while_deferred_leaves_its_batches_and_pays_once(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, waiting: DagRun
) -> None:
    api = airflow_stack.api
    api.clear(waiting, ["wait"])

    def second_try() -> bool | None:
        return next(task.try_number for task in api.task_instances(waiting) if task.task_id == "wait") > 1 or None

    api.wait_until("the second try", second_try, timeout=60)
    api.wait_for_task(waiting, "wait", "deferred", timeout=60)
    time.sleep(4)  # the kill of the first try's trigger comes late
    simulator_process.control.end_batches()
    api.wait_for_run(waiting, timeout=120)
    assert cancels(simulator_process) == 0
    billing = simulator_process.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (3, 1)


def test_a_triggerer_that_is_killed_cancels_nothing(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, waiting: DagRun
) -> None:
    airflow_stack.kill_triggerer()
    airflow_stack.start_triggerer()
    simulator_process.control.end_batches()
    airflow_stack.api.wait_for_run(waiting, timeout=120)
    assert cancels(simulator_process) == 0
    assert simulator_process.control.billing().rows_billed == 3
