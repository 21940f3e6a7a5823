"""Opens the job of a unit of work: the one that is there, or a new one where that is allowed."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pendulum

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    JobFolder,
    JobRecord,
    Storage,
    UnitOfWork,
    create_job,
    jobs_of,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.errors import ChangedInputError, ConfigurationError

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


class CancelService(Protocol):
    """What opening asks of the client."""

    def retrieve(self, batch_id: str) -> MessageBatch:
        """Look at one batch."""

    def cancel(self, batch_id: str) -> MessageBatch:
        """Cancel a batch."""


def open_job(
    storage: Storage, plan: JobPlan, *, account: Account, service: CancelService, now: pendulum.DateTime
) -> JobFolder:
    """Return the job that this task is to bring forward.

    The unit's latest job of the plan's edition, if there is one; else a new one. An unfinished job whose question was
    changed by its author is the case of changed input.

    :param account: the account that the connection leads to now.
    :raises ConfigurationError: the job belongs to another account.
    :raises ChangedInputError: the question changed, something was submitted, and the plan says ``fail``.
    """
    job = _latest(storage, plan)
    if job is None:
        return _new_job(storage, plan, account=account, now=now)
    description = job.description()
    paying = description.account.account()
    if paying != account:
        raise ConfigurationError(
            f"The job at {job.uri} was opened for {paying}, but connection {plan.conn_id!r} now leads to {account}. "
            "Its batches can only be read with the first account's key. Nothing was submitted. Give the connection "
            "back its account, or ask for a deliberate new job with edition=."
        )
    if description.question == plan.question:
        return job
    return replace_changed_job(storage, job, plan, "the question (model, prompt, system or parameters)",
                               account=account, service=service, now=now)  # fmt: skip


def replace_changed_job(
    storage: Storage,
    job: JobFolder,
    plan: JobPlan,
    what: str,
    *,
    account: Account,
    service: CancelService,
    now: pendulum.DateTime,
) -> JobFolder:
    """Open a new job in place of one whose input changed, if the plan allows it.

    :param what: what changed, for people.
    :raises ChangedInputError: something was submitted, and the plan says ``fail``.
    """
    attempts = [attempt for state in job.shards() for attempt in state.attempts] if job.seal() is not None else []
    if attempts and plan.on_changed_input == "fail":
        raise ChangedInputError(
            f"Since the job at {job.uri} was submitted, {what} changed. Nothing new was submitted, and what was paid "
            "for stays where it is. To keep the old answers, undo the change. To ask again and pay again, set "
            'edition="2" (or any name not used before for this unit), or on_changed_input="restart".'
        )
    if attempts:
        _cancel_running(job, service)
    log.warning("%s changed since %s: a new job is opened.", what[0].upper() + what[1:], job.uri)
    return _new_job(storage, plan, account=account, now=now)


def _latest(storage: Storage, plan: JobPlan) -> JobFolder | None:
    for job in reversed(jobs_of(storage, plan.unit.folder)):
        if job.description().edition == plan.edition:
            return job
    return None


def _new_job(storage: Storage, plan: JobPlan, *, account: Account, now: pendulum.DateTime) -> JobFolder:
    return create_job(
        storage,
        plan.unit.folder,
        JobRecord(
            nonce=secrets.token_hex(6),
            owner=plan.unit.owner,
            edition=plan.edition,
            account=AccountRecord.of(account),
            conn_id=plan.conn_id,
            run_id=plan.run_id,
            opened_at=now.to_iso8601_string(),
            question=plan.question,
            betas=plan.betas,
            key_columns=plan.key_columns,
            column_prefix=plan.column_prefix,
        ),
    )


def _cancel_running(job: JobFolder, service: CancelService) -> None:
    for state in job.shards():
        if state.open_intent is not None:
            log.warning(
                "Shard %d of %s: whether its create call made a batch is not known, so that it cannot be canceled. "
                "If it did, it runs on and is billed.",
                state.shard.shard, job.uri,
            )  # fmt: skip
        if state.batch is not None and not service.retrieve(state.batch.batch_id).has_ended:
            service.cancel(state.batch.batch_id)
            log.warning("Canceled %s of %s; what it has finished is billed.", state.batch.batch_id, job.uri)
