"""Submits all shards of a sealed job, with no more requests in flight than the window allows.

An unsettled shard does not delay the others. A full window or queue makes the job wait; meanwhile it settles unresolved
create calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pendulum

from anthropic_batches_provider.batches.clock import Clock, ServiceClock
from anthropic_batches_provider.batches.ledger import BatchRecord, JobFolder, ShardState
from anthropic_batches_provider.batches.limits import REQUESTS_IN_QUEUE
from anthropic_batches_provider.batches.pauses import QUEUE_FULL, bounded_retry_after
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.service import SubmissionService
from anthropic_batches_provider.batches.submission.cache_gate import CacheGate
from anthropic_batches_provider.batches.submission.job_signals import JobSignals
from anthropic_batches_provider.batches.submission.next_look import NextLook, combined
from anthropic_batches_provider.batches.submission.pilot_gate import ClosedGate, PilotGate, PilotRules
from anthropic_batches_provider.batches.submission.running_batches import RunningBatches, running_ids
from anthropic_batches_provider.batches.submission.sealing import seal_pilot_again
from anthropic_batches_provider.batches.submission.sending_order import SendingOrder
from anthropic_batches_provider.batches.submission.settlement_rules import SubmissionBounds
from anthropic_batches_provider.batches.submission.shard_sender import ShardSender, submitted_summary
from anthropic_batches_provider.batches.submission.window import Window, asked_to_wait_until, lowered_window
from anthropic_batches_provider.errors import ApiError, RateLimitedError, SubmissionOutcomeUnknownError

_WINDOW_LOOK = pendulum.duration(minutes=30)
_BETWEEN_ADVANCES = pendulum.duration(seconds=10)
_NO_SIGNALS = JobSignals()


class Submission:
    """Advances a sealed job until every shard has its batch.

    :param job: a sealed job.
    :param service_clock: the service's time, from a list call made just now, which also proved key and account.
    :param signals: to and from the task that advances the job.
    :param max_requests_in_flight: the maximum of this job's requests in batches that have not ended; a larger shard is
        sent alone.
    :param pilot: how the job's pilot is judged; None to send all at once.
    """

    def __init__(
        self,
        job: JobFolder,
        service: SubmissionService,
        *,
        clock: Clock,
        service_clock: ServiceClock,
        bounds: SubmissionBounds,
        signals: JobSignals = _NO_SIGNALS,
        max_requests_in_flight: int = REQUESTS_IN_QUEUE,
        pilot: PilotRules | None = None,
    ) -> None:
        self._job = job
        self._clock = clock
        self.service = service
        self.signals = signals
        self._most_in_flight = max_requests_in_flight
        self._sender = ShardSender(
            job, service, clock=clock, service_clock=service_clock, bounds=bounds, should_stop=signals.should_stop
        )
        self.running = RunningBatches(job, service, clock=clock, service_now=self._sender.service_now)
        self._gate = (
            None
            if pilot is None
            else PilotGate(
                job,
                service,
                clock=clock,
                rules=pilot,
                send_again=lambda sealed: seal_pilot_again(job, sealed, spool_folder=pilot.spool_folder),
            )
        )
        cached = job.first_seal().prompt_cache
        self._cache = None if pilot is None or cached is None else CacheGate(job, cached.ttl)
        self._cache_gate: CacheGate | None = None
        self._alone_until: pendulum.DateTime | None = None
        self._advanced_at = clock.now()

    def advance(self, *, afresh: bool = True) -> list[BatchRecord] | NextLook:
        """Send every shard that can be sent now, and settle every create call that can be settled now.

        :param afresh: list the ledger before, so that what other attempts have written since counts.
        :returns: the batches of all shards, in order; or what to wait for before advancing again.
        :raises ApiError: the service refused a shard for a reason that waiting does not fix.
        :raises LedgerError: a lost answer can never be settled, or another job replaced this one.
        :raises PilotFailedError: the first rows show that the rest would be sent in vain.
        :raises JobStoppedError: they show that no request would be answered now.
        :raises ResultsUnavailableError: their results are gone.
        :raises SubmissionStoppedError: ``should_stop`` returned true.
        """
        if afresh:
            self._job.shards()
        self._settle_before_looking()
        gate = self._closed_gate()
        order = self._sending_order(gate)
        states = self._job.known_shards()
        self._advanced_at = self._clock.now()
        window = self._window(states)
        waits: list[NextLook] = []
        unknown: SubmissionOutcomeUnknownError | None = None
        full = self._reason_to_send_nothing(states)
        for state in self._due_first(order):
            may_go = full is None and self._admits(gate, state)
            if state.batch is not None or (state.open_intent is None and not may_go):
                continue
            try:
                settled = self._settled(state, window)
                if isinstance(settled, NextLook):
                    waits.append(settled)
                elif settled.batch is None and may_go:
                    full = self._send(settled, window, waits)
            except SubmissionOutcomeUnknownError as error:
                unknown = unknown or error
            except RateLimitedError as error:
                full = self._pause(state, window, error)
            except ApiError as error:
                raise self._with_summary(error) from error.__cause__
        if full is not None and any(state.batch is None for state in self._job.known_shards()):
            waits.append(full)
        if self._cache_gate is not None:
            now, local_now = self.service_now(), self._clock.now()
            waits += filter(None, [self._cache_gate.wait(self._job.known_shards(), now=now, local_now=local_now)])
        if gate is not None and (unknown is None or gate.has_running_batches(self._job.known_shards())):
            waits.insert(0, gate.wait(self._job.known_shards(), now=self.service_now(), local_now=self._clock.now()))
        if waits:
            return combined(waits)
        if unknown is not None:
            raise unknown
        unsent = [state for state in self._job.known_shards() if state.batch is None]
        if unsent:  # what held them back is over: it was so when their turn came
            reason = f"not sent yet: {counted(len(unsent), 'shard')}"
            return NextLook(until=self._clock.now(), batch_ids=(), reason=reason)
        return [batch for state in self._job.known_shards() if (batch := state.batch) is not None]

    def _settle_before_looking(self) -> None:
        """Settle create calls whose answers were lost, so that the gate of the prompt cache sees their batches."""
        for state in self._job.known_shards() if self._cache is not None else ():
            if state.open_intent is not None:
                with suppress(SubmissionOutcomeUnknownError, ApiError):  # met again when it is the shard's turn
                    self._sender.settle(self._job.shard_state(state.shard))

    def _closed_gate(self) -> ClosedGate | None:
        """Return the gate while nothing but the pilot may be sent; None if all may."""
        if self._gate is None:
            return None
        gate = self._gate.closed(self.service_now())
        if gate is not None and self.running.look():
            gate = self._gate.closed(self.service_now())
        return gate

    def _sending_order(self, gate: ClosedGate | None) -> SendingOrder:
        """Return the shards in the order in which they are sent, and show them to the gate of the prompt cache."""
        # A pilot that is a primer goes first anyway, and nothing waits for the entry while another one runs.
        is_needed = gate is None or not (gate.pilot.is_primer or gate.is_sent(self._job.known_shards()))
        self._cache_gate = self._cache if is_needed else None
        rounds = self._job.rounds()
        order = SendingOrder.of(rounds, self._job.known_shards())
        if self._cache_gate is None:
            return order
        if self._cache_gate.needs_ends(order, self.service_now()) and self.running.look():
            order = SendingOrder.of(rounds, self._job.known_shards())
        self._cache_gate.look(order, self.service_now())
        return order

    def _due_first(self, order: SendingOrder) -> list[ShardState]:
        """Return the shards in their order, but first the primer that must go before them: it may renew the entry."""
        cache, now = self._cache_gate, self.service_now()
        return sorted(order.states, key=lambda state: cache is None or not cache.is_due(state, now))

    def _admits(self, gate: ClosedGate | None, state: ShardState) -> bool:
        """Return whether a shard may be sent now, if there is room for it."""
        is_let_in = gate is None or gate.admits(state)
        cache = self._cache_gate
        if cache is None:
            return is_let_in
        now = self.service_now()
        if gate is not None and not is_let_in:  # a primer helps the pilot only if that is still to be sent
            return cache.is_due(state, now) and not gate.is_sent(self._job.known_shards())
        return cache.admits(state, now)

    def is_due(self) -> bool:
        """Return whether advancing again may send more: a batch was seen to end, or some time has passed."""
        return self.running.look() or not (
            pendulum.duration() <= self._clock.now() - self._advanced_at < _BETWEEN_ADVANCES
        )

    def _settled(self, state: ShardState, window: Window) -> ShardState | NextLook:
        """Return a shard's state once its open intent, if it has one, has an outcome; or what to wait for."""
        if state.open_intent is None:
            return state
        was_in_queue = self.running.is_in_queue(state)
        state = self._job.shard_state(state.shard)
        settled = self._sender.settle(state) if state.open_intent is not None else state
        if isinstance(settled, ShardState) and settled.batch is None and was_in_queue:
            window.in_flight = max(window.in_flight - state.shard.requests, 0)  # counted while a batch could exist
        return settled

    def _send(self, state: ShardState, window: Window, waits: list[NextLook]) -> NextLook | None:
        """Send a shard if there is room; return why no other shard may be sent now, or None if one may."""
        requests = state.shard.requests
        room = requests if self._cache_gate is None else self._cache_gate.room_for(state, self.service_now())
        if not self._has_room(window, room):
            return self._until_there_is_room(window)
        if not self.signals.may_send():
            return self._time_is_over()
        beside = window.in_flight
        window.in_flight += requests
        try:
            wait = self._sender.send(state, beside)
        finally:
            self.signals.moved()
        if self._cache_gate is not None:
            self._cache_gate.note_sent(self._job.shard_state(state.shard), self.service_now())
        waits += [wait] if wait is not None else []
        return None

    def service_now(self) -> pendulum.DateTime:
        """Return the service's time."""
        return self._sender.service_now()

    def _reason_to_send_nothing(self, states: Sequence[ShardState]) -> NextLook | None:
        return self._pause_in_force(states) if self.signals.may_send() else self._time_is_over()

    def _time_is_over(self) -> NextLook:
        until = self._clock.now() + _WINDOW_LOOK
        return NextLook(until=until, batch_ids=(), reason="nothing more is sent: the time to send is over")

    def _window(self, states: Sequence[ShardState]) -> Window:
        most = lowered_window(states, self._most_in_flight, now=self._sender.service_now())
        return Window(
            most=most, in_flight=sum(state.shard.requests for state in states if self.running.is_in_queue(state))
        )

    def _has_room(self, window: Window, requests: int) -> bool:
        """Return whether a shard may be sent; check the running batches only if that decides."""
        if not window.admits(requests) and self.running.look():
            seen = self._window(self._job.known_shards())
            window.most, window.in_flight = seen.most, seen.in_flight
        return window.admits(requests)

    def _until_there_is_room(self, window: Window) -> NextLook:
        return NextLook(
            until=self._clock.now() + _WINDOW_LOOK,
            batch_ids=running_ids(self._job.known_shards()),
            reason=f"requests in flight: {window.in_flight:,} (limit: {window.most:,})",
        )

    def _pause(self, state: ShardState, window: Window, error: RateLimitedError) -> NextLook:
        grown, asked = QUEUE_FULL.seconds(len(state.attempts)), bounded_retry_after(error.retry_after_seconds)
        until = self._clock.now().add(seconds=max(grown, asked))
        if window.in_flight == state.shard.requests:
            # Nothing else is in flight that could end and make room: keep the whole pause.
            self._alone_until = until
        return NextLook(
            until=until,
            batch_ids=(),
            reason=f"shard {state.shard.shard}: the service accepts no more requests for now ({error})",
        )

    def _pause_in_force(self, states: Sequence[ShardState]) -> NextLook | None:
        """Return the pause that a refusal asked for, while it lasts, even if batches have ended since."""
        now, asked = self._clock.now(), asked_to_wait_until(states)
        moments = [self._alone_until] if self._alone_until is not None else []
        if asked is not None:
            moments.append(now + (asked - self._sender.service_now()))
        until = max(moments, default=now)
        if until <= now:
            return None
        return NextLook(until=until, batch_ids=(), reason="the service asked for a pause")

    def _with_summary(self, error: ApiError) -> ApiError:
        """Return the error with a summary of the shards that are already paid for."""
        summary = submitted_summary(self._job)
        error.args = (f"{error} {summary[0].upper()}{summary[1:]}", *error.args[1:])
        return error
