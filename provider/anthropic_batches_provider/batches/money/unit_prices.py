"""What a model charges, in whole pico-dollars: for a token of each kind, and for a web search.

Invariant: a price is exact or unknown (None), never rounded. So costs are sums of integers, exact in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

PICO = 10**12
"""Pico-dollars of a dollar."""

TOKENS_OF_A_PRICE = 10**6
"""Prices of tokens are published in dollars for so many."""

SEARCHES_OF_A_PRICE = 10**3
"""Prices of web searches are published in dollars for so many."""

TOKEN_KINDS = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")

KINDS = (*TOKEN_KINDS, "web_search")
"""The kinds of usage that cost money. Web fetches cost only their tokens, and thinking is output."""

HALF = Fraction(1, 2)


class NotWholeError(ValueError):
    """A price is not a whole number of pico-dollars."""


def pico_dollars(price: Decimal | Fraction | int, of: int) -> int:
    """Return a price in pico-dollars for one token or search.

    :param price: in dollars.
    :param of: for how many tokens or searches the price is.
    :raises NotWholeError: it is not whole in that unit.
    """
    value = Fraction(price) * PICO / of
    if value.denominator != 1:
        shown = Decimal(price.numerator) / price.denominator if isinstance(price, Fraction) else price
        raise NotWholeError(f"{shown} USD for {of:,} is not a whole number of pico-dollars for one")
    return value.numerator


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrices:
    """What one token or search costs, in pico-dollars; None where that is unknown.

    :param input: an input token that was neither written to the cache nor read from it.
    :param output: an output token, including thinking.
    :param cache_write_5m: a token that was written to the cache for 5 minutes.
    :param cache_write_1h: a token that was written to the cache for an hour.
    :param cache_read: a token that was read from the cache.
    :param web_search: a search by the server's tool.
    :param steps: the prices of long prompts, by length. They hold for all tokens of such a request, not only for those
        above the step.
    """

    input: int
    output: int
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    cache_read: int | None = None
    web_search: int | None = None
    steps: tuple[PriceStep, ...] = ()

    def __post_init__(self) -> None:
        for kind in KINDS:
            _check_price(kind, getattr(self, kind), may_be_unknown=kind not in ("input", "output"))
        starts = [step.above for step in self.steps]
        if starts != sorted(set(starts)) or any(start < 0 for start in starts):
            raise ValueError(f"The steps must begin at increasing lengths, not at {starts}.")
        if any(step.prices.steps for step in self.steps):
            raise ValueError("The prices of a step cannot have steps.")

    @classmethod
    def of_kinds(cls, prices: Mapping[str, Any], steps: tuple[PriceStep, ...] = ()) -> UnitPrices:
        """Return the prices that a dict names by :data:`KINDS`.

        :raises ValueError: a price is no whole number, or input or output has none.
        """
        return cls(**prices, steps=steps)

    def of(self, kind: str) -> int | None:
        """Return the price of a kind, one of :data:`KINDS`, below the first step."""
        price: int | None = getattr(self, kind)
        return price

    def for_prompt(self, tokens: int) -> UnitPrices:
        """Return the prices of a request, without steps.

        :param tokens: its whole prompt: input tokens, and those that were written to the cache or read from it.
        """
        found = replace(self, steps=())
        for step in self.steps:
            if tokens > step.above:
                found = step.prices
        return found

    def with_tokens_times(self, factor: Fraction) -> UnitPrices:
        """Return the prices with those of tokens multiplied; searches cost the same.

        :raises NotWholeError: a product is not whole.
        """
        tokens = {kind: _times(kind, self.of(kind), factor) for kind in TOKEN_KINDS}
        steps = tuple(replace(step, prices=step.prices.with_tokens_times(factor)) for step in self.steps)
        return UnitPrices.of_kinds({**tokens, "web_search": self.web_search}, steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStep:
    """The prices of requests with a long prompt.

    :param above: they hold for prompts of more than so many tokens.
    :param prices: what the tokens of such a request cost, all of them.
    """

    above: int
    prices: UnitPrices


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """What a model charges in a batch, and for the same usage outside of one.

    :param batch: the prices of message batches.
    :param live: the prices of the same usage without a batch; known for all that ``batch`` knows.
    :param source: whose prices these are, such as ``genai-prices 0.2.3``.
    :raises ValueError: a price is known for batches only.
    """

    batch: UnitPrices
    live: UnitPrices
    source: str

    def __post_init__(self) -> None:
        for _, batch, live in self.columns():
            for kind in KINDS:
                if batch.of(kind) is not None and live.of(kind) is None:
                    raise ValueError(f"The price of `{kind}` is known in a batch, and not outside of one.")

    def columns(self) -> tuple[tuple[int, UnitPrices, UnitPrices], ...]:
        """Return the prices by length of the prompt, in a batch and outside, without steps.

        :returns: the length above which they hold, first -1, and the two.
        """
        starts = sorted({step.above for prices in (self.batch, self.live) for step in prices.steps})
        return tuple(
            (start, self.batch.for_prompt(start + 1), self.live.for_prompt(start + 1)) for start in (-1, *starts)
        )

    def with_tokens_times(self, factor: Fraction) -> ModelPrices:
        """Return the prices with those of tokens multiplied; searches cost the same.

        :raises NotWholeError: a product is not whole.
        """
        return replace(self, batch=self.batch.with_tokens_times(factor), live=self.live.with_tokens_times(factor))


@dataclass(frozen=True, slots=True)
class UnknownPrices:
    """There are no prices for a model.

    :param reason: a sentence that names the model and says why, and what to do.
    """

    reason: str


def _check_price(kind: str, price: object, *, may_be_unknown: bool) -> None:
    if price is None and may_be_unknown:
        return
    if type(price) is not int or price < 0:
        raise ValueError(f"The price of `{kind}` is no whole number of pico-dollars: {price!r}.")


def _times(kind: str, price: int | None, factor: Fraction) -> int | None:
    if price is None:
        return None
    product = price * factor
    if product.denominator != 1:
        raise NotWholeError(f"{price} pico-dollars for `{kind}`, times {factor}, are not whole")
    return product.numerator
