"""The simulator itself: the imitated service, with the faults that tests set and a record of the calls it received.

It is not thread-safe: while it is served, use it over HTTP (the control API), not directly.
"""

from __future__ import annotations

from dataclasses import dataclass

from anthropic_batches_provider.simulator.control.faults import FaultPlan
from anthropic_batches_provider.simulator.control.received import CreateCall, Log
from anthropic_batches_provider.simulator.service.message_batch_service import MessageBatchService
from anthropic_batches_provider.simulator.service.simulated_batch import Prepared


@dataclass(frozen=True)
class _LateCommit:
    due: float
    prepared: Prepared
    entry: CreateCall


class Simulator(MessageBatchService):
    """The imitated service, which tests can make fail and which remembers the calls it received.

    The parameters are those of :class:`MessageBatchService`.

    :ivar stopping: set by the server when it stops, so that hanging calls end.
    """

    stopping = False

    def reset(self) -> None:
        """Forget batches, faults, outcome rules, counts and changed settings; the clock keeps running."""
        super().reset()
        self.faults = FaultPlan(self.seed)
        self.log = Log()
        self._late: list[_LateCommit] = []

    def look(self) -> float:
        """Return the time, in seconds since the epoch, after making the batches whose late commit is due."""
        now = self.clock.now()
        for late in sorted((late for late in self._late if late.due <= now), key=lambda late: late.due):
            self._late.remove(late)
            late.entry.batch_id = self._store(late.prepared, late.due).id
        return now

    def commit_late(self, prepared: Prepared, seconds: float, entry: CreateCall) -> None:
        """Turn it into a batch ``seconds`` of simulated time from now, and record its id in ``entry`` then.

        :raises Refusal: 429, if the queue is full now.
        """
        now = self.look()
        self._check_queue(prepared, now)
        self._late.append(_LateCommit(now + seconds, prepared, entry))
