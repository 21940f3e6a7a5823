"""Remembers which ended batches were told, in a few lines: so that each is told once, whoever tells next.

Pure, and by the service's moments alone: batches end in any order, and no clock of ours is compared with theirs. It is
asked about every batch of a list, on an event loop: moments are plain, aware values, which compare fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from anthropic_batches_provider.batches.limits import LONGEST_LIFE
from anthropic_batches_provider.batches.message_batch import moment

# How much later than it says a batch may come into the list, or be shown there as ended.
_LATE = timedelta(minutes=10)


class Listed(Protocol):
    """A batch as a list shows it."""

    @property
    def id(self) -> str: ...

    @property
    def has_ended(self) -> bool: ...

    @property
    def created_at(self) -> datetime: ...

    @property
    def ended_at(self) -> datetime | None: ...


ListedT = TypeVar("ListedT", bound=Listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Every batch that ended up to a moment was told, and of those that ended after it, these.

    :param until: the moment, by the service's clock.
    :param told: by id, when each ended.
    """

    until: datetime
    told: Mapping[str, datetime] = field(default_factory=dict)

    def uncovered(self, batches: Iterable[ListedT]) -> list[ListedT]:
        """Return those that were not told, and did not end before anybody was to be told."""
        until = _plain(self.until)
        return [
            batch
            for batch in batches
            if batch.ended_at is None or not (batch.ended_at <= until or batch.id in self.told)
        ]

    def with_told(self, batches: Sequence[Listed]) -> Watermark:
        """Return what holds once these were told too, and with them all that had ended by then."""
        ends = {batch.id: batch.ended_at for batch in batches if batch.ended_at is not None}
        return _pruned(max((end - _LATE for end in ends.values()), default=self.until), self, {**self.told, **ends})

    def merged(self, other: Watermark | None) -> Watermark:
        """Return what holds if both hold: another triggerer may have told in our place."""
        return self if other is None else _pruned(other.until, self, {**self.told, **other.told})

    def as_json(self) -> dict[str, Any]:
        """Return it for a store that takes JSON."""
        return {"until": self.until.isoformat(), "told": {id_: end.isoformat() for id_, end in self.told.items()}}

    @classmethod
    def from_json(cls, stored: Any) -> Watermark:
        """Read what :meth:`as_json` gave.

        :raises ValueError: somebody else wrote it.
        """
        try:
            told = {str(id_): moment(end) for id_, end in stored["told"].items()}
            return cls(until=moment(stored["until"]), told=told)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"This is no watermark of told batches: {str(stored)[:200]!r}") from error


class UntoldBatches:
    """What has ended and was not told, look after look.

    :param watermark: what was told before.
    """

    def __init__(self, watermark: Watermark) -> None:
        self.watermark = watermark
        self._floor: datetime | None = None

    @property
    def floor(self) -> datetime:
        """A batch that was created before this moment is no news: a list, newest first, may end there."""
        earliest = _plain(self.watermark.until) - LONGEST_LIFE
        return earliest if self._floor is None else max(earliest, self._floor)

    def saw(self, batches: Sequence[Listed]) -> None:
        """Take note of a list that reaches down to :attr:`floor`."""
        if batches:
            open_ = [batch.created_at for batch in self.watermark.uncovered(batches)]
            self._floor = _plain(min(open_, default=max(batch.created_at for batch in batches))) - _LATE

    def among(self, batches: Iterable[ListedT]) -> list[ListedT]:
        """Return those that have ended and were not told, in the order in which they ended."""
        found = [batch for batch in self.watermark.uncovered(batches) if batch.has_ended and batch.ended_at]
        return sorted(found, key=lambda batch: (cast("datetime", batch.ended_at), batch.id))


def _pruned(until: datetime, before: Watermark, told: Mapping[str, datetime]) -> Watermark:
    until = max(until, before.until)
    return Watermark(until=until, told={id_: end for id_, end in told.items() if end > until})


def _plain(at: datetime) -> datetime:
    """Return the same moment without the zone of a library, which is asked anew at each comparison."""
    return datetime.fromtimestamp(at.timestamp(), UTC)
