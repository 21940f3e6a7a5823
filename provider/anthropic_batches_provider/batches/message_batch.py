"""The API's message batch as a value: one batch as one answer of the service describes it.

Reading is tolerant: what is new, missing or impossible is not known, and stops nobody who does not need it. Deciding is
strict: code that records an acceptance, an end or a proof checks that all facts that it needs are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

import pendulum

from anthropic_batches_provider.batches.batch_ids import is_batch_id
from anthropic_batches_provider.errors import UnexpectedAnswerError

UNKNOWN_STATUS = "unknown"

ResultType = Literal["succeeded", "errored", "canceled", "expired"]
RESULT_TYPES: tuple[ResultType, ...] = ("succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """How many requests of a batch are in each state; the five counts always add up to the size of the batch.

    :param are_known: False if an answer did not give all five; they are 0 then, and say nothing.
    """

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0
    are_known: bool = True

    @classmethod
    def from_api(cls, counts: object) -> RequestCounts:
        """Read the counts of a decoded answer; they are not known unless all five are numbers of requests."""
        numbers = [counts.get(name) for name in _COUNTS] if isinstance(counts, Mapping) else []
        known = [number for number in numbers if type(number) is int and 0 <= number <= _MOST_REQUESTS]
        if len(known) != len(_COUNTS):
            return UNKNOWN_COUNTS
        processing, succeeded, errored, canceled, expired = known
        return cls(processing=processing, succeeded=succeeded, errored=errored, canceled=canceled, expired=expired)

    @property
    def total(self) -> int:
        """Number of requests in the batch."""
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired

    def as_dict(self) -> dict[str, int]:
        """Return the counts under the API's names."""
        return {
            "processing": self.processing,
            "succeeded": self.succeeded,
            "errored": self.errored,
            "canceled": self.canceled,
            "expired": self.expired,
        }

    def __str__(self) -> str:
        """Return the counts above 0 in human-readable form: ``5 succeeded, 1 errored``."""
        if not self.are_known:
            return "counts not known"
        return ", ".join(f"{count:,} {name}" for name, count in self.as_dict().items() if count) or "no requests"

    def __add__(self, other: RequestCounts) -> RequestCounts:
        sums = RequestCounts.from_api({name: count + getattr(other, name) for name, count in self.as_dict().items()})
        return sums if self.are_known and other.are_known else replace(sums, are_known=False)


_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_MOST_REQUESTS = 1_000_000_000
UNKNOWN_COUNTS = RequestCounts(are_known=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBatch:
    """One message batch as the API described it. All times are timezone-aware and in UTC; None if they are not known.

    :param processing_status: ``in_progress``, ``canceling``, ``ended``, a newer one of the API, or ``unknown``.
    """

    id: str
    processing_status: str
    request_counts: RequestCounts
    created_at: pendulum.DateTime | None
    expires_at: pendulum.DateTime | None
    ended_at: pendulum.DateTime | None = None
    cancel_initiated_at: pendulum.DateTime | None = None
    archived_at: pendulum.DateTime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether every request is in a final state, so that results can be read."""
        return self.processing_status == "ended"

    def ended_with(self, requests: int) -> bool:
        """Return whether the answer proves that a batch of so many requests has ended: its facts agree."""
        counts = self.request_counts
        return self.has_ended and counts.are_known and counts.processing == 0 and counts.total == requests

    @classmethod
    def from_api(cls, body: object) -> MessageBatch:
        """Read a message batch from a decoded answer.

        The SDK builds a batch from any JSON, so this method checks what a batch cannot lack: its type and a
        well-formed id. An unknown status, or a count or time that is missing or impossible, is not known.

        :param body: the decoded JSON of create, retrieve or cancel, or of one entry of list.
        :raises UnexpectedAnswerError: the body is not a message batch.
        """
        if not isinstance(body, Mapping) or body.get("type") != "message_batch":
            raise _no_batch(body, "its type is not message_batch")
        batch_id = body.get("id")
        if not is_batch_id(batch_id):
            raise _no_batch(body, "its id is not an id")
        return cls._read(body, batch_id)

    @classmethod
    def from_list(cls, entry: object) -> MessageBatch | None:
        """Read an entry of a list; None if it is no object.

        Its id may be of any form: such a batch cannot be asked about, but it may be the one whose answer was lost.
        """
        if not isinstance(entry, Mapping):
            return None
        return cls._read(entry, str(entry.get("id")))

    @property
    def has_well_formed_id(self) -> bool:
        """Whether the batch can be asked about, and its id can be a part of a path."""
        return is_batch_id(self.id)

    @classmethod
    def _read(cls, body: Mapping[str, object], batch_id: str) -> MessageBatch:
        return cls(
            id=batch_id,
            processing_status=readable_status(body.get("processing_status")),
            request_counts=RequestCounts.from_api(body.get("request_counts")),
            created_at=_moment_or_none(body.get("created_at")),
            expires_at=_moment_or_none(body.get("expires_at")),
            ended_at=_moment_or_none(body.get("ended_at")),
            cancel_initiated_at=_moment_or_none(body.get("cancel_initiated_at")),
            archived_at=_moment_or_none(body.get("archived_at")),
        )


def readable_status(status: object) -> str:
    """Return a status of the API, known or new; ``unknown`` for anything that does not look like one."""
    return status if isinstance(status, str) and _STATUS.match(status) else UNKNOWN_STATUS


_STATUS = re.compile(r"[a-z_]{1,64}\Z")


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_NamedT = TypeVar("_NamedT", bound=_Named)


def check_about(batch: _NamedT, batch_id: str) -> _NamedT:
    """Return a batch, if the answer is about the one that was asked for.

    :raises UnexpectedAnswerError: it is about another.
    """
    if batch.id != batch_id:
        raise UnexpectedAnswerError(
            f"The answer is about {batch.id}, not about {batch_id}. "
            "Check whether a proxy or gateway between Airflow and the API answered in its place."
        )
    return batch


def _no_batch(body: object, why: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"The answer is not a message batch ({why}); it begins with {str(body)[:200]!r}. "
        "Check whether a proxy or gateway between Airflow and the API answered in its place."
    )


def moment(text: str) -> pendulum.DateTime:
    """Parse a time as the API and the ledger write it, and return it in UTC.

    :param text: ISO 8601 with date, time and offset.
    :raises TypeError: it is another ISO 8601 value, such as a duration.
    :raises ValueError: it is not ISO 8601.
    """
    found = pendulum.parse(text)
    if not isinstance(found, pendulum.DateTime):
        raise TypeError(f"{text!r} is not a point in time")
    return found.in_timezone("UTC")


def _moment_or_none(text: object) -> pendulum.DateTime | None:
    """Return None for what is no time, or one so far away that reckoning with it would fail."""
    try:
        found = moment(text) if isinstance(text, str) else None
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found is not None and _EARLIEST <= found.year <= _LATEST else None


_EARLIEST, _LATEST = 2000, 2200
