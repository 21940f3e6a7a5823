"""The record of calls, with which tests check the behavior of a client."""

from __future__ import annotations

from collections import Counter

import msgspec


class CreateCall(msgspec.Struct, kw_only=True):
    """One POST that requested a batch.

    :param batch_id: of the batch that it made, even if the answer was lost; null if it made none.
    :param requests: the number of requests in its body; null if the body was not read.
    :param fault: the action of the fault that struck it.
    :param status: of the answer; null if there was none.
    :param at: the time by the simulator's clock, in seconds since the epoch.
    """

    at: float
    body_bytes: int = 0
    requests: int | None = None
    batch_id: str | None = None
    fault: str | None = None
    status: int | None = None


class Received(msgspec.Struct, kw_only=True):
    """All calls since the start or the last reset.

    :param calls: number of HTTP calls by operation.
    :param creates: the POSTs that requested a batch, in order.
    """

    # msgspec copies empty defaults for each instance.
    calls: dict[str, int] = {}
    creates: list[CreateCall] = []

    @property
    def batches_created(self) -> int:
        """The number of batches that the POSTs made, including POSTs without an answer."""
        return sum(create.batch_id is not None for create in self.creates)


class Log:
    """Keeps the record of calls."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._creates: list[CreateCall] = []
        self._minute = 0
        self._calls_in_minute = 0

    def count(self, operation: str, now: float) -> None:
        """Count a call, for the record and for the rate limit of the clock's current minute."""
        self._calls_in_minute = self.in_this_minute(now) + 1
        self._minute = int(now // 60)
        self._calls[operation] += 1

    def in_this_minute(self, now: float) -> int:
        """Return the number of calls in the clock's current minute."""
        return self._calls_in_minute if self._minute == int(now // 60) else 0

    def create(self, at: float) -> CreateCall:
        """Open the entry of a create call; it is filled in while the call proceeds."""
        entry = CreateCall(at=at)
        self._creates.append(entry)
        return entry

    def account(self) -> Received:
        """Return the record so far; it shares the entries of create calls, which may still be filled in."""
        return Received(calls=dict(sorted(self._calls.items())), creates=self._creates)
