"""Waits and watches in a real Airflow whose triggerers are killed, stalled and restarted: nothing is canceled, missed
or counted twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow import __version__ as airflow_version

from airflow_stack.api import DagRun
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from anthropic_batches_provider.hooks import MessageBatchHook

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(airflow_version < "3.3", reason="Airflow calls on_kill of triggers from 3.3 on"),
]

LOOK_SECONDS = 2  # poll_interval of the DAG "watching"
WAITS = ("wait_0", "wait_1", "wait_2")


@pytest.fixture
def stack(airflow_stack: AirflowStack) -> AirflowStack:
    return airflow_stack


@pytest.fixture
def batch_ids(simulator_process: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return three batches that another program submitted, of one, two and three requests; they run for an hour."""
    simulator_process.control.reset()
    simulator_process.control.change_settings(batch_duration=3600.0)
    monkeypatch.setenv("AIRFLOW_CONN_SOMEBODY_ELSE", simulator_process.airflow_connection_json)
    hook = MessageBatchHook("somebody_else")
    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    return [
        hook.create_batch([{"custom_id": str(number), "params": params} for number in range(size)]).id
        for size in (1, 2, 3)
    ]


def canceled(batch_ids: list[str]) -> list[str]:
    """Return the batches that were canceled; a call for a batch that has already ended changes nothing."""
    hook = MessageBatchHook("somebody_else")
    return [batch_id for batch_id in batch_ids if hook.retrieve_batch(batch_id).cancel_initiated_at is not None]


@pytest.fixture
def switch_watching(stack: AirflowStack, e2e_dags: Path) -> Callable[[bool], None]:
    """Return a function that switches the DAG ``watching`` on or off."""

    def switch(on: bool) -> None:
        stack.api.wait_for_dag("watching")
        stack.api.call("PATCH", "/api/v2/dags/watching?update_mask=is_paused", {"is_paused": not on})
        os.utime(e2e_dags / "watching.py")  # watchers of assets start and stop when their DAG is parsed after that

    return switch


def looks(simulator: SimulatorProcess) -> int:
    return simulator.control.received().calls.get("list", 0)


def only_triggerer(stack: AirflowStack) -> str:
    """Leave one triggerer, so that the test knows which one runs the next deferred task."""
    names = stack.processes.names("triggerer") or [stack.start_triggerer()]  # a start is 10 s of a processor
    for name in names[:-1]:
        stack.kill_triggerer(name)
    return names[-1]


def deferred_run(stack: AirflowStack, dag_id: str, batch_ids: list[str], tasks: tuple[str, ...] = WAITS) -> DagRun:
    run = stack.api.trigger(dag_id, {"batch_ids": batch_ids})
    for task_id in tasks:
        stack.api.wait_for_task(run, task_id, "deferred", timeout=90)
    stack.api.wait_until("triggers that run", lambda: None not in triggerers(stack, run) or None, timeout=60)
    return run


def triggerers(stack: AirflowStack, run: DagRun) -> set[int | None]:
    return {task.triggerer_job_id for task in stack.api.task_instances(run) if task.state == "deferred"}


def task_instance(stack: AirflowStack, run: DagRun, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.api.get(f"/dags/{run.dag_id}/dagRuns/{quote(run.run_id)}/taskInstances/{task_id}")
    return found


def wait_for_the_false_kill(stack: AirflowStack, run: DagRun, task_id: str) -> None:
    """Wait for the kill that Airflow sees when a triggerer comes back and finds its trigger with another triggerer."""
    what = f"a false kill of {task_id}"
    stack.api.wait_until(what, lambda: "invoking on_kill" in stack.api.task_log(run, task_id) or None, timeout=60)


def check_that_each_wait_finished_once(stack: AirflowStack, run: DagRun, batch_ids: list[str]) -> None:
    assert [task.try_number for task in stack.api.task_instances(run)] == [1, 1, 1]
    for number, batch_id in enumerate(batch_ids):
        value = stack.api.xcom(run, WAITS[number])
        assert value["batch_ids"] == [batch_id]
        assert value["request_counts"]["succeeded"] == sum(value["request_counts"].values()) == number + 1
        assert stack.api.task_log(run, WAITS[number]).count("batches have ended") == 1


def test_a_killed_triggerer_cancels_nothing_and_another_finishes_each_wait_once(
    stack: AirflowStack, simulator_process: SimulatorProcess, batch_ids: list[str]
) -> None:
    killed = only_triggerer(stack)
    run = deferred_run(stack, "waiting", batch_ids)
    (lost,) = triggerers(stack, run)
    stack.start_triggerer()
    stack.kill_triggerer(killed)
    simulator_process.control.end_batches([batch_ids[0]])  # while no triggerer watches
    stack.api.wait_until("another triggerer", lambda: lost not in triggerers(stack, run) or None, timeout=90)
    simulator_process.control.end_batches()
    stack.api.wait_for_run(run, timeout=120)
    check_that_each_wait_finished_once(stack, run, batch_ids)
    assert canceled(batch_ids) == []


def test_a_stalled_triggerer_that_goes_on_cancels_nothing_and_counts_nothing_twice(
    stack: AirflowStack, simulator_process: SimulatorProcess, batch_ids: list[str]
) -> None:
    stalled = only_triggerer(stack)
    run = deferred_run(stack, "waiting", batch_ids)
    (lost,) = triggerers(stack, run)
    successor = stack.start_triggerer()
    stack.stall_triggerer(stalled)
    stack.api.wait_until("another triggerer", lambda: lost not in triggerers(stack, run) or None, timeout=90)
    simulator_process.control.end_batches([batch_ids[0]])
    stack.api.wait_for_task(run, "wait_0", timeout=60)
    stack.continue_triggerer(stalled)
    for task_id in WAITS[1:]:
        wait_for_the_false_kill(stack, run, task_id)
    simulator_process.control.end_batches()
    stack.api.wait_for_run(run, timeout=120)
    check_that_each_wait_finished_once(stack, run, batch_ids)
    assert canceled(batch_ids) == []
    assert {stalled, successor} <= set(stack.processes.names("triggerer"))


def test_a_wait_that_starts_in_the_triggerer_sees_no_worker_before_its_batches_have_ended(
    stack: AirflowStack, simulator_process: SimulatorProcess, batch_ids: list[str]
) -> None:
    only_triggerer(stack)
    run = deferred_run(stack, "waiting_from_the_start", batch_ids, ("of_params", "of_xcom"))
    for task_id in ("of_params", "of_xcom"):
        assert not task_instance(stack, run, task_id)["hostname"]
    stack.kill_triggerer()
    stack.start_triggerer()
    simulator_process.control.end_batches()
    stack.api.wait_for_run(run, timeout=120)
    for task_id in ("of_params", "of_xcom"):
        assert stack.api.xcom(run, task_id)["batch_ids"] == batch_ids
        assert stack.api.xcom(run, task_id)["request_counts"]["succeeded"] == 6
        assert task_instance(stack, run, task_id)["hostname"]
    assert canceled(batch_ids) == []


def test_a_wait_that_starts_in_the_triggerer_keeps_its_timeout_and_its_policy(
    stack: AirflowStack, simulator_process: SimulatorProcess, batch_ids: list[str]
) -> None:
    run = stack.api.trigger("waiting_too_briefly", {"batch_ids": batch_ids})
    stack.api.wait_for_run(run, timeout=120, state="failed")
    log = stack.api.task_log(run, "gives_up")
    assert "3 batches had not ended within 0:00:05. Collect" in log
    assert "As on_timeout says, the task canceled: " in log
    assert canceled(batch_ids) == batch_ids
    assert "batch_ids= must be ids of message batches" in stack.api.task_log(run, "of_nothing")


def test_mapped_waits_never_start_in_the_triggerer_and_work(
    stack: AirflowStack, simulator_process: SimulatorProcess, batch_ids: list[str]
) -> None:
    run = stack.api.trigger("waiting_mapped", {"batch_ids": batch_ids})
    for map_index in range(3):
        stack.api.wait_for_task(run, "wait", "deferred", timeout=90, map_index=map_index)
    simulator_process.control.end_batches()
    stack.api.wait_for_run(run, timeout=120)


def test_a_dag_runs_once_for_each_batch_that_ends_also_across_restarts_of_the_triggerer(
    stack: AirflowStack,
    simulator_process: SimulatorProcess,
    batch_ids: list[str],
    switch_watching: Callable[[bool], None],
) -> None:
    api, control = stack.api, simulator_process.control
    control.end_batches([batch_ids[0]])  # before anyone watches: it is reported to nobody
    only_triggerer(stack)
    switch_watching(True)
    found = api.get("/assets", name_pattern="ended_batches")["assets"]
    (asset,) = (each for each in found if each["name"] == "ended_batches")

    def told() -> list[list[str]]:
        runs = api.get("/dags/watching/dagRuns", state="success")["dag_runs"]
        payloads = [api.xcom(DagRun("watching", run["dag_run_id"]), "told") for run in runs]
        return [[each["batch_id"] for each in payload] for payload in payloads]

    def remembered() -> Any:
        entries = api.get(f"/assets/{asset['id']}/state-store")["asset_state_store"]
        return entries[0]["value"]["told"] if entries else None

    api.wait_until("the watch", remembered, timeout=90)
    control.end_batches([batch_ids[1]])
    api.wait_until("the first run", lambda: told() or None, timeout=60)
    api.wait_until("the memory of it", lambda: batch_ids[1] in remembered() or None, timeout=60)

    for name in stack.processes.names("triggerer"):
        stack.kill_triggerer(name)
    control.end_batches([batch_ids[2]])
    stack.start_triggerer()
    api.wait_until("the second run", lambda: len(told()) > 1 or None, timeout=90)
    api.wait_until("the memory of it", lambda: batch_ids[2] in remembered() or None, timeout=60)
    before = looks(simulator_process)
    api.wait_until("more looks", lambda: looks(simulator_process) > before + 3 or None, timeout=60)
    assert sorted(told()) == sorted([[batch_ids[1]], [batch_ids[2]]])
    assert len(api.get("/dags/watching/dagRuns")["dag_runs"]) == 2


def test_what_ends_while_the_dag_is_paused_is_told_when_it_goes_on(
    stack: AirflowStack,
    simulator_process: SimulatorProcess,
    batch_ids: list[str],
    switch_watching: Callable[[bool], None],
) -> None:
    api, control = stack.api, simulator_process.control
    switch_watching(True)
    api.wait_until("the watch", lambda: looks(simulator_process) or None, timeout=90)
    runs_before = len(api.get("/dags/watching/dagRuns")["dag_runs"])
    switch_watching(False)

    def has_stopped() -> bool | None:
        before = looks(simulator_process)
        time.sleep(3 * LOOK_SECONDS)
        return looks(simulator_process) == before or None

    api.wait_until("the end of the watch", has_stopped, timeout=90)
    control.end_batches([batch_ids[0]])
    switch_watching(True)

    def told() -> list[str] | None:
        runs = api.get("/dags/watching/dagRuns", state="success", order_by="id")["dag_runs"][runs_before:]
        return [each["batch_id"] for run in runs for each in api.xcom(DagRun("watching", run["dag_run_id"]), "told")]

    api.wait_until("the run", lambda: told() or None, timeout=90)
    assert told() == [batch_ids[0]]
