"""When a sensor may start in the triggerer, and how it handles a trigger's event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    task,
    task_group,
)

from anthropic_batches_provider import sensors
from anthropic_batches_provider.edge.arguments import seconds_of
from anthropic_batches_provider.sensors import MessageBatchSensor

STARTS = pytest.mark.skipif(not sensors._STARTS_IN_TRIGGERER, reason="needs Airflow 3.3")
COUNTS = {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0}


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", '{"conn_type": "anthropic_batches", "password": "sk-ant-1"}')


def sensor(**arguments: Any) -> MessageBatchSensor:
    return MessageBatchSensor(**{"task_id": "wait", "batch_ids": "msgbatch_1", "start_in_triggerer": True, **arguments})


@STARTS
@pytest.mark.parametrize("batch_ids", ["msgbatch_1", ["msgbatch_1", "{{ params.b }}"], "{{ params.batch_ids }}"])
def test_text_that_is_known_or_rendered_later_starts_in_the_triggerer(batch_ids: Any) -> None:
    wait = sensor(batch_ids=batch_ids, conn_id="{{ params.conn_id }}", timeout=60, poke_interval=9, on_kill="cancel")
    assert wait.start_from_trigger
    assert wait.start_trigger_args is not None
    assert wait.start_trigger_args.trigger_kwargs == {
        "batch_ids": batch_ids,
        "conn_id": "{{ params.conn_id }}",
        "poll_interval": 9,
        "timeout": 60,
        "cancel_on_kill": True,
    }
    assert wait.start_trigger_args.timeout == timedelta(seconds=660)


@pytest.mark.parametrize(
    "arguments",
    [
        {"start_in_triggerer": False},
        {"batch_ids": None, "job": "file:///jobs/dag/task/unit/-/job-0001"},
        {"execution_timeout": timedelta(hours=1)},
        {"on_execute_callback": lambda context: None},
        {"pre_execute": lambda context: None},
    ],
)
def test_a_task_that_asks_for_what_the_triggerer_skips_starts_on_a_worker(arguments: dict[str, Any]) -> None:
    wait = sensor(**arguments)
    assert not wait.start_from_trigger
    assert wait.start_trigger_args is None


def test_what_another_task_returns_is_waited_for_from_a_worker() -> None:
    with DAG("upstream", schedule=None):

        @task
        def ids() -> list[str]:
            return ["msgbatch_1"]

        assert not sensor(batch_ids=ids()).start_from_trigger


def test_below_airflow_3_3_every_task_starts_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "_STARTS_IN_TRIGGERER", False)
    assert not sensor().start_from_trigger


def test_mapped_tasks_start_on_a_worker() -> None:
    with DAG("mapped", schedule=None):
        mapped = MessageBatchSensor.partial(task_id="mapped", start_in_triggerer=True).expand(batch_ids=["a", "b"])
        assert not mapped.start_from_trigger
        found: list[MessageBatchSensor] = []

        @task_group
        def group(name: str) -> None:
            found.append(sensor(task_id="inside"))

        group.expand(name=["a", "b"])
    assert [inside.start_from_trigger for inside in found] == [False]


def resumed(event: dict[str, Any], **arguments: Any) -> Any:
    """Return the result of an event on a worker that has not run ``execute`` before."""
    return sensor(**arguments).execute_complete({}, event)


def event(outcome: str, **fields: Any) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "reason": None,
        "batch_ids": ["msgbatch_1"],
        "ended": ["msgbatch_1"] if outcome == "ended" else [],
        "still_running": [] if outcome == "ended" else ["msgbatch_1 (in_progress)"],
        "request_counts": COUNTS,
        **fields,
    }


def test_batches_that_ended_are_returned_with_their_counts() -> None:
    assert resumed(event("ended")) == {"batch_ids": ["msgbatch_1"], "request_counts": COUNTS}


def test_a_deadline_names_what_runs_on() -> None:
    with pytest.raises(
        AirflowSensorTimeout, match=r"within 0:01:00\. (.|\n)*No batch was canceled(.|\n)*msgbatch_1 \(in_pro"
    ):
        resumed(event("deadline"), timeout=60)


@pytest.mark.parametrize("outcome", ["not_found", "unreachable"])
def test_what_the_api_denies_fails_with_the_reason_and_may_be_retried(outcome: str) -> None:
    with pytest.raises(AirflowException, match="Nothing was canceled") as raised:
        resumed(event(outcome, reason="The API does not know msgbatch_1. Nothing was canceled."))
    assert not isinstance(raised.value, AirflowFailException | AirflowSensorTimeout)


def test_an_argument_of_no_use_fails_for_good() -> None:
    with pytest.raises(AirflowFailException, match="no ids"):
        resumed({"outcome": "invalid", "reason": "There are no ids."})


def test_a_poke_interval_and_a_timeout_may_be_durations() -> None:
    wait = sensor(poke_interval=pendulum.duration(minutes=1), timeout=timedelta(hours=1))
    assert (seconds_of(wait.poke_interval), seconds_of(wait.timeout)) == (60, 3600)
