"""Airflow's own processes die while a job is submitted; the job continues, and nothing is paid twice."""

from __future__ import annotations

import time

import pytest

from airflow_stack.api import DagRun
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack

pytestmark = pytest.mark.e2e


@pytest.fixture
def submitting(airflow_stack: AirflowStack, simulator_process: SimulatorProcess) -> DagRun:
    """Return a run whose ``submit`` is inside its create call: the batch is made, and the answer does not come."""
    control = simulator_process.control
    control.reset()
    control.add_fault("create", "hang", seconds=30, when="after")
    run = airflow_stack.api.trigger("crashes")
    airflow_stack.api.wait_until("the create call", lambda: control.received().creates or None, timeout=90)
    time.sleep(1)  # the batch is made before the answer hangs
    assert control.received().creates[0].batch_id is not None
    return run


def test_a_scheduler_and_its_workers_that_die_during_the_call_pay_nothing_twice(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, submitting: DagRun
) -> None:
    airflow_stack.kill_scheduler()
    simulator_process.control.clear_faults()
    airflow_stack.start_scheduler()
    airflow_stack.api.wait_for_run(submitting, timeout=240)
    control = simulator_process.control
    assert len(control.received().creates) == 1
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (3, 1)
    submit = next(task for task in airflow_stack.api.task_instances(submitting) if task.task_id == "submit")
    assert submit.try_number > 1
