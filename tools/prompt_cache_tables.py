"""The tables of ``docs/prompt_cache.md``: what a cache costs by hit share, and which prefixes each model caches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from anthropic_batches_provider.batches.prompt_cache.cached_models import MODELS, CachingOfModel, break_even_rows

HIT_SHARES = (0, 30, 50, 70, 90, 98, 100)
TTLS: tuple[CacheTtl, ...] = ("5m", "1h")


def cost_by_hit_share() -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return header and rows of what the shared prefix costs relative to no cache, for each price and time to live."""
    header = (
        "`prompt_cache`",
        "a read costs",
        *(f"{share}% read" for share in HIT_SHARES),
        "pays above a hit share of",
    )
    return header, [_cost_row(costs, ttl) for costs, ttl in product(_costs(), TTLS)]


def _costs() -> list[CachingOfModel]:
    """Return the different prices of models, the dearest first."""
    return sorted({costs.read: costs for costs in MODELS.values()}.values(), key=lambda costs: -costs.read)


def _cost_row(costs: CachingOfModel, ttl: CacheTtl) -> Sequence[str]:
    write, read = costs.write(ttl), costs.read
    shown = (_percent(share / 100 * read + (1 - share / 100) * write) for share in HIT_SHARES)
    return f'`"{ttl}"`', f"{read:g}", *shown, f"{(write - 1) / (write - read):.1%}"


def _percent(cost: float) -> str:
    return f"{cost * 100:.1f}".removesuffix(".0") + "%"


def cached_models() -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return header and rows of the models, those with the same minimum and prices together."""
    alike: dict[tuple[int, float], list[str]] = {}
    for name, costs in MODELS.items():
        alike.setdefault((costs.least_tokens, -costs.read), []).append(name)
    header = ("models", "minimum tokens", "a read costs", *(f'rows needed with `"{ttl}"`' for ttl in TTLS))
    return header, [_models_row(names) for _, names in sorted(alike.items())]


def _models_row(names: Sequence[str]) -> Sequence[str]:
    costs = MODELS[names[0]]
    needed = (str(break_even_rows(costs, ttl)) for ttl in TTLS)
    return ", ".join(f"`{name}`" for name in names), f"{costs.least_tokens:,}", f"{costs.read:g}", *needed
