"""Remembers compactly which ended batches were reported, so that each is reported once, by whichever triggerer.

Pure, and based on the service's moments alone: batches end in any order, and no clock of ours is compared with theirs.
It is asked about every batch of a list, on an event loop: moments are plain, aware values, which compare fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from anthropic_batches_provider.batches.limits import LONGEST_LIFE
from anthropic_batches_provider.batches.message_batch import moment

# How late a batch may appear in the list after its creation, or be shown there as ended after its end.
_LATE = timedelta(minutes=10)


class Listed(Protocol):
    """A batch as a list shows it."""

    @property
    def id(self) -> str: ...

    @property
    def has_ended(self) -> bool: ...

    @property
    def created_at(self) -> datetime | None: ...

    @property
    def ended_at(self) -> datetime | None: ...


ListedT = TypeVar("ListedT", bound=Listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Every batch that ended up to a moment was reported, and so were the ``told`` ones that ended after it.

    :param until: the moment, by the service's clock.
    :param told: the moment at which each of these batches ended, by id.
    """

    until: datetime
    told: Mapping[str, datetime] = field(default_factory=dict)

    def uncovered(self, batches: Iterable[ListedT]) -> list[ListedT]:
        """Return the batches that were not reported and that did not end before reports were requested."""
        until = _plain(self.until)
        return [
            batch
            for batch in batches
            if batch.ended_at is None or not (batch.ended_at <= until or batch.id in self.told)
        ]

    def with_told(self, batches: Sequence[Listed]) -> Watermark:
        """Return the watermark once these were reported too, and with them all batches that had ended by then."""
        ends = {batch.id: batch.ended_at for batch in batches if batch.ended_at is not None}
        return _pruned(max((end - _LATE for end in ends.values()), default=self.until), self, {**self.told, **ends})

    def merged(self, other: Watermark | None) -> Watermark:
        """Return the watermark that combines both: another triggerer may have reported in our place."""
        return self if other is None else _pruned(other.until, self, {**self.told, **other.told})

    def as_json(self) -> dict[str, Any]:
        """Return the watermark for a store that accepts JSON."""
        return {"until": self.until.isoformat(), "told": {id_: end.isoformat() for id_, end in self.told.items()}}

    @classmethod
    def from_json(cls, stored: Any) -> Watermark:
        """Read the output of :meth:`as_json`.

        :raises ValueError: the stored value is no watermark.
        """
        try:
            told = {str(id_): moment(end) for id_, end in stored["told"].items()}
            return cls(until=moment(stored["until"]), told=told)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"The stored value is no watermark of reported batches: {str(stored)[:200]!r}") from error


class UntoldBatches:
    """The batches that have ended and were not reported yet, tracked from check to check.

    :param watermark: the batches that were reported before.
    """

    def __init__(self, watermark: Watermark) -> None:
        self.watermark = watermark
        self._floor: datetime | None = None

    @property
    def floor(self) -> datetime:
        """A batch that was created before this moment is no news: reading the list, newest first, may stop there."""
        earliest = _plain(self.watermark.until) - LONGEST_LIFE
        return earliest if self._floor is None else max(earliest, self._floor)

    def saw(self, batches: Sequence[Listed]) -> None:
        """Note a list that reaches down to :attr:`floor`."""
        births = [batch.created_at for batch in batches if batch.created_at is not None]
        if births:
            open_ = [batch.created_at for batch in self.watermark.uncovered(batches) if batch.created_at is not None]
            self._floor = _plain(min(open_, default=max(births))) - _LATE

    def among(self, batches: Iterable[ListedT]) -> list[ListedT]:
        """Return the batches that have ended and were not reported, in the order in which they ended."""
        found = [batch for batch in self.watermark.uncovered(batches) if batch.has_ended and batch.ended_at]
        return sorted(found, key=lambda batch: (cast("datetime", batch.ended_at), batch.id))


def _pruned(until: datetime, before: Watermark, told: Mapping[str, datetime]) -> Watermark:
    until = max(until, before.until)
    return Watermark(until=until, told={id_: end for id_, end in told.items() if end > until})


def _plain(at: datetime) -> datetime:
    """Return the same moment without a library's time zone, which each comparison would ask again."""
    return datetime.fromtimestamp(at.timestamp(), UTC)
