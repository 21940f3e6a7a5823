"""Prompt caching inside one batch: the first request with a prefix writes it; later ones read it at a set hit rate.

Each batch starts with an empty cache, and entries do not expire while it runs.
"""

from __future__ import annotations

from anthropic_batches_provider.simulator.service.identifiers import lottery
from anthropic_batches_provider.simulator.service.model_answers import PromptUsage
from anthropic_batches_provider.simulator.service.model_catalog import find_model
from anthropic_batches_provider.simulator.service.prompt_contents import Breakpoint, Params, breakpoints, input_tokens


class PromptCache:
    """The cache entries of one batch so far; requests must be charged in the order in which they were processed."""

    def __init__(self, seed: int, hit_rate: float) -> None:
        self._seed = seed
        self._hit_rate = hit_rate
        self._written: set[bytes] = set()
        self._requests = 0

    def charge(self, params: Params, *, mentions_caching: bool = True) -> PromptUsage:
        """Return how the prompt of ``params`` is charged."""
        self._requests += 1
        total = input_tokens(params)
        points = self._cacheable(params) if mentions_caching else []
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

    def _cacheable(self, params: Params) -> list[Breakpoint]:
        # At time 0 no model is retired; validation has already refused retired ones.
        model = find_model(params["model"], now=0, extra=())
        minimum = model.cache_minimum if model is not None else 0
        return [point for point in breakpoints(params) if point.tokens >= minimum]

    def _read(self, points: list[Breakpoint]) -> int:
        if lottery(self._seed, "cache", self._requests) >= self._hit_rate:
            return 0
        return max((point.tokens for point in points if point.prefix in self._written), default=0)
