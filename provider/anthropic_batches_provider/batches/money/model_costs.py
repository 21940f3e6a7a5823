"""What the requests of one model cost, or of all: in a batch, outside of one, and without the prompt cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anthropic_batches_provider.batches.money.costs import KindCosts, priced
from anthropic_batches_provider.batches.money.dollars import exact_dollars, pico_of, rounded_dollars
from anthropic_batches_provider.batches.money.unit_prices import KINDS, TOKEN_KINDS, UnitPrices


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """A sum over requests; money in pico-dollars.

    :param requests: requests whose cost is known. The sums are over these.
    :param batch: what they cost, by kind.
    :param live: what the same usage costs outside of a batch, on the same day, by kind.
    :param uncached: what they cost in a batch if every token of the prompt cache is plain input.
    :param unknown: requests whose cost is unknown, by reason.
    :param sources: whose prices were used.
    """

    requests: int = 0
    batch: KindCosts = field(default_factory=KindCosts)
    live: KindCosts = field(default_factory=KindCosts)
    uncached: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def __add__(self, other: ModelCost) -> ModelCost:
        return ModelCost(
            requests=self.requests + other.requests,
            batch=self.batch + other.batch,
            live=self.live + other.live,
            uncached=self.uncached + other.uncached,
            unknown=dict(Counter(self.unknown) + Counter(other.unknown)),
            sources=tuple(sorted({*self.sources, *other.sources})),
        )

    @property
    def unknown_requests(self) -> int:
        """Requests whose cost is unknown: with any, the sums are lower bounds."""
        return sum(self.unknown.values())

    @property
    def saved_by_batch(self) -> int:
        """What the batch saved against the same usage outside of one."""
        return self.live.total - self.batch.total

    @property
    def saved_by_cache(self) -> int:
        """What the prompt cache saved against plain input; negative if it cost more."""
        return self.uncached - self.batch.total

    def __str__(self) -> str:
        if self.unknown_requests and not self.requests:
            return "unknown"
        return rounded_dollars(self.batch.total, at_least=self.unknown_requests > 0)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with money as texts of dollars, to the last digit."""
        return {
            "requests": self.requests,
            "cost_usd": exact_dollars(self.batch.total),
            "batch_usd": _as_dict(self.batch),
            "live_usd": _as_dict(self.live),
            "uncached_usd": exact_dollars(self.uncached),
            "saved_by_batch_usd": exact_dollars(self.saved_by_batch),
            "saved_by_cache_usd": exact_dollars(self.saved_by_cache),
            "unknown_requests": self.unknown_requests,
            "unknown": dict(sorted(self.unknown.items())),
            "prices": list(self.sources),
        }

    def as_short_dict(self) -> dict[str, Any]:
        """Return :meth:`as_dict` without what is zero, or follows from the rest."""
        found = {
            "requests": self.requests,
            "batch_usd": _short(self.batch),
            "live_usd": _short(self.live),
            "uncached_usd": exact_dollars(self.uncached) if self.uncached else None,
            "unknown": dict(sorted(self.unknown.items())),
            "prices": list(self.sources),
        }
        return {name: value for name, value in found.items() if value}


def cost_from_dict(cost: Mapping[str, Any]) -> ModelCost:
    """Read back the result of :meth:`ModelCost.as_dict` or of :meth:`ModelCost.as_short_dict`.

    Names from newer versions are ignored.

    :raises ValueError: an amount is no number of dollars.
    """
    return ModelCost(
        requests=cost.get("requests", 0),
        batch=_from_dict(cost.get("batch_usd", {})),
        live=_from_dict(cost.get("live_usd", {})),
        uncached=pico_of(cost.get("uncached_usd", "0")),
        unknown=dict(cost.get("unknown", {})),
        sources=tuple(cost.get("prices", ())),
    )


def cost_of_column(counts: Sequence[int], requests: int, batch: UnitPrices, live: UnitPrices, source: str) -> ModelCost:
    """Return what requests of one column of prices cost.

    :param counts: their usage in the order of :data:`.KINDS`, with none of a kind whose price is unknown.
    :param requests: how many they are; for none, nothing is returned about the source.
    """
    if not requests:
        return ModelCost()
    in_batch, outside = priced(counts, batch), priced(counts, live)
    if in_batch is None or outside is None:
        raise ValueError("A kind whose price is unknown was used.")
    prompt = sum(counts[KINDS.index(kind)] for kind in TOKEN_KINDS if kind != "output")
    uncached = prompt * batch.input + in_batch.output + in_batch.web_search
    return ModelCost(requests=requests, batch=in_batch, live=outside, uncached=uncached, sources=(source,))


def _as_dict(costs: KindCosts) -> dict[str, str]:
    return {kind: exact_dollars(costs.of(kind)) for kind in KINDS}


def _from_dict(costs: Mapping[str, str]) -> KindCosts:
    return KindCosts(**{kind: pico_of(costs[kind]) for kind in KINDS if kind in costs})


def _short(costs: KindCosts) -> dict[str, str]:
    return {kind: exact_dollars(costs.of(kind)) for kind in KINDS if costs.of(kind)}
