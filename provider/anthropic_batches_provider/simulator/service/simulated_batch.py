"""One message batch: what was asked, how each row ends, and what the batch looks like at a given moment.

A batch is a function of time: nothing happens between two looks at it.
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
    """Where a batch comes from: the workspace, and the headers that hold for all its requests."""

    workspace_id: str
    version: str
    betas: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Prepared:
    """Requests that were read and whose ends are decided, but that are not yet a batch.

    :param requests: in the order in which they came.
    :param order: indexes of the requests in the order in which they are processed, which is that of the results.
    :param codes: per request, in the order of processing, an index into RESULT_TYPES.
    :param outcomes: by index, for requests that do not simply succeed.
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
        """When the service gives up on what is not done: 24 h after the creation."""
        return self.created_at + EXPIRES_AFTER

    @property
    def ends_at(self) -> float:
        """When it ends, or ended, unless a later cancel or :meth:`end` brings that forward."""
        return self._ends_at

    def has_ended(self, now: float) -> bool:
        """Whether it is ended at ``now``; a batch that is being canceled is not."""
        return now >= self._ends_at

    def archived_at(self, now: float) -> float | None:
        """The moment from which its results are gone; None if they are still there at ``now``.

        It lies 29 days after the creation, or earlier by :meth:`archive`.
        """
        moment = self.created_at + ARCHIVED_AFTER
        if self.archived_early_at is not None:
            moment = min(moment, self.archived_early_at)
        return moment if now >= moment else None

    def codes(self) -> bytes:
        """How each row ends or ended, in the order of processing."""
        # Rows are done in the order of processing, so that one number tells how far the batch has come.
        return self.prepared.codes[: self._finished] + bytes([self._rest]) * (len(self) - self._finished)

    def cancel(self, now: float, *, takes: float, completes: float) -> None:
        """Stop at ``now``: what is done stays, and ``completes`` of the rest finishes within ``takes`` seconds."""
        done = self._processed(now)
        self.cancel_initiated_at = now
        # min: a batch that would have expired first must not finish more by being canceled.
        self._finished = min(self._finished, done + int((len(self) - done) * completes))
        self._rest = CANCELED
        self._ends_at = min(self._ends_at, now + takes)

    def end(self, now: float, *, unfinished_expire: bool = False) -> None:
        """End at ``now``; rows that are not done yet are done at once, or expire."""
        if unfinished_expire:
            self._finished, self._rest = min(self._finished, self._processed(now)), EXPIRED
        elif self.cancel_initiated_at is None:
            self._finished = len(self)
        self._ends_at = min(self._ends_at, now)

    def archive(self, now: float) -> None:
        """Let the results be gone from ``now`` on; the batch itself stays."""
        self.archived_early_at = now

    def _processed(self, now: float) -> int:
        """Rows that are done at ``now``, if nothing stops the batch."""
        if self.duration <= 0:
            return len(self)
        return int(len(self) * min(1.0, max(0.0, (now - self.created_at) / self.duration)))

    def body(self, now: float, *, base_url: str, incremental: bool, fresh: bool = False) -> dict[str, Any]:
        """The API's MessageBatch at ``now``.

        :param fresh: it was created or canceled by this very call, so that it has not ended, however short it is.
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
