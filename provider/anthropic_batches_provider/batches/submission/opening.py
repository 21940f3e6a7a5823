"""Opens the job of a unit of work: the existing one, or a new one where that is allowed."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pendulum

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.cancellation import cancel_if_in_progress, takes_cancellation
from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.create_answers import is_the_apis_not_found
from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    BatchRecord,
    JobFolder,
    JobRecord,
    ShardState,
    Storage,
    UnitJobs,
    UnitOfWork,
    create_job,
    is_superseded,
    jobs_of,
)
from anthropic_batches_provider.batches.limits import EXPIRY_GRACE
from anthropic_batches_provider.batches.message_batch import MessageBatch, moment
from anthropic_batches_provider.batches.pauses import once_known
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.repairs import NO_REPAIR, Repair
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.service import ModelService, SubmissionService
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission.lost_answers import LostAnswers
from anthropic_batches_provider.batches.submission.model_lookup import check_model
from anthropic_batches_provider.batches.submission.next_look import NextLook, combined
from anthropic_batches_provider.batches.submission.outcomes import OutcomeRecorder
from anthropic_batches_provider.batches.submission.pilot_choice import Pilot
from anthropic_batches_provider.batches.submission.service_time import ServiceTime, ask_time
from anthropic_batches_provider.batches.submission.unbilled_jobs import may_have_cost
from anthropic_batches_provider.errors import (
    BatchNotFoundError,
    ChangedInputError,
    ConfigurationError,
    LedgerError,
    SubmissionOutcomeUnknownError,
)

log = logging.getLogger(__name__)

_SHOWN_AFTER = pendulum.duration(minutes=10)  # a new batch may be unknown to parts of the service for a moment

# A retry would only meet these again. A store's PermissionError may be over: a token that has expired, a clock.
_LASTING = (NotADirectoryError, IsADirectoryError)

OnChangedInput = Literal["fail", "restart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """The job that a task requests.

    :param unit: the unit of work, by which the job is found again.
    :param question: fingerprint of model, prompt, system and parameters.
    :param edition: names a deliberate new job; "" is the first.
    :param on_changed_input: what to do when the unit's job asked another question or had other rows.
    :param conn_id: human-readable only; the account is the identity.
    :param limits: how large a shard may become.
    :param tries: names the tries of one task instance between two clears. A later try accepts as it is what an earlier
        one of them finished. "" names none.
    :param max_failed_rows: how many rows may be invalid: an int is rows, a float below 1 a share of all rows.
    :param model: the model of every row; None if each row has its own.
    :param repair: what later rounds may ask again; no part of the question.
    :param max_columns_bytes: the most bytes of the rows' key and kept columns; None for no limit.
    :param output_schema: what each answer must fit; part of the question.
    :param pilot: how many rows go first; no part of the question.
    :param show_prompt: whether the job records the text of its first prompt, and not its length and hash alone.
    :param shared_blocks: how many content blocks of the first user message all rows share; part of the question.
    :param prompt_cache: how the requests use the prompt cache; no part of the question. None for not at all.
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
    max_failed_rows: int | float = 0
    model: str | None = None
    repair: Repair = NO_REPAIR
    max_columns_bytes: int | None = None
    output_schema: OutputSchema | None = None
    show_prompt: bool = False
    pilot: Pilot = 0
    shared_blocks: int = 0
    prompt_cache: PromptCache | None = None


class JobOpener:
    """Opens the job of one task's plan.

    :param account: the account that the connection leads to now.
    :param service: settles the open create calls of a replaced job, cancels its running batches, and shows the results
        that prove that a job cost nothing.
    :param spool_folder: a local folder of this attempt alone.
    :param models: looks up the model before it replaces a job; None for none to be looked up.
    """

    def __init__(
        self,
        storage: Storage,
        plan: JobPlan,
        *,
        account: Account,
        service: SubmissionService,
        clock: Clock,
        spool_folder: Path,
        models: ModelService | None = None,
    ) -> None:
        self._storage = storage
        self._plan = plan
        self._account = account
        self._service = service
        self._clock = clock
        self._spool_folder = spool_folder
        self._models = models

    def open(self) -> JobFolder:
        """Return the job that this task must advance.

        This is the unit's latest job of the plan's edition, if there is one; else a new one. If the DAG's author has
        changed the question of that job, :meth:`replace_changed` decides.

        :raises ConfigurationError: the job belongs to another account, or the storage cannot be used.
        :raises ChangedInputError: the question changed, something was submitted, and the plan says ``fail``.
        :raises CorruptLedgerError: files of it are lost.
        """
        plan = self._plan
        with _usable(self._storage):
            jobs = jobs_of(self._storage, plan.unit.folder)
        job = jobs.latest(plan.edition)
        if job is None:
            return self._new_job(after=jobs)
        description = job.description()
        _check_identity(job, description, plan, self._account)
        if job.replacement.is_replaced():
            return self._successor_of(job, after=jobs)  # a replacement was interrupted: complete it
        job.check_whole()
        if _asks_the_same(job, description, plan):
            return job
        return self.replace_changed(
            job, "the question (model, prompt, system, shared_context, parameters or output_schema)"
        )

    def replace_changed(self, job: JobFolder, what: str) -> JobFolder:
        """Open a new job in place of one whose input changed, if the plan allows it.

        The old job is always abandoned before the new one is opened, even if it has sent nothing: an attempt of it may
        be reading its rows, and would send them. A plan that says ``fail`` may not cancel, so it contests the job
        first. If the job turns out to have begun to send, it is kept, and the change counts as one after submission;
        not if all that it sent has ended and cost nothing.

        :param what: the thing that changed, in words.
        :raises ConfigurationError: the API does not know the model.
        :raises ChangedInputError: something was submitted and may have cost something, and the plan says ``fail``.
        :raises LedgerError: another attempt has replaced the job meanwhile, a create call of it is unresolved, or a
            batch of it that may be running could not be canceled.
        """
        plan = self._plan
        jobs = jobs_of(self._storage, plan.unit.folder)
        latest = jobs.latest(plan.edition)
        if latest is None or latest.path != job.path:
            raise LedgerError(
                f"Since {what} changed, this attempt was about to replace {job.uri}, but another attempt has just "
                f"opened {latest.uri if latest else 'another job'} in its place. Run the task again: it continues with "
                "that job. This attempt sent nothing."
            )
        if self._models is not None and plan.model is not None:
            # A misspelled model must not cost the old job its place, and its running batches their lives.
            check_model(self._models, plan.model, now=self._clock.now())
        if plan.on_changed_input == "fail":
            self._contest(job, what)
        log.warning("%s changed since %s was opened: a new job replaces it.", what[0].upper() + what[1:], job.uri)
        return self._successor_of(job, after=jobs)

    def _contest(self, job: JobFolder, what: str) -> None:
        """Make sure that a job has cost nothing and never will.

        :raises ChangedInputError: it may have cost something, or has just begun to send; it is kept.
        """
        advice = "A job whose batches have all ended without a billed row is replaced without asking."
        if not self._may_have_cost(job):
            job.replacement.record_contest(self._clock.now().to_iso8601_string())
            if not job.replacement.decide_contest(keep=self._may_have_cost(job)):
                return
            if not self._may_have_cost(job):
                advice = (
                    "The job has cost nothing, but it was kept when its input changed while it was being sent, and "
                    "that stays decided: an edition= costs nothing twice here."
                )
        raise ChangedInputError(
            f"Since the job at {job.uri} was submitted, {what} changed. To keep the old answers, undo the change. To "
            'ask and pay again, set edition="2" (or any name not used before for this unit), or '
            'on_changed_input="restart". Nothing new was submitted, nothing was canceled, and all paid results stay '
            f"where they are. {advice}"
        )

    def _may_have_cost(self, job: JobFolder) -> bool:
        return may_have_cost(job, _shards(job), self._service, clock=self._clock, spool_folder=self._spool_folder)

    def _successor_of(self, job: JobFolder, *, after: UnitJobs) -> JobFolder:
        """Abandon a job, settle its open create calls, cancel its running batches, and open the job that replaces it.

        :raises LedgerError: whether a call of it made a batch is not known yet, or one of its batches may run and could
            not be canceled: a new job now could pay twice.
        """
        job.replacement.record_abandonment(self._clock.now().to_iso8601_string())
        # The attempt that decided a contest against it saw that it had sent nothing, or that all it sent had ended and
        # cost nothing; it can have sent nothing since.
        if not job.replacement.has_lost_contest():
            time = ServiceTime(self._service, self._clock, ask_time(self._service, self._clock))
            unsettled = self._settle_doubts(job, time)
            self._cancel_running(job, time.now())
            if unsettled is not None:
                raise unsettled
        return self._new_job(after=after)

    def _settle_doubts(self, job: JobFolder, time: ServiceTime) -> LedgerError | None:
        """Settle what attempts of an abandoned job left open; a batch that is found to be its own is canceled.

        :returns: the error to raise if some call is not settled; a ``SubmissionOutcomeUnknownError`` if it never will.
        """
        outcomes = OutcomeRecorder(job, self._service, service_now=time.now)
        lost_answers = LostAnswers(
            job, self._service, outcomes, nonce=job.description().nonce, clock=self._clock, time=time
        )
        waits: dict[int, NextLook] = {}
        unknown: LedgerError | None = None
        for state in _shards(job):
            try:
                if state.open_intent is not None and (wait := lost_answers.settle(state.shard, state.open_intent)):
                    waits[state.shard.shard] = wait
            except SubmissionOutcomeUnknownError as error:
                unknown = unknown or error
        if waits:
            until = combined(list(waits.values())).until
            return LedgerError(
                f"{job.uri} is being replaced, but whether {counted(len(waits), 'create call')} of it (by number of "
                f"the shard: {', '.join(map(str, waits))}) made a batch is not known yet. Run this task again after "
                f"{until.in_timezone('UTC').to_datetime_string()} UTC: it looks again, cancels any such batch, and "
                "then opens the new job. If this error keeps coming back, settle the calls manually "
                f"(anthropic-batches settle '{job.uri}'). No new job was opened: it could pay twice."
            )
        return unknown

    def _cancel_running(self, job: JobFolder, now: pendulum.DateTime) -> None:
        """Cancel the batches of an abandoned job that are not known to have ended.

        :param now: the service's time.
        """
        running = [state.batch for state in _shards(job) if state.batch is not None and state.end is None]
        canceled = [batch.batch_id for batch in running if self._cancel(job, batch, now)]
        if canceled:
            log.warning(
                "Batches of %s are being canceled: %s. Requests they finished are billed.", job.uri, ", ".join(canceled)
            )

    def _cancel(self, job: JobFolder, batch: BatchRecord, now: pendulum.DateTime) -> bool:
        """Cancel a batch if it runs; return whether it was canceled now.

        :raises LedgerError: the service does not know the batch, and it may run all the same.
        """

        def cancel() -> MessageBatch:
            return cancel_if_in_progress(self._service, batch.batch_id)

        has_expired = now > moment(batch.expires_at) + EXPIRY_GRACE
        try:
            return takes_cancellation(cancel() if has_expired else once_known(cancel, self._clock.sleep))
        except BatchNotFoundError as error:
            if has_expired:
                return False
            if now < moment(batch.created_at) + _SHOWN_AFTER or not is_the_apis_not_found(error):
                raise LedgerError(
                    f"{job.uri} is being replaced, but its batch {batch.batch_id} could not be canceled ({error}), "
                    "and it may be running. Run this task again in a few minutes. No new job was opened: it could "
                    "pay twice."
                ) from error
        log.warning("%s is unknown to the API: it was deleted, so it had ended.", batch.batch_id)
        return False

    def _new_job(self, *, after: UnitJobs) -> JobFolder:
        plan, schema = self._plan, self._plan.output_schema
        description = JobRecord(
            nonce=secrets.token_hex(6),
            owner=plan.unit.owner,
            edition=plan.edition,
            account=AccountRecord.of(self._account),
            conn_id=plan.conn_id,
            run_id=plan.run_id,
            opened_at=self._clock.now().to_iso8601_string(),
            question=plan.question,
            betas=plan.betas,
            key_columns=plan.key_columns,
            column_prefix=plan.column_prefix,
            output_schema=None if schema is None else dict(schema.schema),
            output_schema_hash="" if schema is None else schema.hash,
            output_model="" if schema is None else schema.model_name,
        )
        with _usable(self._storage):
            job = create_job(self._storage, plan.unit.folder, description, after=after)
        # Another attempt may have created it first, with another connection.
        _check_identity(job, job.description(), plan, self._account)
        return job


def reopened_job(job: JobFolder, *, account: Account, conn_id: str) -> JobFolder:
    """Return the job that an attempt was deferred with, as it is, even if the DAG has changed since.

    :param account: the account that the connection leads to now.
    :raises JobNotFoundError: its folder is gone; a new job would pay again.
    :raises ConfigurationError: it belongs to another account.
    :raises LedgerError: another job has taken its place, or files of it are lost.
    """
    description = job.description()
    _check_account(job, description, conn_id, account)
    job.check_whole()
    if job.replacement.is_replaced() or is_superseded(job):
        raise LedgerError(
            f"{job.uri} was replaced by another job of the same unit while this attempt was deferred. Clear the task "
            "to continue with that job. This attempt sends and writes nothing more."
        )
    return job


@contextmanager
def _usable(storage: Storage) -> Iterator[None]:
    """Explain the errors of a storage that cannot be used as it is.

    :raises ConfigurationError: an error was raised that a retry would only repeat.
    """
    try:
        yield
    except (*_LASTING, PermissionError) as error:
        if isinstance(error, PermissionError) and not storage.uri.startswith("file:"):
            raise
        raise ConfigurationError(
            f"The storage {storage.uri} cannot be used: {type(error).__name__}: {error}. Correct `storage=` or "
            "[anthropic_batches] storage, or the permissions there: a task reads, lists, writes and removes. This "
            "attempt sent nothing."
        ) from error


def _asks_the_same(job: JobFolder, description: JobRecord, plan: JobPlan) -> bool:
    is_the_same = description.question == plan.question
    if job.find_seal() is None:
        # Nothing was sent yet: the shape of the output may still change, too.
        is_the_same = is_the_same and (description.key_columns, description.column_prefix) == (
            plan.key_columns,
            plan.column_prefix,
        )
    return is_the_same


def _check_identity(job: JobFolder, description: JobRecord, plan: JobPlan, account: Account) -> None:
    if description.owner != plan.unit.owner:
        raise ConfigurationError(
            f"The job at {job.uri} belongs to {description.owner!r}, but this task is {plan.unit.owner!r}: the store "
            "treats the two names as the same. Rename the DAG, the task or the unit=. Nothing was submitted."
        )
    _check_account(job, description, plan.conn_id, account)


def _check_account(job: JobFolder, description: JobRecord, conn_id: str, account: Account) -> None:
    paying = description.account.account()
    if paying.may_be(account):
        if paying != account:
            raise LedgerError(
                f"The job at {job.uri} was opened for {paying}; the service now names {account}, but headers are "
                "missing that show whether the two are the same. Run the task again; if a proxy strips these "
                "headers, set workspace_id in the connection's extra. Nothing was submitted."
            )
        return
    raise ConfigurationError(
        f"The job at {job.uri} was opened for {paying}, but connection {conn_id!r} now leads to {account}. "
        "Give the connection its first account back, or request a new job with edition=. Only the first "
        "account's key can read the job's batches. Nothing was submitted."
    )


def _shards(job: JobFolder) -> list[ShardState]:
    """Return the shards of a job that may not be sealed yet.

    :raises CorruptLedgerError: its seal is lost, or other records are.
    """
    if job.find_seal() is not None:
        return job.shards()
    job.check_whole()
    return []
