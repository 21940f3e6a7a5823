"""The answers to polls: decoded at the speed of the wire, and turned into batches only where one is needed.

Decoding a page of 1,000 batches this way takes 1 ms, on an event loop that a thousand other waits share. As
:class:`MessageBatch` values it would take 35 ms.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Literal, TypeVar

import msgspec
import pendulum

from anthropic_batches_provider.batches.client.calls import Answer, Call, list_page, retrieve
from anthropic_batches_provider.batches.client.failures import retry_after_seconds
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGE
from anthropic_batches_provider.batches.message_batch import (
    UNKNOWN_COUNTS,
    MessageBatch,
    RequestCounts,
    check_about,
    readable_status,
)
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import UnexpectedAnswerError

T = TypeVar("T")

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class SightedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The API's ``request_counts``."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One batch as one answer described it; two are equal if nothing has changed.

    A batch of the workspace with a new status, or without a count or time, must not make a page unreadable: such a
    batch has not ended, and what is missing is None.
    """

    id: Annotated[str, msgspec.Meta(min_length=1)]  # a pattern would double the time; who passes it on checks it
    type: Literal["message_batch"]
    processing_status: Annotated[str, msgspec.Meta(min_length=1)]
    request_counts: SightedCounts | None = None
    created_at: _Moment | None = None
    expires_at: _Moment | None = None
    ended_at: _Moment | None = None
    cancel_initiated_at: _Moment | None = None
    archived_at: _Moment | None = None

    @property
    def has_ended(self) -> bool:
        """Whether every request is in a final state."""
        return self.processing_status == "ended"

    def batch(self) -> MessageBatch:
        """Return the batch as a value of the engine."""
        return MessageBatch(
            id=self.id,
            processing_status=readable_status(self.processing_status),
            request_counts=_counts(self.request_counts),
            created_at=_pendulum(self.created_at),
            expires_at=_pendulum(self.expires_at),
            ended_at=_pendulum(self.ended_at),
            cancel_initiated_at=_pendulum(self.cancel_initiated_at),
            archived_at=_pendulum(self.archived_at),
        )


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The batches that one call saw.

    :param sightings: of one batch, or of a page of them, newest first.
    :param next_page: the id after which the next page begins; None after the last.
    :param retry_after_seconds: the service's hint on when to ask again; it sends one with batches in progress.
    """

    sightings: tuple[Sighting, ...]
    next_page: str | None = None
    retry_after_seconds: float = 0.0


class _Page(msgspec.Struct):
    data: tuple[Sighting, ...]
    has_more: bool
    last_id: str | None = None


class _RawPage(msgspec.Struct):
    data: tuple[msgspec.Raw, ...]
    has_more: bool
    last_id: str | None = None


_SIGHTING = msgspec.json.Decoder(Sighting)
_PAGE = msgspec.json.Decoder(_Page)
_RAW_PAGE = msgspec.json.Decoder(_RawPage)
_ANYTHING = msgspec.json.Decoder()


def look_at(batch_id: str) -> Call[Look]:
    """Return the call that checks one batch."""
    call = retrieve(batch_id)
    return Call(
        doing=call.doing, method="get", path=call.path, read=partial(_look_at, batch_id=batch_id), batch_id=batch_id
    )


def look_at_page(after_id: str | None) -> Call[Look]:
    """Return the call that checks up to 1,000 batches, newest first."""
    call = list_page(MAX_LIST_PAGE, after_id, None)
    return Call(doing=call.doing, method="get", path=call.path, read=_look_at_page, query=call.query)


def _look_at(answer: Answer, *, batch_id: str) -> Look:
    try:
        sighting = _SIGHTING.decode(answer.body)
    except UNDECODABLE:
        sighting = _sighting(MessageBatch.from_api(_decoded(_ANYTHING, answer)))
    check_about(sighting, batch_id)
    return Look(sightings=(sighting,), retry_after_seconds=retry_after_seconds(answer.headers) or 0.0)


def _look_at_page(answer: Answer) -> Look:
    try:
        page = _PAGE.decode(answer.body)
    except UNDECODABLE:
        page = _page_without_odd_entries(_decoded(_RAW_PAGE, answer))
    if page.has_more and not page.last_id:
        raise UnexpectedAnswerError(
            "The answer says that more batches follow, but not where the next page begins. "
            "Check whether a proxy or gateway between Airflow and the API answered in its place."
        )
    return Look(
        sightings=page.data,
        next_page=page.last_id if page.has_more else None,
        retry_after_seconds=retry_after_seconds(answer.headers) or 0.0,
    )


def _page_without_odd_entries(page: _RawPage) -> _Page:
    found = (_entry(entry) for entry in page.data)
    data = tuple(sighting for sighting in found if sighting is not None)
    return _Page(data=data, has_more=page.has_more, last_id=page.last_id)


def _entry(entry: msgspec.Raw) -> Sighting | None:
    try:
        return _SIGHTING.decode(entry)
    except UNDECODABLE:
        pass
    try:
        batch = MessageBatch.from_list(_ANYTHING.decode(entry))
    except UNDECODABLE:
        return None
    return None if batch is None else _sighting(batch)


def _sighting(batch: MessageBatch) -> Sighting:
    counts = batch.request_counts
    return Sighting(
        id=batch.id,
        type="message_batch",
        processing_status=batch.processing_status,
        request_counts=SightedCounts(**counts.as_dict()) if counts.are_known else None,
        created_at=batch.created_at,
        expires_at=batch.expires_at,
        ended_at=batch.ended_at,
        cancel_initiated_at=batch.cancel_initiated_at,
        archived_at=batch.archived_at,
    )


def _counts(counts: SightedCounts | None) -> RequestCounts:
    return UNKNOWN_COUNTS if counts is None else RequestCounts.from_api(msgspec.structs.asdict(counts))


def _decoded(decoder: msgspec.json.Decoder[T], answer: Answer) -> T:
    try:
        return decoder.decode(answer.body)
    except UNDECODABLE as error:
        raise UnexpectedAnswerError(
            f"The answer is not what the API promises ({error}); it begins with {answer.body[:200]!r}. "
            "Check whether a proxy or gateway between Airflow and the API answered in its place."
        ) from error


def _pendulum(moment: datetime | None) -> pendulum.DateTime | None:
    return None if moment is None else pendulum.instance(moment)
