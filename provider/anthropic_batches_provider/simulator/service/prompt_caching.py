"""Prompt caching: which prefixes a request reads from entries that earlier batches left, and which it writes.

Only a batch warms a batch, and requests of one cold batch do not read each other unless the settings say so. What is
measured of the real service, by whom, and what is a guess: ``docs/simulator.md``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import msgspec

from anthropic_batches_provider.simulator.service.identifiers import lottery
from anthropic_batches_provider.simulator.service.model_answers import PromptUsage
from anthropic_batches_provider.simulator.service.model_catalog import find_model
from anthropic_batches_provider.simulator.service.prompt_contents import Breakpoint, Params, breakpoints, input_tokens
from anthropic_batches_provider.simulator.service.service_settings import Settings
from anthropic_batches_provider.simulator.service.simulated_batch import SUCCEEDED, MessageBatch

LIFE_SECONDS = {"5m": 300.0, "1h": 3600.0}
_MENTIONS_CACHING = b'"cache_control"'


class PromptCaches:
    """The caches of all workspaces.

    A batch looks for entries when it is created, and leaves its own when it ends: the least favorable moments. An entry
    lives for its TTL from then on, and for its TTL from each read.

    :param seed: of the simulator.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._batches: defaultdict[str, list[MessageBatch]] = defaultdict(list)
        self._touched: dict[str, dict[bytes, float]] = {}

    def note(self, batch: MessageBatch) -> None:
        """Take a batch that was just created; its entries outlive its deletion."""
        self._batches[batch.prepared.origin.workspace_id].append(batch)

    def of(self, batch: MessageBatch, settings: Settings, *, now: float) -> PromptCache:
        """Return the cache as the requests of a batch find it; an ended batch always finds the same."""
        return PromptCache(
            self._seed,
            hit_rate=settings.cache_hit_rate,
            warm_hit_rate=settings.warm_cache_hit_rate,
            find_warm=lambda: self._warm_at(batch, now),
        )

    def _warm_at(self, batch: MessageBatch, now: float) -> frozenset[bytes]:
        """Return the prefixes that are in the cache when a batch is created."""
        lives: dict[bytes, list[tuple[float, float]]] = {}
        for earlier in self._batches[batch.prepared.origin.workspace_id]:
            if earlier is batch:
                break
            for prefix, ttl in self._touched_by(earlier, now).items():
                found = lives.setdefault(prefix, [])
                if _lives_at(found, earlier.created_at):
                    found.append((earlier.created_at, earlier.created_at + ttl))
                found.append((earlier.ends_at, earlier.ends_at + ttl))
        return frozenset(prefix for prefix, found in lives.items() if _lives_at(found, batch.created_at))

    def _touched_by(self, batch: MessageBatch, now: float) -> dict[bytes, float]:
        """Return the prefixes that a batch reads or writes, each with its longest time to live."""
        if batch.id in self._touched:
            return self._touched[batch.id]
        touched: dict[bytes, float] = {}
        for params in _answered(batch):
            for point in cacheable(params):
                ttl = LIFE_SECONDS.get(point.ttl, LIFE_SECONDS["5m"])
                touched[point.prefix] = max(ttl, touched.get(point.prefix, 0.0))
        if batch.has_ended(now):
            self._touched[batch.id] = touched
        return touched


def _lives_at(lives: list[tuple[float, float]], moment: float) -> bool:
    return any(start <= moment < end for start, end in lives)


def _answered(batch: MessageBatch) -> Iterator[Params]:
    """Yield the params of the succeeded rows of a batch that mention caching."""
    for index, code in zip(batch.prepared.order, batch.codes(), strict=True):
        content = bytes(batch.requests[index].params)
        if code == SUCCEEDED and _MENTIONS_CACHING in content:
            yield msgspec.json.decode(content)


def mentions_caching(params: bytes) -> bool:
    """Return whether a request may use the cache; this search saves most requests a walk over their blocks."""
    return _MENTIONS_CACHING in params


def cacheable(params: Params) -> list[Breakpoint]:
    """Return the prefixes of a request that its model caches, shortest first."""
    # At time 0 no model is retired; validation has already refused retired ones.
    model = find_model(params["model"], now=0, extra=())
    minimum = model.cache_minimum if model is not None else 0
    return [point for point in breakpoints(params) if point.tokens >= minimum]


class PromptCache:
    """The cache entries as one batch finds and leaves them; requests are charged in the order of their processing.

    :param hit_rate: share of requests that read what another request of their own batch wrote.
    :param warm_hit_rate: share of requests that read what an earlier batch left.
    :param find_warm: returns the prefixes that earlier batches left; called at most once.
    """

    def __init__(
        self, seed: int, *, hit_rate: float, warm_hit_rate: float, find_warm: Callable[[], frozenset[bytes]]
    ) -> None:
        self._seed = seed
        self._hit_rate = hit_rate
        self._warm_hit_rate = warm_hit_rate
        self._find_warm = find_warm
        self._warm: frozenset[bytes] | None = None
        self._written: set[bytes] = set()
        self._requests = 0

    def charge(self, params: Params, *, may_cache: bool = True) -> PromptUsage:
        """Return how the prompt of ``params`` is charged."""
        self._requests += 1
        total = input_tokens(params)
        points = cacheable(params) if may_cache else []
        if not points:
            return PromptUsage(total)
        # The longest known prefix is read; each breakpoint beyond it is written at the price of its own TTL.
        read = self._read(points)
        writes = {"5m": 0, "1h": 0}
        covered = read
        for point in points:
            if point.tokens > covered:
                writes["1h" if point.ttl == "1h" else "5m"] += point.tokens - covered
                covered = point.tokens
        self._written.update(point.prefix for point in points)
        return PromptUsage(total - covered, writes["5m"], writes["1h"], read)

    def _read(self, points: list[Breakpoint]) -> int:
        """Return the tokens of the longest prefix that this request reads."""
        if self._warm is None:
            self._warm = self._find_warm()
        known: list[Breakpoint] = []
        if lottery(self._seed, "warm cache", self._requests) < self._warm_hit_rate:
            known += [point for point in points if point.prefix in self._warm]
        if lottery(self._seed, "cache", self._requests) < self._hit_rate:
            known += [point for point in points if point.prefix in self._written]
        return max((point.tokens for point in known), default=0)
