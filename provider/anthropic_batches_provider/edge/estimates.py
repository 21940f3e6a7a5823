"""What an estimate is told of the answers' length: by an earlier job, as a share of ``max_tokens``, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.job_references import find_job, parts_of_job
from anthropic_batches_provider.edge.mapped_arguments import is_unmapped
from anthropic_batches_provider.edge.templates import Templates
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.estimates import OutputExpectation
    from anthropic_batches_provider.batches.ledger import JobFolder, PilotRecord

_JOB_FOLDER = "job-"  # how the name of each job folder begins, before its number

_NO_PILOT = (
    "Name a job of more than 1,000 rows, or one with a number as its pilot=, that has begun to answer; or give "
    "output_share= instead. Nothing was sent."
)


def check_output_arguments(operator: Any) -> None:
    """Check ``earlier_job`` and ``output_share`` when the DAG is parsed.

    :param operator: has both as attributes.
    :raises ConfigurationError: both are given, the share is none, or ``earlier_job`` names no job.
    """
    if is_unmapped(operator):
        return
    check_output_share(operator.output_share)
    job, templates = operator.earlier_job, Templates.of(operator)
    if not templates.is_literal(job) or not job:
        return
    if operator.output_share is not None:
        raise _both()
    _check_job(job)


def check_output_share(share: Any) -> None:
    """Check a share of ``max_tokens``.

    :raises ConfigurationError: it is no number above 0 and at most 1; None is fine.
    """
    if share is None:
        return
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise ConfigurationError(
            f"output_share= must be above 0 and at most 1, such as 0.25 for a quarter of max_tokens, not {share!r:.80}."
        )


def output_expectation(earlier_job: Any, output_share: float | None) -> OutputExpectation:
    """Return what is known of the answers' length.

    :param earlier_job: a job reference, a manifest, or the URI of a job folder, whose pilot was answered; None or an
        empty text for none.
    :param output_share: of ``max_tokens``; None for none.
    :raises ConfigurationError: both are given, or the job has no pilot with two answers.
    """
    from anthropic_batches_provider.batches.estimates import UNKNOWN_OUTPUT, Share

    check_output_share(output_share)
    if not earlier_job:
        return UNKNOWN_OUTPUT if output_share is None else Share(float(output_share))
    if output_share is not None:
        raise _both()
    _check_job(earlier_job)
    return _of_pilots(find_job(earlier_job))


def _check_job(job: Any) -> None:
    try:
        is_job = parts_of_job(job)[-1].startswith(_JOB_FOLDER)
    except ConfigurationError:
        is_job = False
    if not is_job:
        raise ConfigurationError(
            f"earlier_job= is {job!r:.200}, which names no job. Give it the job reference or the manifest that a task "
            "returned, or the URI of a job folder, such as …/job-0001: the field `job` of a manifest has it. A task "
            'that returns its rows has its manifest in the XCom "manifest": XComArg(task, key="manifest"). Nothing was '
            "sent."
        )


def _of_pilots(job: JobFolder) -> OutputExpectation:
    from anthropic_batches_provider.batches.estimates import FromPilot
    from anthropic_batches_provider.batches.ledger import sent_pilots

    job.description()  # raises the error that names the storage, if there is no such job
    shown = [record for pilot in sent_pilots(job.rounds()) if (record := job.pilot(pilot)) is not None]
    tokens = tuple(sorted(count for record in shown for count in record.output_tokens))
    if not shown:
        raise ConfigurationError(f"The earlier job {job.uri} has no pilot, or none that is judged yet. {_NO_PILOT}")
    try:
        return FromPilot(tokens, _model_of(shown), job.uri, sum(each.verdicts.get("truncated", 0) for each in shown))
    except ValueError as error:
        raise ConfigurationError(
            f"The pilot of the earlier job {job.uri} says too little. {error} {_NO_PILOT}"
        ) from None


def _model_of(shown: Iterable[PilotRecord]) -> str:
    models = {record.model for record in shown if record.output_tokens}
    return models.pop() if len(models) == 1 else ""


def _both() -> ConfigurationError:
    return ConfigurationError(
        "earlier_job= and output_share= are both given, and both say how long the answers will be. Give one of them."
    )
