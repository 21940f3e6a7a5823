"""One message batch: its requests, how each row ends, and the state of the batch at a given moment.

A batch is a function of time: nothing happens to it between two calls.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from anthropic_batches_provider.simulator.service.create_body import BatchRequest
from anthropic_batches_provider.simulator.service.outcomes import Outcome
from anthropic_batches_provider.simulator.service.service_settings import ARCHIVED_AFTER, EXPIRES_AFTER
from anthropic_batches_provider.simulator.service.simulated_clock import rfc3339, rfc3339_or_null

RESULT_TYPES = ("succeeded", "errored", "canceled", "expired")
SUCCEEDED, ERRORED, CANCELED, EXPIRED = range(4)


@dataclass(frozen=True)
class Origin:
    """The origin of a batch: the workspace, and the headers that apply to all its requests."""

    workspace_id: str
    version: str
    betas: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Prepared:
    """Requests that were read, with their outcomes decided, but that are not yet a batch.

    :param requests: in the order in which they arrived.
    :param order: indexes of the requests in the order of processing, which is also the order of the results.
    :param codes: for each request, in the order of processing, an index into RESULT_TYPES.
    :param outcomes: by index, for requests whose outcome a rule or a fault of their params decides.
    """

    origin: Origin
    requests: list[BatchRequest]
    order: array[int]
    codes: bytes
    outcomes: dict[int, Outcome]
    body_bytes: int


@dataclass
class MessageBatch:
    """A batch of the simulator. Moments are seconds since the epoch, durations seconds."""

    id: str
    prepared: Prepared
    created_at: float
    duration: float
    requests: list[BatchRequest] = field(init=False)
    cancel_initiated_at: float | None = None
    archived_early_at: float | None = None
    _ends_at: float = field(init=False)
    _finished: int = field(init=False)
    _rest: int = EXPIRED

    def __post_init__(self) -> None:
        self.requests = self.prepared.requests
        self._ends_at = self.created_at + min(self.duration, EXPIRES_AFTER)
        self._finished = len(self)
        if self.duration > EXPIRES_AFTER:
            self._finished = self._processed(self.expires_at)

    def __len__(self) -> int:
        return len(self.prepared.codes)

    @property
    def expires_at(self) -> float:
        """The moment at which unfinished rows expire: 24 h after the creation."""
        return self.created_at + EXPIRES_AFTER

    @property
    def ends_at(self) -> float:
        """The moment at which it ends or ended, unless a later cancel or :meth:`end` brings that forward."""
        return self._ends_at

    def has_ended(self, now: float) -> bool:
        """Return whether it has ended at ``now``; a batch that is being canceled has not."""
        return now >= self._ends_at

    def archived_at(self, now: float) -> float | None:
        """Return the moment from which its results are gone; None if they are still available at ``now``.

        It is 29 days after the creation, or earlier after :meth:`archive`.
        """
        moment = self.created_at + ARCHIVED_AFTER
        if self.archived_early_at is not None:
            moment = min(moment, self.archived_early_at)
        return moment if now >= moment else None

    def codes(self) -> bytes:
        """Return how each row ends or ended, in the order of processing."""
        # Rows are done in the order of processing, so one number describes the progress of the batch.
        return self.prepared.codes[: self._finished] + bytes([self._rest]) * (len(self) - self._finished)

    def cancel(self, now: float, *, takes: float, completes: float) -> None:
        """Stop at ``now``: done rows stay, and a share ``completes`` of the rest finishes within ``takes`` seconds."""
        done = self._processed(now)
        self.cancel_initiated_at = now
        # min: a cancel must not let a batch finish more rows than it would have finished before it expired.
        self._finished = min(self._finished, done + int((len(self) - done) * completes))
        self._rest = CANCELED
        self._ends_at = min(self._ends_at, now + takes)

    def end(self, now: float, *, unfinished_expire: bool = False) -> None:
        """End at ``now``; rows that are not done yet finish at once, or expire."""
        if unfinished_expire:
            self._finished, self._rest = min(self._finished, self._processed(now)), EXPIRED
        elif self.cancel_initiated_at is None:
            self._finished = len(self)
        self._ends_at = min(self._ends_at, now)

    def archive(self, now: float) -> None:
        """Remove the results from ``now`` on; the batch itself stays."""
        self.archived_early_at = now

    def _processed(self, now: float) -> int:
        """Return the number of rows that are done at ``now``, if nothing stops the batch."""
        if self.duration <= 0:
            return len(self)
        return int(len(self) * min(1.0, max(0.0, (now - self.created_at) / self.duration)))

    def body(self, now: float, *, base_url: str, incremental: bool, fresh: bool = False) -> dict[str, Any]:
        """Return the API's MessageBatch at ``now``.

        :param fresh: whether this very call created or canceled it, so that it has not ended, however short it is.
        """
        ended = self.has_ended(now) and not fresh
        archived_at = self.archived_at(now)
        status = "ended" if ended else "in_progress" if self.cancel_initiated_at is None else "canceling"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": self._counts(now, ended, incremental and not fresh),
            "ended_at": rfc3339(self._ends_at) if ended else None,
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at),
            "archived_at": rfc3339_or_null(archived_at),
            "cancel_initiated_at": rfc3339_or_null(self.cancel_initiated_at),
            "results_url": f"{base_url}/v1/messages/batches/{self.id}/results"
            if ended and archived_at is None
            else None,
        }

    def _counts(self, now: float, ended: bool, incremental: bool) -> dict[str, int]:
        done = len(self) if ended else min(self._finished, self._processed(now)) if incremental else 0
        codes = self.codes()[:done]
        counts = {name: codes.count(code) for code, name in enumerate(RESULT_TYPES)}
        return {"processing": len(self) - done, **counts}
