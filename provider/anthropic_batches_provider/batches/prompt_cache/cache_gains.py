"""What the prompt cache of a job gained or lost, in tokens of plain input.

A token of plain input is one that is neither written to the cache nor read from it. What a cache did is worth the same
number of them at every price: batch, geography and model only multiply it.

Invariant: a model whose cache is not known here has no gain, rather than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import asdict

from anthropic_batches_provider.batches.prompt_cache.cache_rules import CacheTtl
from anthropic_batches_provider.batches.prompt_cache.cache_uses import (
    NO_USE,
    CacheUse,
    UseByBatch,
    UseByModel,
    added_up,
)
from anthropic_batches_provider.batches.prompt_cache.cached_models import CachingOfModel, caching_of

Caching = Callable[[str], CachingOfModel | None]


class CacheGains(msgspec.Struct, frozen=True, kw_only=True):
    """What a cache did, in tokens.

    :param requests: answered requests that reported their usage.
    :param written_tokens: written to the cache.
    :param read_tokens: read from it.
    :param hit_share: the share of these two that was read, from 0 to 1; None if both are 0.
    :param saved_tokens: the tokens of plain input that were saved against no cache, rounded; negative for a loss. None
        if a model's cache is not known.
    :param above_least_tokens: the tokens of plain input that were paid beyond the least possible: one write of the
        prefix, and reads by all other requests. None as above.
    """

    requests: int = 0
    written_tokens: int = 0
    read_tokens: int = 0
    hit_share: float | None = None
    saved_tokens: int | None = 0
    above_least_tokens: int | None = 0

    @property
    def tokens(self) -> int:
        """Tokens that were written or read."""
        return self.written_tokens + self.read_tokens

    @property
    def loses(self) -> bool:
        """Whether the cache cost more than none."""
        return self.saved_tokens is not None and self.saved_tokens < 0

    def __str__(self) -> str:
        if not self.tokens:
            return "nothing was written to or read from the cache"
        share = _percent(self.read_tokens, self.tokens)
        return f"{self.written_tokens:,} tokens written, {self.read_tokens:,} read (hit share {share}), {self._saved()}"

    def _saved(self) -> str:
        saved = self.saved_tokens
        if saved is None:
            return "saved tokens unknown: the model's prices are unknown"
        kind = "saved" if saved >= 0 else "lost"
        return f"{abs(saved):,} tokens of plain input {kind} ({_percent(abs(saved), self.tokens)})"


def _percent(part: int, whole: int) -> str:
    """Return a share, rounded down: only all is 100%."""
    return f"{part * 1000 // whole / 10:.1f}%"


class BatchCacheGains(CacheGains, frozen=True, kw_only=True):
    """What the cache did in one message batch.

    :param above_least_tokens: as in :class:`CacheGains`, where the one write belongs to the first batch that wrote.
    """

    batch_id: str


class JobCacheGains(CacheGains, frozen=True, kw_only=True):
    """What the cache did in a job.

    :param ttl: how long an entry lives after it was written or read: ``5m`` or ``1h``.
    :param prefix_tokens: the tokens of the shared prefix, as the API counted them before; None if it did not.
    :param batches: the same by batch, in the order of their creation.
    """

    ttl: CacheTtl
    prefix_tokens: int | None
    batches: tuple[BatchCacheGains, ...] = ()


def gains_of(uses: UseByModel, ttl: CacheTtl, *, caching: Caching = caching_of) -> CacheGains:
    """Return what the cache of a job did.

    :param uses: the sums over all its answered requests, by model.
    :param ttl: the time to live that the job asks for.
    :param caching: returns how a model's cache works.
    """
    return _gains(uses, _allowances(uses, ttl, caching), caching)


def gains_by_batch(batches: UseByBatch, ttl: CacheTtl, *, caching: Caching = caching_of) -> tuple[BatchCacheGains, ...]:
    """Return what the cache did in each batch of a job; tokens above the least add up to those of the job.

    :param batches: the sums of each batch, in the order of their creation.
    :param ttl: see :func:`gains_of`.
    :param caching: see :func:`gains_of`.
    """
    allowed = _allowances(added_up(batches.values()), ttl, caching)
    return tuple(
        BatchCacheGains(batch_id=batch_id, **asdict(_gains(uses, allowed, caching)))
        for batch_id, uses in batches.items()
    )


@dataclass(slots=True)
class _Allowance:
    """What the one write that cannot be avoided costs beyond reads, of one model; used up by the first that write."""

    tokens: float

    def use(self, extra: float) -> float:
        """Return the rest of what writes cost beyond reads."""
        used = min(self.tokens, extra)
        self.tokens -= used
        return extra - used


def _allowances(uses: UseByModel, ttl: CacheTtl, caching: Caching) -> Mapping[str, _Allowance]:
    found = {}
    for model, use in uses.items():
        known = caching(model) if use.tokens else None
        if known is None:
            continue
        prefix = use.tokens / max(use.requests, 1)
        found[model] = _Allowance((known.write(ttl) - known.read) * prefix)
    return found


def _gains(uses: UseByModel, allowed: Mapping[str, _Allowance], caching: Caching) -> CacheGains:
    total = sum(uses.values(), NO_USE)
    known = {model: (use, caching(model)) for model, use in uses.items() if use.tokens}
    saved = above = 0.0
    for model, (use, costs) in known.items():
        if costs is not None:
            saved += use.tokens - _paid(use, costs)
            above += allowed[model].use(_paid(use, costs) - costs.read * use.tokens)
    is_known = all(costs is not None for _, costs in known.values())
    return CacheGains(
        requests=total.requests,
        written_tokens=total.written,
        read_tokens=total.read,
        hit_share=total.read / total.tokens if total.tokens else None,
        saved_tokens=round(saved) if is_known else None,
        above_least_tokens=round(above) if is_known else None,
    )


def _paid(use: CacheUse, known: CachingOfModel) -> float:
    """Return what the tokens of the cache cost, in tokens of plain input."""
    return known.write_5m * use.written_5m + known.write_1h * use.written_1h + known.read * use.read
