"""Every kind of input, every way to wait, and what Airflow shows of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from anthropic_batches_provider.operators import MessageBatchCancelOperator, MessageBatchResultsOperator
from anthropic_batches_provider.sensors import MessageBatchSensor
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, Run

JOB = "file:///nowhere/dag/task/unit/-/job-0001"
SECRETS = ("secret of the user's", "not rendered")


def shown(run: Run) -> str:
    """Return everything that Airflow stores of a run's rendered fields and of its DAG."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        fields = session.scalars(select(RenderedTaskInstanceFields.rendered_fields)).all()
        dags = session.scalars(select(SerializedDagModel)).all()
        return json.dumps([list(fields), [dag.data for dag in dags]], default=str)


def test_whatever_comes_in_goes_out_and_nothing_of_it_is_shown(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.change_settings(batch_duration=1.0)
    run = dags.run("variety")
    assert {task: state for task, state in run.tasks.items() if state != "success"} == {"empty": "skipped"}

    ready: list[dict[str, Any]] = run.xcom("ready_rows")
    assert [row["key"] for row in ready] == ["mine/0", "mine/1"]
    assert all(row["message"]["role"] == "assistant" for row in ready)

    built: list[dict[str, Any]] = run.xcom("foreign_rows")
    assert len(built) == 3
    assert all("key" not in row and row["result_type"] == "succeeded" for row in built)

    everything = shown(run)
    assert "<2 rows>" in everything
    assert not [secret for secret in SECRETS if secret in everything]
    assert message_batch_simulator.api_key not in everything


@pytest.mark.parametrize("named", [{"batch_ids": "None"}, {"job": {"job": JOB, "batch_ids": ["../x"]}}])
def test_what_is_no_id_is_refused_before_anything_is_canceled_or_collected(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch, named: dict[str, Any]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", message_batch_simulator.airflow_connection_json)
    for operator in (MessageBatchCancelOperator, MessageBatchResultsOperator, MessageBatchSensor):
        if "job" in named and operator is MessageBatchResultsOperator:  # reads the job's ledger, not the reference
            continue
        templates: dict[str, Any] = dict.fromkeys(named, "{{ rendered }}")
        task = operator(task_id="t", **templates)
        for name, rendered in named.items():
            setattr(task, name, rendered)
        with pytest.raises(AirflowFailException, match=r"holds '(None|\.\./x)', which is not the id"):
            task.execute({"ti": None})  # type: ignore[typeddict-item]
    assert message_batch_simulator.control.received().calls == {}


def test_a_second_cancellation_finds_nothing_to_do(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.change_settings(batch_duration=3600.0, cancel_duration=3600.0)
    run = dags.run("cancels")
    assert run.state == "success"
    canceled = run.xcom("canceled")["canceled"]
    assert len(canceled) == 1
    assert run.xcom("canceled_again") == {"canceled": [], "untouched": canceled}
    assert message_batch_simulator.control.received().calls["cancel"] == 1
    assert not [secret for secret in SECRETS if secret in shown(run)]


def test_a_wait_that_takes_too_long_says_what_still_runs_and_leaves_it(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    message_batch_simulator.control.change_settings(batch_duration=3600.0)
    run = dags.run("timeouts")
    assert (run.tasks["deferred"], run.tasks["poked"]) == ("failed", "failed")
    control = message_batch_simulator.control
    assert control.received().calls.get("cancel", 0) == 0
    control.end_batches()
    assert control.billing().rows_billed == 1


def test_airflow_shows_batches_and_counts_in_its_task_state(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    models = pytest.importorskip("airflow.models.task_state_store", reason="the task state store came with Airflow 3.3")
    from airflow.utils.session import create_session
    from sqlalchemy import select

    run = dags.run("summaries_to_xcom")
    with create_session() as session:
        records = session.scalars(
            select(models.TaskStateStoreModel).where(models.TaskStateStoreModel.dag_run_id == run.dag_run.id)
        ).all()
        state = {(record.task_id, record.key): json.loads(record.value) for record in records}
    submitted = run.xcom("submit")
    assert state["submit", "message_batches"] == {name: submitted[name] for name in ("job", "batch_ids", "requests")}
    assert state["wait", "request_counts"]["succeeded"] == submitted["requests"]
    assert state["results", "manifest"]["rows"] == submitted["requests"]
