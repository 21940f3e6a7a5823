"""Finds a task in this Airflow's DAGs, by reading their files; the metadata database is not changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError

_MOST_SHOWN = 10


def find_task(dag_id: str, task_id: str, file: str | None) -> Any:
    """Return a task that sends rows.

    :param file: of the DAG; None for those of this Airflow's DAG bundles.
    :raises ConfigurationError: there is no such DAG or task, it sends no rows, or only a run knows its rows.
    """
    dag = _dag(dag_id, file)
    task = dag.task_dict.get(task_id)
    if task is None or not _sends_rows(task):
        raise _no_task(dag, task_id)
    _check_known(task)
    return task


def _dag(dag_id: str, file: str | None) -> Any:
    errors: dict[str, str] = {}
    for bag in _bags(dag_id, file):
        if dag_id in bag.dags:
            return bag.dags[dag_id]
        errors |= bag.import_errors
    where = f"in {file}" if file else "in this Airflow's DAG bundles"
    broken = "".join(
        f"\n- {name}: {error.strip().splitlines()[-1]}" for name, error in list(errors.items())[:_MOST_SHOWN]
    )
    broken = f" These files could not be read:{broken}" if errors else ""
    raise ConfigurationError(
        f"There is no DAG {dag_id} {where}. Check its id, or name its file with --file. Nothing was sent.{broken}"
    )


def _bags(dag_id: str, file: str | None) -> Iterator[Any]:
    """Yield the DAGs of a file, or of each bundle."""
    if file is not None:
        path = Path(file).absolute()
        if not path.is_file():
            raise ConfigurationError(f"There is no file {file}. Give the path of the DAG's Python file with --file.")
        yield _read(dag_id, path, path.parent, "file")
        return
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    for bundle in DagBundlesManager().get_all_dag_bundles():
        bundle.initialize()
        yield _read(dag_id, bundle.path, bundle.path, bundle.name)


def _read(dag_id: str, path: Path, root: Path, name: str) -> Any:
    from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

    if str(root) not in sys.path:  # as Airflow's own commands find the modules beside a DAG
        sys.path.append(str(root))
    with _airflow_parsing_context_manager(dag_id=dag_id):
        try:
            from airflow.dag_processing.dagbag import DagBag
        except ImportError:  # Airflow below 3.2
            from airflow.models.dagbag import DagBag as OlderDagBag

            return OlderDagBag(dag_folder=str(path), include_examples=False, bundle_path=root)
        return DagBag(dag_folder=str(path), bundle_path=root, bundle_name=name)


def _sends_rows(task: Any) -> bool:
    from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator

    kind = getattr(task, "operator_class", type(task))
    return isinstance(kind, type) and issubclass(kind, RowsOperator)


def _check_known(task: Any) -> None:
    """Check that the rows and the question are known without a run.

    :raises ConfigurationError: the task is mapped, or takes the output of other tasks.
    """
    from airflow.sdk.definitions.xcom_arg import XComArg

    from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator

    if getattr(task, "is_mapped", False):
        raise _only_a_run(task, "is mapped")
    fields = [getattr(task, name) for name in RowsOperator.template_fields]
    others = sorted({str(other.task_id) for field in fields for other, _ in XComArg.iter_xcom_references(field)})
    if others:
        raise _only_a_run(task, f"takes the output of {', '.join(others)}")


def _only_a_run(task: Any, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"Task {task.task_id} of DAG {task.dag_id} {what}, so only a run knows its rows. Estimate it in the DAG: put a "
        "MessageBatchEstimateOperator with the same arguments before it. Nothing was sent."
    )


def _no_task(dag: Any, task_id: str) -> ConfigurationError:
    what = f"has a task {task_id}, but it sends no rows" if task_id in dag.task_dict else f"has no task {task_id}"
    sending = [each.task_id for each in dag.tasks if _sends_rows(each)]
    way = f"Name one of its tasks that send rows: {', '.join(sending)}." if sending else "None of its tasks sends rows."
    return ConfigurationError(f"DAG {dag.dag_id} {what}. {way} Nothing was sent.")
