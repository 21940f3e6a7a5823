"""The jobs and batches that ``job=`` and ``batch_ids=`` name."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from anthropic_batches_provider.batches.batch_ids import check_batch_id
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.ledger import JobFolder

_DEPTH_OF_A_JOB = 5  # dag, task, unit, map index, job


class JobReference(TypedDict):
    """The return value of a submitting task, and the value of ``job=``.

    ``job`` is the URI of the job folder, ``batch_ids`` the batches in order of their shards, ``requests`` the number of
    rows that were sent, ``conn_id`` the connection that reaches the batches.
    """

    job: str
    conn_id: str
    batch_ids: list[str]
    requests: int


def find_job(job: Any) -> JobFolder:
    """Return the job that a reference or a URI names.

    :param job: a :class:`JobReference` or the URI of a job folder.
    :raises ConfigurationError: it is neither.
    """
    from anthropic_batches_provider.batches.ledger import JobFolder
    from anthropic_batches_provider.edge.object_storage import open_storage

    parts = parts_of_job(job)
    return JobFolder(open_storage(parts[0]), "/".join(parts[1:]))


def parts_of_job(job: Any) -> list[str]:
    """Return the storage of a job, and the folders of its path.

    :param job: as :func:`find_job`.
    :raises ConfigurationError: as :func:`find_job`.
    """
    uri = job.get("job") if isinstance(job, Mapping) else job
    parts = uri.rstrip("/").rsplit("/", _DEPTH_OF_A_JOB) if isinstance(uri, str) else []
    if len(parts) != _DEPTH_OF_A_JOB + 1:
        raise ConfigurationError(
            f"job= is {job!r:.200}, which names no job. Give it the output of a MessageBatchSubmitOperator "
            "(job=submit.output), or the URI of a job folder. If the submitting task is mapped, expand over its output "
            "(.expand(job=submit.output))."
        )
    return parts


def one_of_both(job: Any, batch_ids: Any) -> None:
    """Check that either ``job`` or ``batch_ids`` is given.

    :raises ConfigurationError: neither or both are.
    """
    if (job is None) == (batch_ids is None):
        raise ConfigurationError(
            "job= and batch_ids= are both given or both missing. "
            "Give exactly one: job= (the output of a submitting task) or batch_ids=."
        )


def known_batch_ids(job: Any, batch_ids: Any) -> list[str]:
    """Return the ids of the batches that an operator's arguments name.

    :param job: a job reference, a URI, several of them, or None.
    :param batch_ids: plain ids, one or several, or None.
    :raises ConfigurationError: neither or both are given, or an id can be none.
    """
    one_of_both(job, batch_ids)
    if job is None:
        return batch_ids_in(batch_ids)
    if not isinstance(job, (str, Mapping)) and isinstance(job, Sequence):
        return [batch_id for one in job for batch_id in known_batch_ids(one, None)]
    if isinstance(job, Mapping) and job.get("batch_ids"):
        return batch_ids_in(job["batch_ids"], "the batch_ids of job=")
    return [batch.batch_id for batch in find_job(job).batches()]


def batch_ids_in(rendered: Any, place: str = "batch_ids=") -> list[str]:
    """Return the ids that a rendered template names, in order.

    :param rendered: a list of ids, or a text: one id, several ids separated by commas or spaces, or a list in Python or
        JSON notation, which is how a template renders a list.
    :param place: the argument that holds it, for messages.
    :raises ConfigurationError: it names no ids, is neither a list nor a text, or has an entry that can be no id, which
        the message names.
    """
    found: Any = rendered
    if isinstance(rendered, str):
        text = rendered.strip()
        try:
            found = ast.literal_eval(text) if text[:1] in ("[", "(") else text.replace(",", " ").split()
        except (ValueError, SyntaxError):
            found = None
    is_list = isinstance(found, Sequence) and not isinstance(found, str)
    if not is_list or not found:
        raise ConfigurationError(
            f"{place} must be ids of message batches (msgbatch_…), not {rendered!r:.200}. Check that the task or "
            "parameter that they come from gives ids; the output of a submitting task belongs in job=. Nothing was "
            "sent; batches that run keep running."
        )
    return list(dict.fromkeys(check_batch_id(entry, place) for entry in found))
