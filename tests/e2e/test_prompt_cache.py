"""A job with a prompt cache in a real Airflow: one row writes what all others read, also across a killed triggerer."""

from __future__ import annotations

import pytest

from airflow_stack.api import DagRun
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack

pytestmark = pytest.mark.e2e

ROWS = 60


@pytest.fixture
def primed(airflow_stack: AirflowStack, simulator_process: SimulatorProcess) -> DagRun:
    """Return a run that waits for its one row, whose batch runs until a test ends it."""
    simulator_process.control.reset()
    simulator_process.control.change_settings(batch_duration=3600.0)
    run = airflow_stack.api.trigger("prompt_cache")
    airflow_stack.api.wait_for_task(run, "compare", "deferred", timeout=90)
    return run


def requests_sent(simulator: SimulatorProcess) -> list[int]:
    return [batch.requests for batch in simulator.control.billing().batches]


def test_one_row_writes_what_all_others_read_though_the_triggerer_is_killed_meanwhile(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, primed: DagRun
) -> None:
    api, control = airflow_stack.api, simulator_process.control
    assert requests_sent(simulator_process) == [1]
    assert api.xcom(primed, "compare", "progress")["pilot"] == {"rows": 1, "outcome": "waiting"}
    airflow_stack.kill_triggerer()
    airflow_stack.start_triggerer()
    control.end_batches()
    api.wait_until("the rest of a shard", lambda: len(requests_sent(simulator_process)) > 1 or None, timeout=120)
    control.change_settings(batch_duration=5.0)
    control.end_batches()
    api.wait_for_run(primed, timeout=240)
    bill = control.billing()
    assert (bill.rows_billed, bill.max_times_billed) == (ROWS, 1)
    shared = bill.tokens.cache_creation_input_tokens
    assert shared > 1_024
    assert bill.tokens.cache_read_input_tokens == (ROWS - 1) * shared
    told = api.xcom(primed, "compare", "progress")["prompt_cache"]
    assert (told["written_tokens"], told["read_tokens"]) == (shared, (ROWS - 1) * shared)
