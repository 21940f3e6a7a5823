"""Drives a job to completion: submits within its window, collects ended batches, and sends failed rows again.

The ledger records every step before the next begins, so any attempt resumes where another was killed. The results of
each round are published before more is spent, so that paid results are already in place.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import replace
from typing import Protocol

import pendulum

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.collection import output_schema_of
from anthropic_batches_provider.batches.further_rounds import (
    Rounds,
    count_rows_going_again,
    seal_next_round,
)
from anthropic_batches_provider.batches.judging import judged_by
from anthropic_batches_provider.batches.ledger import JobFolder, PartRecord, rounds_of_all
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.row_failures import stopping_errors
from anthropic_batches_provider.batches.submission import NextLook, Submission, running_ids
from anthropic_batches_provider.errors import JobStoppedError, MessageBatchesError, SubmissionOutcomeUnknownError

log = logging.getLogger(__name__)

_LONGEST_WAIT = pendulum.duration(hours=1)  # then the batches are checked again, whatever the trigger has reported


class Collection(Protocol):
    """The place where results are written."""

    def write_next(self) -> PartRecord | None:
        """Write the results of one batch that was seen to end; return None if there is nothing to write now."""

    def publish(self) -> Manifest:
        """Write the missing results, and return the manifest of the complete output."""

    def parts_in_place(self) -> Set[int]:
        """Return the shards of the first round whose parts stay as they are if no row of them is sent again."""

    def finish(self) -> None:
        """Remove what only a further round would have needed."""


class JobAdvance:
    """Advances a sealed job as far as possible without waiting.

    :param submission: the submission of the same job; this object uses its signals.
    :param clock: the local clock.
    :param published: called with the manifest of each round, before more is spent.
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
        # Only what its own collection judges is repaired: another one may judge by something else.
        self._rounds = replace(rounds, judged_by=judged_by(output_schema_of(job.description())))
        self._clock = clock
        self._published = published

    def advance(self) -> Manifest | NextLook:
        """Advance until the job is done or has something to wait for.

        :returns: the manifest of the published output, in which every row has its final result; or the next look.
        :raises ResultsUnavailableError: earlier results needed for a further round are gone; nothing was sent.
        :raises JobStoppedError: row errors show that no request would be answered now; all results are published.
        :raises ApiError: the service refused a shard for a reason that waiting does not fix.
        :raises LedgerError: an unresolved create call can never be settled, or another job replaced this one.
        """
        self._job.shards()  # anew: sealing may have taken an hour; from here on this process knows what it writes
        if self._job.is_finished() and self._signals.may_send():
            self._next_round()
        while True:
            outcome = self._submission_outcome()
            self._signals.moved()
            if self._write_what_has_ended() or self._submission.running.look():
                continue
            states = self._job.known_shards()
            running = running_ids(states)
            if isinstance(outcome, NextLook):
                return outcome.or_end_of(running)
            # Publishing asks for a batch that was not seen to end long after it must have expired.
            if any(self._submission.running.is_in_queue(state) for state in states):
                return NextLook(
                    until=self._clock.now() + _LONGEST_WAIT,
                    batch_ids=running,
                    reason=f"batches that have not ended: {len(running):,}",
                )
            if outcome is not None:
                raise outcome  # nothing can settle this call; raised once everything else is in place
            manifest = self._collection.publish()
            self._signals.moved()
            self._published(manifest)
            self._check_not_futile(manifest)
            if not self._signals.may_send() and (rows := count_rows_going_again(self._job, self._rounds)):
                return NextLook(until=self._clock.now(), batch_ids=(), reason=f"rows to send again: {rows:,}")
            if self._next_round() is None:
                self._collection.finish()
                return manifest

    def _write_what_has_ended(self) -> bool:
        """Write the results of batches that were seen to end, until more may be sent; return whether any were."""
        wrote = False
        while self._collection.write_next() is not None:
            wrote = True
            self._signals.moved()
            if self._submission.is_due():
                break
        return wrote

    def _submission_outcome(self) -> NextLook | SubmissionOutcomeUnknownError | None:
        try:
            outcome = self._submission.advance(afresh=False)
        except SubmissionOutcomeUnknownError as error:
            return error
        except MessageBatchesError:
            self._save_what_has_ended()
            raise
        return outcome if isinstance(outcome, NextLook) else None

    def _save_what_has_ended(self) -> None:
        """Write the results that are there before a job stops, because they are paid for.

        A failure to write them does not hide the error that stopped the job.
        """
        try:
            self._submission.running.look()
            while self._collection.write_next() is not None:
                self._signals.moved()
        except Exception as error:  # noqa: BLE001 - the error that stopped the job is raised, not this one
            log.warning("Some results of ended batches could not be written now. A retry writes them: %s", error)

    def _check_not_futile(self, manifest: Manifest) -> None:
        if rounds_of_all(self._job.rounds()) >= self._rounds.most:
            return
        if found := stopping_errors(Counter(manifest.errors) + Counter(manifest.repair_errors)):
            named = ", ".join(f"{count:,} with {name}" for name, count in found.items())
            where = "in this task's XCom" if manifest.destination == "xcom" else f"at {manifest.destination}"
            examples = "; ".join(manifest.error_examples.get(name, "") for name in found)
            raise JobStoppedError(
                f"Rows of {self._job.uri} errored, {named} ({examples}): every further request would fail the same "
                "way. Fix the account or the key, then clear this task to send those rows again. All results "
                f"({counted(manifest.counts.rows, 'row')}) are published {where}. The errored rows were not billed, "
                "and no batch is running."
            )

    def _next_round(self) -> object | None:
        submission = self._submission
        return seal_next_round(
            self._job,
            self._rounds,
            service=submission.service,
            clock=self._clock,
            now=submission.service_now(),
            in_place=self._collection.parts_in_place,
        )
