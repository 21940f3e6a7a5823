"""The contexts in which templates are rendered for runs that do not exist: planned ones, of a backfill.

Invariant: no run is made, and nothing is asked of the metadata database but variables and connections that a template
names.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from anthropic_batches_provider.edge.run_dates import PlannedRun
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context


def context_on(context: Context, run: PlannedRun, task: Any) -> Context:
    """Return the context of a running task as it would be in another run; outputs of other tasks are those of this run.

    :param context: of the running task; it stays as it is.
    :param run: gives the dates.
    :param task: the operator that is rendered in it.
    """
    run_id = f"backfill__{run.logical_date.isoformat()}"
    dag_run = copy(cast("Any", context["dag_run"]))
    dag_run.run_id = run_id
    for name in ("logical_date", "data_interval_start", "data_interval_end"):
        setattr(dag_run, name, getattr(run, name))
    return cast("Context", {**context, **_dates_of(run, task), "task": task, "run_id": run_id, "dag_run": dag_run})


def context_without_run(dag: Any, task: Any, run: PlannedRun, conf: Mapping[str, Any]) -> Context:
    """Return the context that a task would have in a run, outside of any.

    :param task: the operator that is rendered in it.
    :param conf: the values of the DAG's params that differ from their defaults.
    :raises ConfigurationError: a param is not valid; and where a template asks for the output of another task.
    """
    from airflow.sdk.definitions.param import process_params
    from airflow.sdk.execution_time.context import ConnectionAccessor, MacrosAccessor, VariableAccessor

    try:
        params = process_params(dag, task, dict(conf), suppress_exception=False)
    except Exception as error:
        raise ConfigurationError(
            f"The params of DAG {dag.dag_id} are not valid: {_first_line(error)}. Give their values as JSON with "
            "--conf. Nothing was sent."
        ) from error
    instance = _InstanceWithoutRun(dag.dag_id, task.task_id)
    plain: dict[str, Any] = {
        "dag": dag,
        "ti": instance,
        "task_instance": instance,
        "dag_run": SimpleNamespace(dag_id=dag.dag_id, run_type="backfill", conf=dict(conf), partition_key=None),
        "params": params,
        "macros": MacrosAccessor(),
        "var": {"json": VariableAccessor(deserialize_json=True), "value": VariableAccessor(deserialize_json=False)},
        "conn": ConnectionAccessor(),
        "inlets": task.inlets,
        "outlets": task.outlets,
    }
    return context_on(cast("Context", plain), run, task)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _dates_of(run: PlannedRun, task: Any) -> dict[str, Any]:
    """Return what Airflow's templates have of a run's dates."""
    moment = run.logical_date
    ds, ts = moment.strftime("%Y-%m-%d"), moment.isoformat()
    ds_nodash = ds.replace("-", "")
    return {
        "logical_date": moment,
        "data_interval_start": run.data_interval_start,
        "data_interval_end": run.data_interval_end,
        "ds": ds,
        "ds_nodash": ds_nodash,
        "ts": ts,
        "ts_nodash": moment.strftime("%Y%m%dT%H%M%S"),
        "ts_nodash_with_tz": ts.replace("-", "").replace(":", ""),
        "task_instance_key_str": f"{task.dag_id}__{task.task_id}__{ds_nodash}",
    }


class _InstanceWithoutRun:
    """Stands in for the task instance of a run that does not exist."""

    map_index = -1
    try_number = 1

    def __init__(self, dag_id: str, task_id: str) -> None:
        self.dag_id = dag_id
        self.task_id = task_id

    def xcom_pull(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigurationError(
            f"Task {self.task_id} takes the output of another task in a template, which only a run knows. Estimate it "
            "in the DAG: MessageBatchEstimateOperator. Nothing was sent."
        )
