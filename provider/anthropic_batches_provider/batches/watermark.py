"""Remembers which ended batches were told, in a few lines: so that each is told once, whoever tells next.

Pure, and by the service's moments alone: batches end in any order, and no clock of ours is compared with theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pendulum

from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER
from anthropic_batches_provider.batches.message_batch import MessageBatch

# How much later than it says a batch may come into the list, or be shown there as ended.
_LATE = pendulum.duration(minutes=10)
_LONGEST_LIFE = BATCH_EXPIRES_AFTER + pendulum.duration(hours=2)  # a canceled or expired batch takes a while to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Every batch that ended up to a moment was told, and of those that ended after it, these.

    :param until: the moment, by the service's clock.
    :param told: by id, when each ended.
    """

    until: pendulum.DateTime
    told: Mapping[str, pendulum.DateTime] = field(default_factory=dict)

    def covers(self, batch: MessageBatch) -> bool:
        """Return whether an ended batch was told, or ended before anybody was to be told."""
        return batch.ended_at is not None and (batch.ended_at <= self.until or batch.id in self.told)

    def with_told(self, batches: Sequence[MessageBatch]) -> Watermark:
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
            told = {str(id_): _moment(end) for id_, end in stored["told"].items()}
            return cls(until=_moment(stored["until"]), told=told)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"This is no watermark of told batches: {str(stored)[:200]!r}") from error


class UntoldBatches:
    """What has ended and was not told, look after look.

    :param watermark: what was told before.
    """

    def __init__(self, watermark: Watermark) -> None:
        self.watermark = watermark
        self._floor: pendulum.DateTime | None = None

    @property
    def floor(self) -> pendulum.DateTime:
        """A batch that was created before this moment is no news: a list, newest first, may end there."""
        earliest = self.watermark.until - _LONGEST_LIFE
        return earliest if self._floor is None else max(earliest, self._floor)

    def saw(self, batches: Iterable[MessageBatch]) -> None:
        """Take note of a list that reaches down to :attr:`floor`."""
        listed = list(batches)
        if listed:
            open_ = [batch.created_at for batch in listed if not self.watermark.covers(batch)]
            self._floor = min(open_, default=max(batch.created_at for batch in listed)) - _LATE

    def among(self, batches: Iterable[MessageBatch]) -> list[MessageBatch]:
        """Return those that have ended and were not told, in the order in which they ended."""
        found = [batch for batch in batches if batch.has_ended and batch.ended_at and not self.watermark.covers(batch)]
        return sorted(found, key=lambda batch: (cast("pendulum.DateTime", batch.ended_at), batch.id))


def _pruned(until: pendulum.DateTime, before: Watermark, told: Mapping[str, pendulum.DateTime]) -> Watermark:
    until = max(until, before.until)
    return Watermark(until=until, told={id_: end for id_, end in told.items() if end > until})


def _moment(text: str) -> pendulum.DateTime:
    moment = pendulum.parse(text)
    if not isinstance(moment, pendulum.DateTime):
        raise TypeError(f"{text!r} is no moment")
    return moment.in_timezone("UTC")
