"""Drives a job to completion: submits within its window, collects what has ended meanwhile, sends again what failed.

Every step is a fact of the ledger before the next begins, so that any attempt goes on where another was killed. After
each round its results are published: what was paid for is in place before more is spent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import pendulum

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.further_rounds import Rounds, count_rows_going_again, seal_next_round
from anthropic_batches_provider.batches.ledger import JobFolder, PartRecord
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.row_failures import stopping_errors
from anthropic_batches_provider.batches.submission import NextLook, Submission, running_ids
from anthropic_batches_provider.errors import JobStoppedError, MessageBatchesError, SubmissionOutcomeUnknownError

log = logging.getLogger(__name__)

_LONGEST_WAIT = pendulum.duration(hours=1)  # then the batches are looked at again, whatever the trigger has heard


class Collection(Protocol):
    """Where results go."""

    def write_next(self) -> PartRecord | None:
        """Write what one batch that was seen to end has brought; None if there is nothing to write for now."""

    def publish(self) -> Manifest:
        """Write what is missing, and say that it is whole."""


class JobAdvance:
    """Brings a sealed job forward as far as it goes without waiting.

    :param submission: of the same job; its signals are the advance's, too.
    :param clock: the local clock.
    :param published: called with the manifest of each round, before any more is spent.
    """

    def __init__(
        self,
        job: JobFolder,
        submission: Submission,
        collection: Collection,
        rounds: Rounds,
        *,
        clock: Clock,
        published: Callable[[Manifest], None] = lambda _: None,
    ) -> None:
        self._job = job
        self._submission = submission
        self._signals = submission.signals
        self._collection = collection
        self._rounds = rounds
        self._clock = clock
        self._published = published

    def advance(self) -> Manifest | NextLook:
        """Go on until the job is done or there is something to wait for.

        :returns: the manifest of the published output, whose rows all have their last result; or what to wait for.
        :raises ResultsUnavailableError: results that a further round would be joined with are gone; nothing was sent.
        :raises JobStoppedError: errors of rows say that no request would be answered now; all results are published.
        :raises ApiError: the service refused a shard for a reason that waiting does not mend.
        :raises LedgerError: a lost answer can never be settled, or the job was replaced by another.
        """
        if self._job.is_finished() and self._signals.may_send():
            self._next_round()
        while True:
            outcome = self._submission_outcome()
            self._signals.moved()
            if self._collection.write_next() is not None or self._submission.running.look():
                continue
            states = self._job.shards()
            running = running_ids(states)
            if isinstance(outcome, NextLook):
                return outcome.or_end_of(running)
            # A batch that is not seen to end long after it must have expired is asked for by the publication.
            if any(self._submission.running.is_in_queue(state) for state in states):
                return NextLook(
                    until=self._clock.now() + _LONGEST_WAIT,
                    batch_ids=running,
                    reason=f"batches that have not ended: {len(running):,}",
                )
            if outcome is not None:
                raise outcome  # a doubt that nothing can settle, told once all else is in place
            manifest = self._collection.publish()
            self._signals.moved()
            self._published(manifest)
            self._check_not_futile(manifest)
            if not self._signals.may_send() and (rows := count_rows_going_again(self._job, self._rounds)):
                return NextLook(until=self._clock.now(), batch_ids=(), reason=f"rows that are to go again: {rows:,}")
            if self._next_round() is None:
                return manifest

    def _submission_outcome(self) -> NextLook | SubmissionOutcomeUnknownError | None:
        try:
            outcome = self._submission.advance()
        except SubmissionOutcomeUnknownError as error:
            return error
        except MessageBatchesError:
            self._save_what_has_ended()
            raise
        return outcome if isinstance(outcome, NextLook) else None

    def _save_what_has_ended(self) -> None:
        """Before a job stops: write what is there, since that was paid for; a failure to do so does not hide why."""
        try:
            self._submission.running.look()
            while self._collection.write_next() is not None:
                self._signals.moved()
        except Exception as error:  # noqa: BLE001 - what stopped the job is raised, not this
            log.warning("Not all that has ended could be written now; a retry writes it: %s", error)

    def _check_not_futile(self, manifest: Manifest) -> None:
        if len(self._job.rounds()) >= self._rounds.most:
            return
        if found := stopping_errors(manifest.errors):
            named = ", ".join(f"{count:,} with {name}" for name, count in found.items())
            where = "in this task's XCom" if manifest.destination == "xcom" else f"at {manifest.destination}"
            examples = "; ".join(manifest.error_examples.get(name, "") for name in found)
            raise JobStoppedError(
                f"Rows of {self._job.uri} errored {named} ({examples}): every further request would meet the same. "
                f"The results of all {manifest.counts.rows:,} rows are published {where}, the errored ones were not "
                "billed, and nothing runs. Mend the account or the key, then clear this task: those rows are sent."
            )

    def _next_round(self) -> object | None:
        submission = self._submission
        return seal_next_round(self._job, self._rounds, service=submission.service, now=submission.service_now())
