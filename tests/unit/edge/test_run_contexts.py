"""Templates see the dates of a run that does not exist, and nothing of it is made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, BaseOperator, Param

from anthropic_batches_provider.edge.run_contexts import context_on, context_without_run
from anthropic_batches_provider.edge.run_dates import PlannedRun
from anthropic_batches_provider.errors import ConfigurationError

RUN = PlannedRun(
    logical_date=pendulum.datetime(2026, 1, 5, 6),
    data_interval_start=pendulum.datetime(2026, 1, 5, 6),
    data_interval_end=pendulum.datetime(2026, 1, 6, 6),
)
PRINTED = (
    "{{ ds }} {{ ds_nodash }} {{ ts }} {{ ts_nodash }} {{ ts_nodash_with_tz }} {{ logical_date.day }} "
    "{{ data_interval_start | ds }} {{ data_interval_end | ds }} {{ dag_run.logical_date.month }} {{ run_id }} "
    "{{ dag.dag_id }} {{ task.task_id }} {{ ti.task_id }} {{ task_instance_key_str }} {{ macros.ds_add(ds, 1) }} "
    "{{ params.size }}"
)
EXPECTED = (
    "2026-01-05 20260105 2026-01-05T06:00:00+00:00 20260105T060000 20260105T060000+0000 5 "
    "2026-01-05 2026-01-06 1 backfill__2026-01-05T06:00:00+00:00 "
    "labels ask ask labels__ask__20260105 2026-01-06 "
    "7"
)


@pytest.fixture
def task() -> BaseOperator:
    with DAG("labels", schedule=None, params={"size": Param(3, type="integer")}):
        return BaseOperator(task_id="ask")


def rendered(task: BaseOperator, context: Any, text: str = PRINTED) -> Any:
    return task.render_template(text, context)


def test_a_context_without_a_run_has_what_templates_take(task: BaseOperator) -> None:
    context = context_without_run(task.dag, task, RUN, {"size": 7})
    assert rendered(task, context) == EXPECTED
    assert rendered(task, context, "{{ dag_run.conf }}") == "{'size': 7}"


def test_variables_are_those_of_this_airflow(task: BaseOperator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_LAKE", "s3://lake")
    assert rendered(task, context_without_run(task.dag, task, RUN, {}), "{{ var.value.lake }}") == "s3://lake"


def test_params_have_their_defaults_and_are_checked(task: BaseOperator) -> None:
    assert context_without_run(task.dag, task, RUN, {})["params"] == {"size": 3}
    with pytest.raises(ConfigurationError, match=r"params of DAG labels are not valid.*--conf.*Nothing was sent"):
        context_without_run(task.dag, task, RUN, {"size": "many"})


def test_outputs_of_other_tasks_are_refused_by_name(task: BaseOperator) -> None:
    context = context_without_run(task.dag, task, RUN, {})
    with pytest.raises(ConfigurationError, match="Task ask takes the output of another task in a template"):
        rendered(task, context, "{{ ti.xcom_pull('other') }}")


def test_a_running_tasks_context_changes_its_dates_and_nothing_else(task: BaseOperator) -> None:
    run = SimpleNamespace(run_id="manual__1", logical_date=pendulum.datetime(2026, 11, 29), conf={"size": 7})
    own: Any = {"dag": task.dag, "task": task, "dag_run": run, "run_id": "manual__1", "ds": "2026-11-29"}
    own |= {"ti": SimpleNamespace(task_id="ask"), "params": {"size": 7}, "macros": macros()}
    before = {**own}
    assert rendered(task, context_on(own, RUN, task)) == EXPECTED
    assert own == before
    assert run.run_id == "manual__1"


def macros() -> Any:
    from airflow.sdk.execution_time.context import MacrosAccessor

    return MacrosAccessor()
