"""Adds up what results report of the prompt cache, by message batch and model.

Invariant: a request whose usage is missing or unreadable adds nothing; it is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from anthropic_batches_provider.batches.usage import UNKNOWN_MODEL, Usage, usage_from_dict, usage_numbers

_MOST_DIFFERENT = 4096


class CacheUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a number of requests did with the prompt cache; all but the requests are tokens.

    :param requests: answered requests that reported their usage.
    :param written_5m: written for 5 minutes.
    :param written_1h: written for an hour.
    :param read: read from the cache.
    """

    requests: int = 0
    written_5m: int = 0
    written_1h: int = 0
    read: int = 0

    @classmethod
    def of(cls, usage: Usage) -> CacheUse:
        """Return the part of a usage that concerns the cache."""
        return cls(
            requests=usage.requests - usage.unreported_requests,
            written_5m=usage.cache_creation_5m_input_tokens,
            written_1h=usage.cache_creation_1h_input_tokens,
            read=usage.cache_read_input_tokens,
        )

    @property
    def written(self) -> int:
        """Tokens that were written, for whichever time."""
        return self.written_5m + self.written_1h

    @property
    def tokens(self) -> int:
        """Tokens that were written or read."""
        return self.written + self.read

    def __add__(self, other: CacheUse) -> CacheUse:
        return CacheUse(
            requests=self.requests + other.requests,
            written_5m=self.written_5m + other.written_5m,
            written_1h=self.written_1h + other.written_1h,
            read=self.read + other.read,
        )


UseByModel = Mapping[str, CacheUse]
UseByBatch = Mapping[str, UseByModel]

NO_USE = CacheUse()


class CacheUses:
    """Adds up by message batch and model, in constant memory.

    Rows of one batch often report identical usage: it is counted, and decoded once for many rows.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[int]] = {}
        self._times: dict[tuple[str, str | None, bytes], int] = {}

    def add(self, batch_id: str, model: str | None, usage: msgspec.Raw | bytes | None) -> None:
        """Count one request.

        :param model: the model that the message names; None counts as ``unknown``.
        :param usage: see :meth:`.Usage.from_api`.
        """
        reported = batch_id, model, b"" if usage is None else bytes(usage)
        times = self._times
        times[reported] = times.get(reported, 0) + 1
        if len(times) > _MOST_DIFFERENT:
            self._add_up()

    def include(self, uses: UseByBatch) -> None:
        """Add the sums that :meth:`by_batch` returned elsewhere."""
        for batch_id, by_model in uses.items():
            for model, use in by_model.items():
                for index, number in enumerate((use.requests, use.written_5m, use.written_1h, use.read)):
                    self._sums_of(batch_id, model)[index] += number

    def by_batch(self) -> dict[str, dict[str, CacheUse]]:
        """Return the sums so far by batch and model, in alphabetical order."""
        self._add_up()
        found: dict[str, dict[str, CacheUse]] = {}
        for (batch_id, model), (requests, written_5m, written_1h, read) in sorted(self._sums.items()):
            use = CacheUse(requests=requests, written_5m=written_5m, written_1h=written_1h, read=read)
            found.setdefault(batch_id, {})[model] = use
        return found

    def _add_up(self) -> None:
        for (batch_id, model, usage), times in self._times.items():
            sums, numbers = self._sums_of(batch_id, model or UNKNOWN_MODEL), usage_numbers(usage)
            if numbers is not None:
                _, _, written_5m, written_1h, read, *_ = numbers
                sums[0] += times
                sums[1] += times * written_5m
                sums[2] += times * written_1h
                sums[3] += times * read
        self._times.clear()

    def _sums_of(self, batch_id: str, model: str) -> list[int]:
        return self._sums.setdefault((batch_id, model), [0] * 4)


def added_up(uses: Iterable[UseByModel]) -> dict[str, CacheUse]:
    """Return the sums by model of several batches or parts."""
    sums: dict[str, CacheUse] = {}
    for by_model in uses:
        for model, use in by_model.items():
            sums[model] = sums.get(model, NO_USE) + use
    return sums


def cache_use_in(usage: Mapping[str, Mapping[str, int]]) -> dict[str, CacheUse]:
    """Return the part that concerns the cache of the sums of usage by model, as a manifest holds them."""
    return {model: CacheUse.of(sums) for model, sums in usage_from_dict(usage).items()}
