"""Between an Airflow task and the job that it works on: identity, references, places."""

from __future__ import annotations

import ast
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict, cast

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, conf

from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.ledger import JobFolder, UnitOfWork
    from anthropic_batches_provider.batches.submission import SubmissionBounds

log = logging.getLogger(__name__)

DEFAULT_CONN_ID = "anthropic_default"

_BOUNDS_OPTIONS = {
    "start_within": "post_start_seconds",
    "post_deadline": "post_deadline_seconds",
    "settle_time": "settle_seconds",
}
_DEPTH_OF_A_JOB = 5  # dag, task, unit, map index, job


class JobReference(TypedDict):
    """What a submitting task returns, and what ``job=`` takes.

    ``job`` is the URI of the job folder, ``batch_ids`` the batches in order of their shards, ``requests`` the number of
    rows, ``conn_id`` the connection that reaches them.
    """

    job: str
    conn_id: str
    batch_ids: list[str]
    requests: int


def unit_of_work(context: Context, unit: str | None) -> UnitOfWork:
    """Return what a retry, a clear and a backfill's reprocess of this task share.

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


def seconds_of(duration: timedelta | float) -> float:
    """Return a duration in seconds, however the DAG's author gave it."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def attempt_group(context: Context) -> str:
    """Return what names the tries of a task between two clears of its run; "" where Airflow does not tell.

    Each clear counts, of whatever task of the run: taken for another, a retry only reads its rows once more.
    """
    dag_run: Any = context["dag_run"]
    clear_number, started_at = getattr(dag_run, "clear_number", None), getattr(dag_run, "start_date", None)
    if clear_number is None or started_at is None:
        return ""
    return f"{dag_run.run_id}#{clear_number}#{started_at.isoformat()}"


def find_job(job: Any) -> JobFolder:
    """Return the job that a reference or a URI names.

    :param job: a :class:`JobReference` or the URI of a job folder.
    :raises ConfigurationError: it is neither.
    """
    from anthropic_batches_provider.batches.ledger import JobFolder

    uri = job.get("job") if isinstance(job, Mapping) else job
    parts = uri.rstrip("/").rsplit("/", _DEPTH_OF_A_JOB) if isinstance(uri, str) else []
    if len(parts) != _DEPTH_OF_A_JOB + 1:
        raise ConfigurationError(
            f"job= is {job!r:.200}, which names no job. Give it the output of a MessageBatchSubmitOperator "
            "(job=submit.output), or the URI of a job folder; of a mapped submitting task, expand over its output "
            "(.expand(job=submit.output))."
        )
    return JobFolder(open_storage(parts[0]), "/".join(parts[1:]))


def known_batch_ids(job: Any, batch_ids: Any) -> list[str]:
    """Return the batches that an operator was pointed to.

    :param job: a job reference, a URI, several of them, or None.
    :param batch_ids: plain ids, one or several, or None.
    :raises ConfigurationError: neither or both are given, or the ids are not text.
    """
    if (job is None) == (batch_ids is None):
        raise ConfigurationError("Give either job= (the output of a submitting task) or batch_ids=, and not both.")
    if job is None:
        return batch_ids_in(batch_ids)
    if not isinstance(job, (str, Mapping)) and isinstance(job, Sequence):
        return [batch_id for one in job for batch_id in known_batch_ids(one, None)]
    if isinstance(job, Mapping) and job.get("batch_ids"):
        return list(job["batch_ids"])
    return [batch.batch_id for batch in find_job(job).batches()]


def batch_ids_in(rendered: Any) -> list[str]:
    """Return the ids that a rendered template names, in order.

    :param rendered: a list of ids, or a text: one id, several with commas or spaces between them, or a list as Python
        or JSON write it, which is what a template makes of a list.
    :raises ConfigurationError: it names none, or is neither.
    """
    found: Any = rendered
    if isinstance(rendered, str):
        text = rendered.strip()
        try:
            found = ast.literal_eval(text) if text[:1] in ("[", "(") else text.replace(",", " ").split()
        except (ValueError, SyntaxError):
            found = None
    is_list = isinstance(found, Sequence) and not isinstance(found, str)
    if not is_list or not found or not all(isinstance(batch_id, str) and batch_id for batch_id in found):
        raise ConfigurationError(
            f"batch_ids= must be ids of message batches (msgbatch_…), not {rendered!r:.200}. Nothing was waited for; "
            "whatever batches there are run on."
        )
    return list(dict.fromkeys(found))


def connection_of(conn_id: str | None, job: Any) -> str:
    """Return the connection to use: the operator's own, else the one the job was submitted with, else the default."""
    if conn_id:
        return conn_id
    first = job[0] if not isinstance(job, (str, Mapping)) and isinstance(job, Sequence) and job else job
    if isinstance(first, Mapping) and first.get("conn_id"):
        return str(first["conn_id"])
    if isinstance(first, str):
        return find_job(first).description().conn_id
    return DEFAULT_CONN_ID


def host_of(conn_id: str) -> str:
    """Return a connection's host as it was entered, empty for the public one; does not import the SDK.

    :raises ConfigurationError: there is no such connection.
    """
    try:
        return BaseHook.get_connection(conn_id).host or ""
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"There is no Airflow connection {conn_id!r}. Add one of type anthropic_batches with the API key as its "
            "password. Nothing was sent."
        ) from error


def submission_bounds() -> SubmissionBounds:
    """Return how long a create call may take, from ``[anthropic_batches]``."""
    import pendulum

    from anthropic_batches_provider.batches.submission import SubmissionBounds

    standard = SubmissionBounds()
    return SubmissionBounds(
        **{
            name: pendulum.duration(
                seconds=conf.getfloat("anthropic_batches", option, fallback=getattr(standard, name).total_seconds())
            )
            for name, option in _BOUNDS_OPTIONS.items()
        }
    )


def show_in_task_state(context: Context, key: str, value: dict[str, Any]) -> None:
    """Mirror what the ledger knows into Airflow's task state store, for the UI and REST; Airflow 3.3 and later.

    The ledger stays the truth: nothing reads this back, and a store that is missing or fails is passed over.
    """
    store: Any = cast("dict[str, Any]", context).get("task_state_store")
    if store is None:
        return
    try:
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]

        store.set(key, value, retention=NEVER_EXPIRE)
    except Exception as error:  # noqa: BLE001 - a mirror must not fail what it shows
        log.warning("The task state store took no copy of %s: %s", key, error)
