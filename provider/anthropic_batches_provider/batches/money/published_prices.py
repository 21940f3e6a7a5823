"""Unit prices from genai-prices, of the extra ``money``: the only module that imports it, and only when asked.

Invariants: no network, since only the prices in the installed wheel are read, whatever else in this process updates
them. Never a price of another model, and never a price outside of batches for one in a batch.

Where genai-prices is silent or would be wrong, as tried with 0.2.3:

- It has prices of batches from 2026-10-14 on. Before, a batch cost half the price of its day.
- It prices unknown context, and each kind that a price for batches leaves out, as outside of a batch: twice too much.
- It finds some models by the beginning of their name: it takes ``claude-opus-4-10`` for ``claude-opus-4-1``.
- It prices tokens that were written for an hour as for 5 minutes where it lacks their price.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

from anthropic_batches_provider.batches.model_names import without_date
from anthropic_batches_provider.batches.money.unit_prices import (
    HALF,
    SEARCHES_OF_A_PRICE,
    TOKEN_KINDS,
    TOKENS_OF_A_PRICE,
    ModelPrices,
    NotWholeError,
    PriceStep,
    UnitPrices,
    UnknownPrices,
    pico_dollars,
)

BATCH_PRICES_SINCE = dt.date(2026, 10, 14)
"""Before, genai-prices has no prices of batches. https://github.com/pydantic/genai-prices (0.2.3, seen 2026-11-27)"""

WHERE_TO_GIVE = "in `prices=` of the task, or in the extra `prices` of its connection"
"""The two places for prices of the user's own."""

NOT_INSTALLED = UnknownPrices(
    "Costs are unknown, since genai-prices is not installed. Run "
    "pip install 'airflow-provider-anthropic-batches[money]' to see them, or give the prices of your models "
    f"{WHERE_TO_GIVE}. Nothing else depends on it."
)
"""What there is without the extra."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "input": ("input_mtok",),
    "output": ("output_mtok",),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "cache_read": ("cache_read_mtok",),
    "web_search": ("web_searches_kcount",),
}
_KNOWN_KEYS = frozenset(key for keys in _KEYS.values() for key in keys)
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class PublishedPrices:
    """The prices of genai-prices, or none if it is not installed."""

    @staticmethod
    def is_installed() -> bool:
        """Return whether genai-prices can be imported; it is imported for that."""
        return _library() is not None

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        """Return what a model charged on a day, for inference anywhere.

        :param model: its id, as the API reports it.
        :param day: the day in UTC on which the service created the batch.
        """
        library = _library()
        if library is None:
            return NOT_INSTALLED
        try:
            return _read(library, model, day)
        except NotWholeError as error:
            return UnknownPrices(f"{library.name} has a price of `{model}` that cannot be used: {error}. {_GIVE}")
        except _UNREADABLE as error:
            return UnknownPrices(f"The price of `{model}` in {library.name} could not be read: {error!r}. {_GIVE}")


_GIVE = (
    "Its costs are unknown. Install a newer genai-prices, if there is one that has its prices, or give them "
    f"{WHERE_TO_GIVE}."
)


@dataclass(frozen=True, slots=True)
class _Library:
    """An installed genai-prices.

    :param name: with its version.
    :param charges: takes a model, a time and a context; returns the library's name of the model, and its prices.
    """

    name: str
    charges: Callable[[str, dt.datetime, dict[str, str] | None], tuple[str, Any]]


@lru_cache(maxsize=1)
def _library() -> _Library | None:
    try:
        import genai_prices
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot
    except ImportError:
        return None
    # Not the snapshot of the process, which others may replace by what they downloaded.
    snapshot = DataSnapshot(providers=providers, from_auto_update=False)

    def charges(model: str, at: dt.datetime, context: dict[str, str] | None) -> tuple[str, Any]:
        found = snapshot.calc(genai_prices.Usage(), model, "anthropic", None, at, context)
        return found.model.id, found.model_price

    return _Library(f"genai-prices {genai_prices.__version__}", charges)


def _read(library: _Library, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
    at = dt.datetime.combine(day, dt.time(), dt.UTC)
    try:
        name, live_charges = library.charges(model, at, None)
    except LookupError:
        return UnknownPrices(f"{library.name} does not know `{model}`. {_GIVE}")
    if not _is_same_model(model, name):
        return UnknownPrices(f"{library.name} does not know `{model}`, and takes it for {name}. {_GIVE}")
    others = _other_charges(live_charges)
    if others:
        return UnknownPrices(f"{library.name} has prices of `{model}` that are not known here: {others}. {_GIVE}")
    live = _unit_prices(live_charges)
    if day < BATCH_PRICES_SINCE:
        half = live.with_tokens_times(HALF)
        return ModelPrices(batch=half, live=live, source=library.name)
    batch = _batch_prices(_unit_prices(library.charges(model, at, {"processing": "batch"})[1]), live)
    if batch is None:
        return UnknownPrices(f"{library.name} has no price of `{model}` in batches. {_GIVE}")
    return ModelPrices(batch=batch, live=live, source=library.name)


def _is_same_model(model: str, name: str) -> bool:
    """Return whether the library's name of a model and its id differ only in a date, or in ``-latest`` or ``-0``."""
    return _base(model) == _base(name)


def _base(model: str) -> str:
    return without_date(model.lower()).removesuffix("-latest").removesuffix("-0")


def _other_charges(prices: Any) -> str:
    """Return the library's prices of tokens and requests that have no place here; it has none of Claude's."""
    charged = [key for key, price in vars(prices).items() if price is not None and not key.startswith("_")]
    return ", ".join(
        key for key in charged if key not in _KNOWN_KEYS and (key.endswith("_mtok") or key.startswith("requests"))
    )


def _unit_prices(prices: Any) -> UnitPrices:
    """Return the library's prices as integers."""
    found = {kind: _first(prices, keys) for kind, keys in _KEYS.items()}
    starts = {tier.start for price in found.values() for tier in getattr(price, "tiers", ())}
    steps = tuple(PriceStep(above=start, prices=_column(found, start + 1)) for start in sorted(starts))
    return _column(found, 0, steps)


def _first(prices: Any, keys: tuple[str, ...]) -> Any:
    return next((price for key in keys if (price := getattr(prices, key, None)) is not None), None)


def _column(prices: Mapping[str, Any], prompt: int, steps: tuple[PriceStep, ...] = ()) -> UnitPrices:
    units = {kind: _unit(kind, _at_length(price, prompt)) for kind, price in prices.items()}
    return UnitPrices.of_kinds(units, steps)


def _at_length(price: Any, prompt: int) -> Decimal | None:
    """Return the price of a prompt of a length: that of the last tier that begins below it."""
    tiers = [tier.price for tier in sorted(getattr(price, "tiers", ()), key=_start) if prompt > tier.start]
    found: Decimal | None = tiers[-1] if tiers else getattr(price, "base", price)
    return found


def _start(tier: Any) -> int:
    start: int = tier.start
    return start


def _unit(kind: str, price: Decimal | None) -> int | None:
    if price is None:
        return None
    return pico_dollars(price, SEARCHES_OF_A_PRICE if kind == "web_search" else TOKENS_OF_A_PRICE)


def _batch_prices(found: UnitPrices, live: UnitPrices) -> UnitPrices | None:
    """Return prices of batches without those that are the price outside of one; None if there is no price of input."""
    columns = ModelPrices(batch=found, live=live, source="").columns()
    cleaned = [(start, _cleaned(batch, outside)) for start, batch, outside in columns]
    (_, first), *rest = cleaned
    if first is None or any(prices is None for _, prices in rest):
        return None
    steps = tuple(PriceStep(above=start, prices=prices) for start, prices in rest if prices is not None)
    return replace(first, steps=steps)


def _cleaned(batch: UnitPrices, live: UnitPrices) -> UnitPrices | None:
    prices = {kind: _if_of_a_batch(batch.of(kind), live.of(kind)) for kind in TOKEN_KINDS}
    if prices["input"] is None or prices["output"] is None:
        return None
    return UnitPrices.of_kinds({**prices, "web_search": batch.web_search})


def _if_of_a_batch(price: int | None, live: int | None) -> int | None:
    """Return a price only if it is below that outside of a batch, or both are nothing."""
    if price is None or live is None:
        return None
    return price if price < live or not live else None
