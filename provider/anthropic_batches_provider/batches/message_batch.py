"""The API's message batch as a value: one batch as one answer of the service describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import pendulum

from anthropic_batches_provider.errors import UnexpectedAnswerError

ProcessingStatus = Literal["in_progress", "canceling", "ended"]
PROCESSING_STATUSES: frozenset[str] = frozenset(("in_progress", "canceling", "ended"))

ResultType = Literal["succeeded", "errored", "canceled", "expired"]
RESULT_TYPES: tuple[ResultType, ...] = ("succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """How many requests of a batch are in each state; the five counts always add up to the size of the batch."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

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
        return ", ".join(f"{count:,} {name}" for name, count in self.as_dict().items() if count) or "no requests"

    def __add__(self, other: RequestCounts) -> RequestCounts:
        return RequestCounts(**{name: count + getattr(other, name) for name, count in self.as_dict().items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBatch:
    """One message batch as the API described it. All times are timezone-aware and in UTC."""

    id: str
    processing_status: ProcessingStatus
    request_counts: RequestCounts
    created_at: pendulum.DateTime
    expires_at: pendulum.DateTime
    ended_at: pendulum.DateTime | None = None
    cancel_initiated_at: pendulum.DateTime | None = None
    archived_at: pendulum.DateTime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether every request is in a final state, so that results can be read."""
        return self.processing_status == "ended"

    @classmethod
    def from_api(cls, body: object) -> MessageBatch:
        """Read a message batch from a decoded answer.

        The SDK builds a batch from any JSON, so this method checks the shape: a non-empty id, the type
        ``message_batch``, a known status and five counts.

        :param body: the decoded JSON of create, retrieve or cancel, or of one entry of list.
        :raises UnexpectedAnswerError: the body is not a message batch.
        """
        try:
            return cls._read(cast("Mapping[str, Any]", body))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnexpectedAnswerError(
                f"The answer is not a message batch ({type(error).__name__}: {error}); it begins with "
                f"{str(body)[:200]!r}. "
                "Check whether a proxy or gateway between Airflow and the API answered in its place."
            ) from error

    @classmethod
    def _read(cls, body: Mapping[str, Any]) -> MessageBatch:
        if body["type"] != "message_batch":
            raise ValueError(f"type is {body['type']!r}")
        if not (isinstance(body["id"], str) and body["id"]):
            raise ValueError("id is empty")
        if body["processing_status"] not in PROCESSING_STATUSES:
            raise ValueError(f"processing_status is {body['processing_status']!r}")
        counts = body["request_counts"]
        return cls(
            id=body["id"],
            processing_status=body["processing_status"],
            request_counts=RequestCounts(
                processing=int(counts["processing"]),
                succeeded=int(counts["succeeded"]),
                errored=int(counts["errored"]),
                canceled=int(counts["canceled"]),
                expired=int(counts["expired"]),
            ),
            created_at=moment(body["created_at"]),
            expires_at=moment(body["expires_at"]),
            ended_at=_moment_or_none(body.get("ended_at")),
            cancel_initiated_at=_moment_or_none(body.get("cancel_initiated_at")),
            archived_at=_moment_or_none(body.get("archived_at")),
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


def _moment_or_none(text: str | None) -> pendulum.DateTime | None:
    return None if text is None else moment(text)
