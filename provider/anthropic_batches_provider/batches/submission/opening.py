"""Opens the job of a unit of work: the one that is there, or a new one where that is allowed."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pendulum

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.cancellation import cancel_batches
from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    BatchRecord,
    JobFolder,
    JobRecord,
    ShardState,
    Storage,
    UnitOfWork,
    create_job,
    jobs_of,
)
from anthropic_batches_provider.batches.service import CancelService
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.errors import ChangedInputError, ConfigurationError, LedgerError

log = logging.getLogger(__name__)

OnChangedInput = Literal["fail", "restart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What a task wants to be done.

    :param unit: the unit of work, which is what finds the job again.
    :param question: fingerprint of model, prompt, system and parameters.
    :param edition: names a deliberate new job; "" is the first.
    :param on_changed_input: what to do when the unit's job asked another question or had other rows.
    :param conn_id: for people; identity is the account.
    :param limits: how large a shard may become.
    :param tries: names the tries of one task instance between two clears: what such a try has finished, a later one
        takes as it is. "" names none.
    """

    unit: UnitOfWork
    question: str
    conn_id: str
    run_id: str
    edition: str = ""
    on_changed_input: OnChangedInput = "fail"
    betas: tuple[str, ...] = ()
    key_columns: tuple[str, ...] = ()
    column_prefix: str = ""
    limits: ShardLimits = field(default_factory=ShardLimits)
    tries: str = ""


class JobOpener:
    """Opens the job of one task's plan.

    :param account: the account that the connection leads to now.
    :param service: cancels what still runs of a job that is replaced.
    """

    def __init__(
        self, storage: Storage, plan: JobPlan, *, account: Account, service: CancelService, now: pendulum.DateTime
    ) -> None:
        self._storage = storage
        self._plan = plan
        self._account = account
        self._service = service
        self._now = now

    def open(self) -> JobFolder:
        """Return the job that this task is to bring forward.

        The unit's latest job of the plan's edition, if there is one; else a new one. An unfinished job whose question
        was changed by its author is the case of changed input.

        :raises ConfigurationError: the job belongs to another account.
        :raises ChangedInputError: the question changed, something was submitted, and the plan says ``fail``.
        """
        plan = self._plan
        jobs = jobs_of(self._storage, plan.unit.folder)
        job = _latest(jobs, plan.edition)
        if job is None:
            return self._new_job(after=jobs)
        description = job.description()
        _check_identity(job, description, plan, self._account)
        if job.is_replaced():
            return self._successor_of(job, after=jobs)  # a replacement that did not come to its end: go on with it
        if _asks_the_same(job, description, plan):
            return job
        return self.replace_changed(job, "the question (model, prompt, system or parameters)")

    def replace_changed(self, job: JobFolder, what: str) -> JobFolder:
        """Open a new job in place of one whose input changed, if the plan allows it.

        The old job is always abandoned before the new one is opened, also if it has sent nothing: an attempt of it may
        be reading its rows, and would send them. Where the plan may not cancel, that is contested first: if the job
        turns out to have begun to send, it is kept, and this is an ordinary change after the submission.

        :param what: what changed, in words.
        :raises ChangedInputError: something was submitted, and the plan says ``fail``.
        :raises LedgerError: another attempt has replaced the job meanwhile, or a call of it is in doubt.
        """
        plan = self._plan
        jobs = jobs_of(self._storage, plan.unit.folder)
        latest = _latest(jobs, plan.edition)
        if latest is None or latest.path != job.path:
            raise LedgerError(
                f"{job.uri} was to be replaced, since {what} changed, but another attempt has just opened "
                f"{latest.uri if latest else 'another job'} in its place. Nothing was sent by this one. Run it again: "
                "it goes on from there."
            )
        if plan.on_changed_input == "fail":
            self._contest(job, what)
        else:
            _check_no_doubts(job)
        log.warning("%s changed since %s: it is replaced.", what[0].upper() + what[1:], job.uri)
        return self._successor_of(job, after=jobs)

    def _contest(self, job: JobFolder, what: str) -> None:
        """Make sure that a job has sent nothing and never will.

        :raises ChangedInputError: it has sent something, or just begun to: it is kept.
        """
        if not _has_sent(job):
            job.record_contest(self._now.to_iso8601_string())
            if not job.decide_contest(keep=_has_sent(job)):
                return
        raise ChangedInputError(
            f"Since the job at {job.uri} was submitted, {what} changed. Nothing new was submitted, nothing was "
            "canceled, and what was paid for stays where it is. To keep the old answers, undo the change. To ask again "
            'and pay again, set edition="2" (or any name not used before for this unit), or '
            'on_changed_input="restart".'
        )

    def _successor_of(self, job: JobFolder, *, after: Sequence[JobFolder]) -> JobFolder:
        """Abandon a job, cancel what still runs of it, and open the job that takes its place.

        :raises LedgerError: whether a call of it made a batch is not known: a new job now could pay twice.
        """
        job.record_abandonment(self._now.to_iso8601_string())
        # Whoever decided a contest against it had seen that nothing of it was sent, and nothing can be since.
        doubtful = [] if job.has_lost_contest() else _in_doubt(job)
        if doubtful:
            raise LedgerError(
                f"{job.uri} is replaced, but an attempt of it was just sending shards {', '.join(doubtful)}, and "
                "whether that made batches is not known yet. Run this again once that attempt has ended, which cancels "
                "them. If this comes again although no attempt of it runs any more, settle them by hand (python -m "
                f"anthropic_batches_provider settle '{job.uri}'). No new job was opened: it could pay twice."
            )
        canceled, _ = cancel_batches(self._service, [batch.batch_id for batch in _batches(job)])
        if canceled:
            log.warning("Canceled of %s: %s; what they have finished is billed.", job.uri, ", ".join(canceled))
        return self._new_job(after=after)

    def _new_job(self, *, after: Sequence[JobFolder]) -> JobFolder:
        plan = self._plan
        job = create_job(
            self._storage,
            plan.unit.folder,
            JobRecord(
                nonce=secrets.token_hex(6),
                owner=plan.unit.owner,
                edition=plan.edition,
                account=AccountRecord.of(self._account),
                conn_id=plan.conn_id,
                run_id=plan.run_id,
                opened_at=self._now.to_iso8601_string(),
                question=plan.question,
                betas=plan.betas,
                key_columns=plan.key_columns,
                column_prefix=plan.column_prefix,
            ),
            after=after,
        )
        # Another attempt may have created it first, with another connection.
        _check_identity(job, job.description(), plan, self._account)
        return job


def reopened_job(job: JobFolder, *, account: Account, conn_id: str) -> JobFolder:
    """Return a job that an attempt was deferred with, as it is: whatever the DAG says by now.

    :param account: the account that the connection leads to now.
    :raises JobNotFoundError: its folder is gone; a new one would pay again.
    :raises ConfigurationError: it belongs to another account.
    :raises LedgerError: another job has taken its place.
    """
    description = job.description()
    _check_account(job, description, conn_id, account)
    if job.is_replaced():
        raise LedgerError(
            f"{job.uri} was replaced by another job of the same unit while this attempt was deferred. Nothing more is "
            "sent or written by it."
        )
    return job


def _asks_the_same(job: JobFolder, description: JobRecord, plan: JobPlan) -> bool:
    is_the_same = description.question == plan.question
    if job.find_seal() is None:
        # Nothing was sent yet: what the output shall look like may still change, too.
        is_the_same = is_the_same and (description.key_columns, description.column_prefix) == (
            plan.key_columns,
            plan.column_prefix,
        )
    return is_the_same


def _check_identity(job: JobFolder, description: JobRecord, plan: JobPlan, account: Account) -> None:
    if description.owner != plan.unit.owner:
        raise ConfigurationError(
            f"The job at {job.uri} belongs to {description.owner!r}, and this task is {plan.unit.owner!r}: the store "
            "takes their names for one. Nothing was submitted. Rename the DAG, the task or the unit=."
        )
    _check_account(job, description, plan.conn_id, account)


def _check_account(job: JobFolder, description: JobRecord, conn_id: str, account: Account) -> None:
    paying = description.account.account()
    if paying.may_be(account):
        if paying != account:
            raise LedgerError(
                f"The job at {job.uri} was opened for {paying}, and the service now names {account}: whether they are "
                "one "
                "cannot be told, since headers are missing. Nothing was submitted. Run the task again; if a proxy "
                "takes the headers away, set workspace_id in the connection's extra."
            )
        return
    raise ConfigurationError(
        f"The job at {job.uri} was opened for {paying}, but connection {conn_id!r} now leads to {account}. "
        "Its batches can only be read with the first account's key. Nothing was submitted. Give the connection "
        "back its account, or ask for a deliberate new job with edition=."
    )


def _check_no_doubts(job: JobFolder) -> None:
    if doubtful := _in_doubt(job):
        raise ChangedInputError(
            f"Whether the create calls of shards {', '.join(doubtful)} of {job.uri} made batches is not known, so that "
            "they cannot be canceled, and a new job now could pay twice. Nothing was submitted. Undo the change and "
            "run the task, which settles them, or settle them by hand (python -m anthropic_batches_provider settle "
            f"'{job.uri}'); then restart."
        )


def _in_doubt(job: JobFolder) -> list[str]:
    return [str(state.shard.shard) for state in _shards(job) if state.open_intent is not None]


def _batches(job: JobFolder) -> list[BatchRecord]:
    return [state.batch for state in _shards(job) if state.batch is not None]


def _has_sent(job: JobFolder) -> bool:
    """Return whether a batch of a job exists, or may."""
    return any(state.batch is not None or state.open_intent is not None for state in _shards(job))


def _shards(job: JobFolder) -> list[ShardState]:
    return job.shards() if job.find_seal() is not None else []


def _latest(jobs: Sequence[JobFolder], edition: str) -> JobFolder | None:
    for job in reversed(jobs):
        if job.description().edition == edition:
            return job
    return None
