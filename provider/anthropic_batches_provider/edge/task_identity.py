"""The identity of a task: its unit of work, and which of its tries belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.ledger import UnitOfWork


def unit_of_work(context: Context, unit: str | None) -> UnitOfWork:
    """Return the unit of work that a retry, a clear and a backfill's reprocess of this task share.

    :param unit: the user's ``unit=``, already rendered.
    """
    from anthropic_batches_provider.batches.ledger import UnitOfWork

    dag_run: Any = context["dag_run"]
    logical_date = getattr(dag_run, "logical_date", None)
    found = unit or getattr(dag_run, "partition_key", None) or (logical_date and logical_date.isoformat())
    task_instance: Any = context["ti"]
    map_index = task_instance.map_index
    return UnitOfWork(
        dag_id=task_instance.dag_id,
        task_id=task_instance.task_id,
        unit=str(found or dag_run.run_id),
        map_index=-1 if map_index is None else map_index,
    )


def attempt_group(context: Context) -> str:
    """Return a name for the tries of a task between two clears of its run; "" if Airflow does not identify them.

    Every clear of any task of the run starts a new group. At worst, a retry is mistaken for a clear and reads its rows
    once more.
    """
    dag_run: Any = context["dag_run"]
    clear_number, started_at = getattr(dag_run, "clear_number", None), getattr(dag_run, "start_date", None)
    if clear_number is None or started_at is None:
        return ""
    return f"{dag_run.run_id}#{clear_number}#{started_at.isoformat()}"
