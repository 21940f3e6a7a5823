"""The gate between the pilot of a job and the rest: nothing else is sent before the pilot is judged.

Invariants: the verdict is a fact of the ledger, so that every attempt decides the same; the gate cancels nothing, and
sends nothing; a pilot that says nothing in time opens it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pendulum

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.ledger import (
    Adopted,
    BatchRecord,
    EndRecord,
    JobFolder,
    PilotRecord,
    SentPilot,
    ShardState,
    sent_pilots,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts, moment
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.prompt_cache.cached_models import why_nothing_was_cached
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.results import ExpectedRows, missing_result, spooled_results
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.batches.submission.next_look import NextLook
from anthropic_batches_provider.batches.submission.pilot_verdicts import judged_pilot, reason_to_stop
from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.errors import ApiError, BatchNotFoundError, JobStoppedError, PilotFailedError

log = logging.getLogger(__name__)

OPENS_AFTER = pendulum.duration(hours=2)
"""So long after the creation of the pilot's batch, or after a create call whose answer was lost, the rest is sent."""
MOST_PILOTS = 3
"""So many pilots that say nothing, because of errors that pass, open the gate."""
_LOOK = pendulum.duration(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotRules:
    """How a job's pilot is judged.

    :param repaired: the verdicts whose answers a further round asks for again.
    :param max_rounds: how often a row may be sent in total; a pilot that says nothing leaves one time for the rounds.
    :param spool_folder: a local folder of this attempt alone.
    """

    spool_folder: Path
    repaired: Set[str] = frozenset()
    max_rounds: int = MOST_PILOTS + 1

    @property
    def most_pilots(self) -> int:
        """How many pilots may be sent in all."""
        return max(min(MOST_PILOTS, self.max_rounds - 1), 1)


@dataclass(frozen=True, slots=True)
class ClosedGate:
    """The gate while nothing but a pilot may be sent."""

    pilot: SentPilot

    def admits(self, state: ShardState) -> bool:
        """Return whether a shard may be sent."""
        return any(state.shard.shard == shard.shard for shard in self.pilot.shards)

    def is_sent(self, states: Sequence[ShardState]) -> bool:
        """Return whether all of the pilot was sent, or may have been."""
        return all(state.batch is not None or state.open_intent is not None for state in self._of(states))

    def has_running_batches(self, states: Sequence[ShardState]) -> bool:
        """Return whether a batch of the pilot is not known to have ended."""
        return any(state.is_running for state in self._of(states))

    def wait(self, states: Sequence[ShardState], *, now: pendulum.DateTime, local_now: pendulum.DateTime) -> NextLook:
        """Return how to wait for the pilot.

        :param states: the shards of all rounds.
        :param now: the service's time.
        """
        pilots = self._of(states)
        late = [at - now for state in pilots if (at := opens_at(state)) is not None and at > now]
        running = tuple(state.batch.batch_id for state in pilots if state.is_running and state.batch is not None)
        rows = counted(self.pilot.requests, "row")
        return NextLook(until=local_now + min([_LOOK, *late]), batch_ids=running, reason=f"pilot: {rows}, waiting")

    def _of(self, states: Sequence[ShardState]) -> list[ShardState]:
        return [state for state in states if self.admits(state)]


class PilotGate:
    """Tells whether more than the pilots of a job may be sent; they are judged one after another.

    :param job: a sealed job.
    :param send_again: seals the rows of a pilot as a further one.
    """

    def __init__(
        self,
        job: JobFolder,
        service: ResultsSource,
        *,
        clock: Clock,
        rules: PilotRules,
        send_again: Callable[[SentPilot], object],
    ) -> None:
        self._job = job
        self._service = service
        self._clock = clock
        self._rules = rules
        self._send_again = send_again
        self._is_open = False

    def closed(self, now: pendulum.DateTime) -> ClosedGate | None:
        """Return the gate while nothing but a pilot may be sent, None if all may; judge a pilot that has ended.

        :param now: the service's time.
        :raises PilotFailedError: it failed, and the rest must not be sent.
        :raises JobStoppedError: no request would be answered now; raised once for each pilot.
        :raises ApiError: its results could not be read now.
        :raises ResultsUnavailableError: its results are gone.
        :raises CorruptLedgerError: it must be sent again, and its requests are lost.
        """
        if self._is_open or self._all_is_sent():
            self._is_open = True
            return None
        for pilot in sent_pilots(self._job.rounds()):
            record = self._verdict(pilot, now)
            if record is None:
                return ClosedGate(pilot)
            if record.outcome in ("nothing", "stopped") and self._may_go_again(pilot):
                self._send_again(pilot)
                return self.closed(now)
        self._is_open = True
        return None

    def _verdict(self, pilot: SentPilot, now: pendulum.DateTime) -> PilotRecord | None:
        """Return what a pilot has shown, which does not stop the job; None while that is not known."""
        record = self._job.pilot(pilot)
        if record is None:
            record = self._judge(pilot, now)
            if record is None:
                return None
            if record.outcome == "stopped":
                raise JobStoppedError(_stopped(self._job, record))
        if (reason := reason_to_stop(record, repaired=self._rules.repaired)) is not None:
            raise PilotFailedError(_failed(self._job, record, reason))
        return record

    def _all_is_sent(self) -> bool:
        """Return whether nothing is left that waits for a pilot."""
        return len(self._sent_parts()) == len(self._job.rounds()[0].part_shards)

    def _sent_parts(self) -> list[ShardState]:
        parts = self._job.known_shards()[: len(self._job.rounds()[0].part_shards)]
        return [state for state in parts if state.attempts]

    def _may_go_again(self, pilot: SentPilot) -> bool:
        """Return whether a pilot that says nothing is sent again now; else its rows are, in their further rounds."""
        return pilot.times < self._rules.most_pilots and not self._sent_parts()

    def _judge(self, pilot: SentPilot, now: pendulum.DateTime) -> PilotRecord | None:
        """Judge a pilot if all of it has ended, and record the verdict; None while it has not."""
        numbers = {shard.shard for shard in pilot.shards}
        states = [state for state in self._job.known_shards() if state.shard.shard in numbers]
        if all(state.batch is not None and state.end is not None for state in states):
            rows = (row for state in states for row in self._rows_of(state))
            found = judged_pilot(rows, seconds=_seconds(states))
        elif any(self._is_late(state, now) for state in states):
            found = PilotRecord(outcome="late", rows=sum(state.shard.requests for state in states))
        else:
            return None
        record = self._job.record_pilot(pilot, found)
        _tell(self._job, record)
        return record

    def _is_late(self, state: ShardState, now: pendulum.DateTime) -> bool:
        """Return whether a shard is waited for no longer; one whose end can be noted is not late."""
        at = opens_at(state)
        if at is None or now < at:
            return False
        if state.batch is None:
            return True
        try:
            # An end is noted, and then judged, only if its counts agree; that of other counts never would be.
            return not self._service.retrieve(state.batch.batch_id).ended_with(state.shard.requests)
        except BatchNotFoundError:
            return True
        except ApiError as error:
            log.warning("The pilot of %s could not be checked, and is waited for: %s", self._job.uri, error)
            return False

    def _rows_of(self, state: ShardState) -> Iterator[AnsweredRow]:
        assert state.batch is not None and state.end is not None  # noqa: S101, PT018 - the caller has checked it
        description = self._job.description()
        schema = description.output_schema
        judge = judge_for(
            None if schema is None else OutputSchema(schema, description.output_model),
            structured=self._job.first_seal().structured,
        )
        numbers = [int(line) for line in self._job.lines_of(state.shard.rows_file)]
        expected = ExpectedRows(custom_id_prefix=custom_id_prefix(description.nonce, state.shard.shard), rows=numbers)
        batch = _batch_of(state.batch, state.end)
        path = self._rules.spool_folder / f"pilot-{state.shard.shard}"
        with spooled_results(self._service, batch, path, expected=expected, clock=self._clock) as results:
            for position, result in enumerate(results.decoded(with_message=False)):
                yield judge(NO_COLUMNS, batch.id, result or missing_result(expected.custom_id(position)))


def opens_at(state: ShardState) -> pendulum.DateTime | None:
    """Return until when the shard of a pilot or primer is waited for, by the service's time.

    :returns: None if it has ended, or was not sent.
    """
    if state.batch is not None:
        return None if state.end is not None else moment(state.batch.created_at) + OPENS_AFTER
    return None if state.open_intent is None else moment(state.open_intent.at) + OPENS_AFTER


def _batch_of(batch: BatchRecord, end: EndRecord) -> MessageBatch:
    return MessageBatch(
        id=batch.batch_id,
        processing_status="ended",
        request_counts=RequestCounts.from_api(end.request_counts),
        created_at=moment(batch.created_at),
        expires_at=moment(batch.expires_at),
        ended_at=None if end.ended_at is None else moment(end.ended_at),
    )


def _seconds(states: Sequence[ShardState]) -> float | None:
    lasted = [
        (moment(state.end.ended_at) - moment(state.batch.created_at)).total_seconds()
        for state in states
        if state.batch is not None and state.end is not None and state.end.ended_at is not None
    ]
    return max(lasted, default=None)


def _tell(job: JobFolder, record: PilotRecord) -> None:
    rows = counted(record.rows, "row")
    if record.outcome == "late":
        log.warning(
            "The pilot of %s (%s) has not ended in %s: the rest is sent without its verdict, and the pilot runs on.",
            job.uri, rows, OPENS_AFTER.in_words(),
        )  # fmt: skip
        return
    log.info(
        "The pilot of %s (outcome: %s): %d of %s answered, %d refused for good.%s%s",
        job.uri, record.outcome, record.succeeded, rows, record.bad_requests, _spread("Input", record.input_tokens),
        _spread("Output", record.output_tokens),
    )  # fmt: skip
    if record.outcome == "passed" and (record.errors or set(record.verdicts) - {FITS}):
        found = {**record.errors, **record.verdicts}
        log.warning(
            "Not all of the pilot's rows can be used: %s. For example: %s",
            ", ".join(f"{count:,} {name}" for name, count in found.items()), record.example or "no message",
        )  # fmt: skip
    cache = job.first_seal().prompt_cache
    if cache is not None and record.cached_nothing:
        log.warning(
            "The prompt cache of %s has no effect: nothing was written to or read from the cache by its pilot. %s "
            "The rest will cost as much as without prompt_cache.",
            job.uri, why_nothing_was_cached(record.model or "the model", cache.prefix_tokens),
        )  # fmt: skip
    if record.outcome == "nothing":
        log.warning("The pilot of %s has shown nothing: none of its rows was answered. %s", job.uri, record.example)


def _spread(name: str, tokens: Sequence[int]) -> str:
    if not tokens:
        return ""
    return f" {name}: {tokens[0]:,} to {tokens[-1]:,} tokens a row, median {tokens[len(tokens) // 2]:,}."


def _stopped(job: JobFolder, record: PilotRecord) -> str:
    named = ", ".join(f"{count:,} with {name}" for name, count in record.errors.items())
    rest = _sent_of_the_rest(job)
    only = "Only the" if not rest else "The"
    billed = "nothing was billed" if not rest else f"none of them was billed. {_billed_of_the_rest(rest)}"
    return (
        f"The pilot of {job.uri} errored, {named} ({record.example or 'no message'}): every further request would fail "
        f"the same way. Fix the account or the key, then clear this task: it goes on from here. {only} pilot's "
        f"{counted(record.rows, 'row')} {'was' if record.rows == 1 else 'were'} sent, and {billed.removesuffix('.')}."
    )


def _failed(job: JobFolder, record: PilotRecord, reason: str) -> str:
    example = f' For example: "{record.example}"' if record.example else ""
    numbers = _numbers_of_pilots(job)
    pilots = [state for state in job.known_shards() if state.shard.shard in numbers]
    rest = _sent_of_the_rest(job)
    unsent = "and nothing of the rest" if not rest else f"and {counted(len(rest), 'shard')} of the rest before"
    return (
        f"The pilot of {job.uri} failed: {reason}.{example} Correct the question, and clear the task. To send "
        f"the rest all the same, set pilot=0. The pilot's {counted(record.rows, 'row')} "
        f"{'was' if record.rows == 1 else 'were'} sent, {unsent}. {_billed(record, pilots, rest)}"
    )


def _numbers_of_pilots(job: JobFolder) -> set[int]:
    return {shard.shard for seal in job.rounds() for shard in seal.pilot_shards}


def _sent_of_the_rest(job: JobFolder) -> list[ShardState]:
    """Return the other shards that have a batch, or may have: an earlier attempt was told to send no pilot."""
    numbers = _numbers_of_pilots(job)
    others = (state for state in job.known_shards() if state.shard.shard not in numbers)
    return [state for state in others if state.batch is not None or state.open_intent is not None]


def _billed_of_the_rest(rest: Sequence[ShardState]) -> str:
    batches = ", ".join(state.batch.batch_id for state in rest if state.batch is not None)
    return f"What was sent of the rest before is billed as it runs ({batches or 'its batch is not known yet'})."


def _billed(record: PilotRecord, pilots: Sequence[ShardState], rest: Sequence[ShardState]) -> str:
    batches = ", ".join(state.batch.batch_id for state in pilots if state.batch is not None)
    again = 'on_changed_input="restart" or a new edition= starts the corrected job'
    if record.perhaps_billed:
        were = "was" if record.perhaps_billed == 1 else "were"
        return (
            f"{counted(record.perhaps_billed, 'answer')} of the pilot {were} billed: {again}. batch_ids= collects the "
            f"pilot's answers ({batches})."
        )
    if rest:
        return f"Nothing of the pilot was billed. {_billed_of_the_rest(rest)} To correct the question, {again}."
    if any(
        isinstance(attempt.outcome.outcome, Adopted)
        for state in pilots
        for attempt in state.attempts
        if attempt.outcome
    ):
        return f"Nothing was billed, as far as is known; but the answer to its create call was lost, so {again}."
    return "Nothing was billed, so the corrected task replaces the job without asking."
