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
    BatchRecord,
    EndRecord,
    JobFolder,
    PilotRecord,
    SealRecord,
    ShardState,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts, moment
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.results import ExpectedRows, missing_result, spooled_results
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.batches.submission.next_look import NextLook
from anthropic_batches_provider.batches.submission.pilot_verdicts import judged_pilot
from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.errors import PilotFailedError, ResultsUnavailableError

log = logging.getLogger(__name__)

OPENS_AFTER = pendulum.duration(hours=2)
"""So long after the creation of the pilot's batch, the rest is sent without its verdict."""
MOST_PILOTS = 3
"""So many pilots that say nothing, because of errors that pass, open the gate."""
_LOOK = pendulum.duration(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotRules:
    """How a job's pilot is judged.

    :param repaired: the verdicts whose answers a further round asks for again.
    :param spool_folder: a local folder of this attempt alone.
    """

    spool_folder: Path
    repaired: Set[str] = frozenset()


class PilotGate:
    """Tells whether more than the pilot of a job may be sent.

    :param job: a sealed job.
    :param send_again: seals the rows of a pilot as a further one; called with the round that sent it.
    """

    def __init__(
        self,
        job: JobFolder,
        service: ResultsSource,
        *,
        clock: Clock,
        rules: PilotRules,
        send_again: Callable[[SealRecord], object],
    ) -> None:
        self._job = job
        self._service = service
        self._clock = clock
        self._rules = rules
        self._send_again = send_again
        self._is_open = False

    def holds(self, states: Sequence[ShardState], now: pendulum.DateTime) -> bool:
        """Return whether nothing but the pilot may be sent now; judge the pilot if it has ended.

        :param states: the shards of all rounds, as known now.
        :param now: the service's time.
        :raises PilotFailedError: it failed, and the rest must not be sent.
        :raises ApiError: its results could not be read now.
        """
        if self._is_open:
            return False
        sealed = self._pilot_seal()
        if sealed is None or self._rest_is_sent(states):
            self._is_open = True
            return False
        record = self._job.pilot(sealed.round) or self._judge(sealed, _states_of(sealed, states), now)
        if record is None:
            return True
        if record.outcome == "failed":
            raise PilotFailedError(_failed(self._job, record))
        if record.outcome == "nothing" and len(self._pilot_seals()) < MOST_PILOTS:
            self._send_again(sealed)
            return True
        self._is_open = True
        return False

    def is_pilot(self, state: ShardState) -> bool:
        """Return whether a shard is sent before the gate opens."""
        sealed = self._pilot_seal()
        return sealed is not None and any(state.shard.shard == shard.shard for shard in sealed.pilot_shards)

    def wait(self, states: Sequence[ShardState], local_now: pendulum.DateTime) -> NextLook:
        """Return how to wait for the pilot."""
        pilots = [state for state in states if self.is_pilot(state)]
        rows = sum(state.shard.requests for state in pilots)
        running = tuple(state.batch.batch_id for state in pilots if state.is_running and state.batch is not None)
        return NextLook(until=local_now + _LOOK, batch_ids=running, reason=f"pilot: {counted(rows, 'row')}, waiting")

    def _pilot_seals(self) -> list[SealRecord]:
        return [seal for seal in self._job.rounds() if seal.pilots]

    def _pilot_seal(self) -> SealRecord | None:
        return next(reversed(self._pilot_seals()), None)

    def _rest_is_sent(self, states: Sequence[ShardState]) -> bool:
        return all(state.attempts for state in states if not self.is_pilot(state))

    def _judge(self, sealed: SealRecord, states: Sequence[ShardState], now: pendulum.DateTime) -> PilotRecord | None:
        """Judge the pilot if all of it has ended, and record the verdict; None while it has not."""
        if all(state.batch is not None and state.end is not None for state in states):
            found = self._found(sealed, states)
        elif any(_is_late(state, now) for state in states):
            found = PilotRecord(outcome="late", rows=sum(state.shard.requests for state in states))
        else:
            return None
        record = self._job.record_pilot(sealed.round, found)
        _tell(self._job, record)
        return record

    def _found(self, sealed: SealRecord, states: Sequence[ShardState]) -> PilotRecord:
        rows = sum(state.shard.requests for state in states)
        try:
            return judged_pilot(
                (row for state in states for row in self._rows_of(sealed, state)),
                repaired=self._rules.repaired,
                seconds=_seconds(states),
            )
        except ResultsUnavailableError as error:
            log.warning("The results of the pilot of %s are gone: %s", self._job.uri, error)
            return PilotRecord(outcome="late", rows=rows)

    def _rows_of(self, sealed: SealRecord, state: ShardState) -> Iterator[AnsweredRow]:
        assert state.batch is not None and state.end is not None  # noqa: S101, PT018 - the caller has checked it
        description = self._job.description()
        schema = description.output_schema
        judge = judge_for(
            None if schema is None else OutputSchema(schema, description.output_model), structured=sealed.structured
        )
        numbers = [int(line) for line in self._job.lines_of(state.shard.rows_file)]
        expected = ExpectedRows(custom_id_prefix=custom_id_prefix(description.nonce, state.shard.shard), rows=numbers)
        batch = _batch_of(state.batch, state.end)
        path = self._rules.spool_folder / f"pilot-{state.shard.shard}"
        with spooled_results(self._service, batch, path, expected=expected, clock=self._clock) as results:
            for position, result in enumerate(results.decoded(with_message=False)):
                yield judge(NO_COLUMNS, batch.id, result or missing_result(expected.custom_id(position)))


def _states_of(sealed: SealRecord, states: Sequence[ShardState]) -> list[ShardState]:
    numbers = {shard.shard for shard in sealed.pilot_shards}
    return [state for state in states if state.shard.shard in numbers]


def _is_late(state: ShardState, now: pendulum.DateTime) -> bool:
    return state.batch is not None and state.end is None and now >= moment(state.batch.created_at) + OPENS_AFTER


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
    if record.outcome in ("late", "nothing"):
        log.warning(
            "The pilot of %s (%s) has shown nothing%s.",
            job.uri, counted(record.rows, "row"),
            " in time: the rest is sent without it" if record.outcome == "late" else ": none of its rows was answered",
        )  # fmt: skip
        return
    tokens = ""
    if record.output_tokens:
        least, most = record.output_tokens[0], record.output_tokens[-1]
        median = record.output_tokens[len(record.output_tokens) // 2]
        tokens = (
            f" Input: {record.input_tokens // record.succeeded:,} tokens a row; output: {least:,} to {most:,}, median "
            f"{median:,}."
        )
    log.info(
        "The pilot of %s %s: %d of %s answered, %d refused for good.%s",
        job.uri, record.outcome, record.succeeded, counted(record.rows, "row"), record.bad_requests, tokens,
    )  # fmt: skip
    if record.outcome == "passed" and (record.bad_requests or set(record.verdicts) - {FITS}):
        verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in record.verdicts.items())
        log.warning(
            "Not all of the pilot's rows can be used: %d refused for good; verdicts: %s. For example: %s",
            record.bad_requests, verdicts or "none", record.example or "no message",
        )  # fmt: skip


def _failed(job: JobFolder, record: PilotRecord) -> str:
    example = f' For example: "{record.example}"' if record.example else ""
    billed = f"{counted(record.succeeded, 'answer')} of the pilot {'was' if record.succeeded == 1 else 'were'} billed"
    replaced = (
        "Nothing was billed, so the corrected task replaces the job without asking."
        if not record.succeeded
        else f'{billed}: on_changed_input="restart" or a new edition= starts the corrected job.'
    )
    return (
        f"The pilot of {job.uri} failed: {record.reason}.{example} Correct the question, and clear the task. To send "
        f"the rest all the same, set pilot=0. Only the pilot's {counted(record.rows, 'row')} "
        f"{'was' if record.rows == 1 else 'were'} sent, and nothing of the rest. {replaced}"
    )
