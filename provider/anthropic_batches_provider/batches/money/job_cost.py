"""What a job cost, as its manifest tells it: exact texts of dollars, and the requests whose cost is unknown."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from anthropic_batches_provider.batches.money.costs import KindCosts
from anthropic_batches_provider.batches.money.dollars import exact_dollars
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.unit_prices import KINDS


class CostFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What requests cost; amounts are dollars as decimal texts, to the last digit.

    :param cost_usd: over the requests whose cost is known, as the other amounts are.
    :param at_least: whether the cost of some requests is unknown, so that the amounts are lower bounds.
    :param live_usd: what the same usage costs outside of a batch, on the same day.
    :param saved_by_batch_usd: the difference.
    :param saved_by_cache_usd: what the prompt cache saved against plain input, in the batch; negative if it cost more.
    :param kinds_usd: the cost by kind.
    :param live_kinds_usd: ``live_usd`` by kind.
    :param requests: how many have a known cost.
    :param unknown_requests: how many have an unknown one.
    :param unknown: these by reason.
    :param prices: whose prices were used.
    """

    cost_usd: str
    at_least: bool
    live_usd: str
    saved_by_batch_usd: str
    saved_by_cache_usd: str
    kinds_usd: dict[str, str]
    live_kinds_usd: dict[str, str]
    requests: int
    unknown_requests: int
    unknown: dict[str, int]
    prices: tuple[str, ...]


class JobCost(CostFigures, frozen=True, kw_only=True):
    """What a job cost, all models together and each of them.

    :param models: by the model that the messages name; ``unknown`` where none is known.
    """

    models: dict[str, CostFigures]

    @classmethod
    def of(cls, by_model: Mapping[str, ModelCost]) -> JobCost:
        """Return the figures for sums by model."""
        total = msgspec.structs.asdict(_figures(sum(by_model.values(), ModelCost())))
        return cls(**total, models={model: _figures(cost) for model, cost in sorted(by_model.items())})


def _figures(cost: ModelCost) -> CostFigures:
    return CostFigures(
        cost_usd=exact_dollars(cost.batch.total),
        at_least=cost.unknown_requests > 0,
        live_usd=exact_dollars(cost.live.total),
        saved_by_batch_usd=exact_dollars(cost.saved_by_batch),
        saved_by_cache_usd=exact_dollars(cost.saved_by_cache),
        kinds_usd=_by_kind(cost.batch),
        live_kinds_usd=_by_kind(cost.live),
        requests=cost.requests,
        unknown_requests=cost.unknown_requests,
        unknown=dict(sorted(cost.unknown.items())),
        prices=cost.sources,
    )


def _by_kind(costs: KindCosts) -> dict[str, str]:
    return {kind: exact_dollars(costs.of(kind)) for kind in KINDS}
