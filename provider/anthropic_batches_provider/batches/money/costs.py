"""What one request cost, in pico-dollars: a sum of products of integers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anthropic_batches_provider.batches.money.unit_prices import KINDS, UnitPrices

Numbers = tuple[int, ...]
"""The usage of one request as :func:`.usage_numbers` returns it: input and output tokens, tokens written to the cache
for 5 minutes and for an hour, and read from it, thinking tokens, web searches and web fetches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCosts:
    """A cost in pico-dollars, by kind."""

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    web_search: int = 0

    def __add__(self, other: KindCosts) -> KindCosts:
        return KindCosts(**{kind: self.of(kind) + other.of(kind) for kind in KINDS})

    def of(self, kind: str) -> int:
        """Return the cost of a kind, one of :data:`.KINDS`."""
        cost: int = getattr(self, kind)
        return cost

    @property
    def total(self) -> int:
        """The sum over all kinds."""
        return sum(self.of(kind) for kind in KINDS)


def counts_by_kind(numbers: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers that cost something, in the order of :data:`.KINDS`.

    :param numbers: of one request, or sums over several.
    """
    input_tokens, output_tokens, writes_5m, writes_1h, reads, _, searches, _ = numbers
    return input_tokens, output_tokens, writes_5m, writes_1h, reads, searches


def prompt_tokens(numbers: Sequence[int]) -> int:
    """Return the length of the whole prompt of a request."""
    return numbers[0] + numbers[2] + numbers[3] + numbers[4]


def kind_costs(numbers: Sequence[int], prices: UnitPrices) -> KindCosts | None:
    """Return the cost of one request by kind.

    :param numbers: its usage, as of :data:`Numbers`.
    :param prices: the prices for its model, geography and day, with their steps.
    :returns: None if it used a kind whose price is unknown.
    """
    return priced(counts_by_kind(numbers), prices.for_prompt(prompt_tokens(numbers)))


def priced(counts: Sequence[int], prices: UnitPrices) -> KindCosts | None:
    """Return what counts by kind cost; None if there are some of a kind whose price is unknown.

    :param counts: in the order of :data:`.KINDS`; sums over requests of one column of prices, too.
    :param prices: one column: without steps.
    """
    costs = {}
    for kind, count in zip(KINDS, counts, strict=True):
        price = prices.of(kind)
        if price is None and count:
            return None
        costs[kind] = count * (price or 0)
    return KindCosts(**costs)


def cost_function(prices: UnitPrices) -> Callable[[Numbers], int | None]:
    """Return a function for the cost of one request: the total of :func:`kind_costs`, at the speed of the hot path.

    :param prices: the prices for its model, geography and day, with their steps.
    """
    if not prices.steps:
        return _of_column(prices)
    starts = [step.above for step in prices.steps]
    functions = [_of_column(prices.for_prompt(start + 1)) for start in (-1, *starts)]

    def cost(numbers: Numbers) -> int | None:
        return functions[bisect_left(starts, numbers[0] + numbers[2] + numbers[3] + numbers[4])](numbers)

    return cost


def _of_column(prices: UnitPrices) -> Callable[[Numbers], int | None]:
    of_input, of_output = prices.input, prices.output
    of_5m, of_1h, of_read = prices.cache_write_5m or 0, prices.cache_write_1h or 0, prices.cache_read or 0
    of_search = prices.web_search or 0

    def cost(numbers: Numbers) -> int:
        tokens, output, writes_5m, writes_1h, reads, _, searches, _ = numbers
        return (
            tokens * of_input
            + output * of_output
            + writes_5m * of_5m
            + writes_1h * of_1h
            + reads * of_read
            + searches * of_search
        )

    unknown = [index for index, kind in enumerate(KINDS) if prices.of(kind) is None]
    if not unknown:
        return cost

    def cost_if_known(numbers: Numbers) -> int | None:
        counts = counts_by_kind(numbers)
        return None if any(counts[index] for index in unknown) else cost(numbers)

    return cost_if_known
