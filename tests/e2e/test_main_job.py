"""The main job in a real Airflow: scheduler, DAG processor, triggerer and API server as processes of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airflow_stack.api import DagRun
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack

pytestmark = pytest.mark.e2e

PASSAGES = Path(__file__).parents[2] / "dags" / "data" / "sotu_passages.jsonl"


def output_rows(stack: AirflowStack, run: DagRun) -> list[dict[str, Any]]:
    """Return the rows of the parts that the results task's manifest lists, in its order."""
    manifest = stack.api.xcom(run, "results", "manifest")
    rows: list[dict[str, Any]] = []
    for part in manifest["parts"]:
        path = Path(part["uri"].removeprefix("file://"))
        rows += [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    assert len(rows) == manifest["counts"]["rows"]
    return rows


def test_every_row_arrives_once_in_order_though_the_triggerer_is_killed_meanwhile(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, e2e_home: Path
) -> None:
    api, control = airflow_stack.api, simulator_process.control
    control.reset()
    control.change_settings(batch_duration=36_000.0)
    run = api.trigger("passages_step_by_step", {"output": str(e2e_home / "output")})
    api.wait_for_task(run, "wait", "deferred", timeout=90)

    def triggerer() -> int | None:
        return next(task.triggerer_job_id for task in api.task_instances(run) if task.task_id == "wait")

    first = api.wait_until("a triggerer that waits for the batch", triggerer, timeout=60)
    airflow_stack.kill_triggerer()
    airflow_stack.start_triggerer()
    api.wait_until("another triggerer", lambda: triggerer() not in (None, first) or None, timeout=60)
    assert control.billing().rows_billed == 0, "the batch must still run while one triggerer replaces the other"
    control.end_batches()
    api.wait_for_run(run, timeout=180)

    passages = [json.loads(line) for line in PASSAGES.read_text(encoding="utf-8").splitlines()]
    rows = output_rows(airflow_stack, run)
    assert [row["passage_id"] for row in rows] == [passage["passage_id"] for passage in passages]
    assert {row["result_type"] for row in rows} == {"succeeded"}
    billing, received = control.billing(), control.received()
    assert (billing.rows_billed, billing.max_times_billed) == (len(passages), 1)
    assert received.calls.get("cancel", 0) == 0
    assert len(received.creates) == 1


def test_a_cleared_run_is_collected_again_for_nothing(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, e2e_home: Path
) -> None:
    api, control = airflow_stack.api, simulator_process.control
    control.reset()
    control.change_settings(batch_duration=2.0)
    run = api.trigger("passages_step_by_step", {"output": str(e2e_home / "output")})
    api.wait_for_run(run, timeout=120)
    first = output_rows(airflow_stack, run)
    api.clear(run, ["submit"], downstream=True)
    api.wait_for_run(run, timeout=120)
    assert output_rows(airflow_stack, run) == first
    assert len(control.received().creates) == 1
    assert control.billing().max_times_billed == 1


def test_rows_go_from_task_to_task_through_xcom(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess
) -> None:
    simulator_process.control.reset()
    run = airflow_stack.api.trigger("summaries_to_xcom")
    airflow_stack.api.wait_for_run(run, timeout=120)
    rows = airflow_stack.api.xcom(run, "results")
    assert airflow_stack.api.xcom(run, "report") == len(rows) == simulator_process.control.billing().rows_billed


def test_a_day_of_the_lake_is_translated(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, e2e_home: Path
) -> None:
    simulator_process.control.reset()
    lake = e2e_home / "lake"
    run = airflow_stack.api.trigger(
        "daily_partitions", {"lake": str(lake)}, logical_date=pendulum.datetime(2026, 3, 14, tz="UTC")
    )
    airflow_stack.api.wait_for_run(run, timeout=120)
    airflow_stack.api.pause("daily_partitions")  # its scheduled run would go on beside the next tests
    manifest = airflow_stack.api.xcom(run, "results", "manifest")
    assert manifest["destination"] == f"file://{lake}/translations/dt=2026-03-14"
    assert manifest["counts"]["succeeded"] == manifest["counts"]["rows"] == 8
