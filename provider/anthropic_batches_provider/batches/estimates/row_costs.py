"""What a row of a sample costs in each case, in pico-dollars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from anthropic_batches_provider.batches.estimates.kept_rows import KeptRow
from anthropic_batches_provider.batches.estimates.output_tokens import (
    OutputExpectation,
    expected_length,
    least_length,
    most_length,
)
from anthropic_batches_provider.batches.estimates.row_facts import own_mark
from anthropic_batches_provider.batches.estimates.token_counts import Refused
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnitPrices
from anthropic_batches_provider.batches.prompt_cache import CacheTtl

Tokens = Callable[[KeptRow], "int | Refused"]
"""Returns the tokens of a row's prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedPrefix:
    """The prefix that the requests of a job share, and mark for the prompt cache.

    :param tokens: of the prefix.
    :param ttl: how long an entry is to live.
    :param expected_writes: how many rows are expected to write it; all others read it. None for all rows.
    :param least_writes: how many rows write it at least.
    """

    tokens: int
    ttl: CacheTtl
    expected_writes: int | None
    least_writes: int = 1

    def written_by_others(self) -> CachedPrefix:
        """Return the same prefix for rows that only read it, as long as not all rows write it."""
        return replace(self, expected_writes=None if self.expected_writes is None else 0, least_writes=0)


def answer_length(output: OutputExpectation, case: str, max_tokens: int) -> Fraction:
    """Return how many tokens the answer to a row has in a case.

    :param case: ``low``, ``expected``, ``high`` or ``bound``.
    """
    if case == "bound":
        return Fraction(max_tokens)
    return {"low": least_length, "expected": expected_length, "high": most_length}[case](output, max_tokens)


class RowCosts:
    """Prices the rows of a sample that have one model and geography.

    What all rows have in common is exact and needs no sample: the prefix, and the price of a token of their answers, as
    long as the prompt is short. A sample shows how rows differ from that.

    :param prices: of these, with prices of the prompt cache if there is a prefix.
    :param output: what is known of the answers' length.
    :param prefix: the cached prefix; None without one.
    :param tokens: counts a row.
    """

    def __init__(
        self, prices: ModelPrices, output: OutputExpectation, prefix: CachedPrefix | None, tokens: Tokens
    ) -> None:
        self._prices = prices
        self._output = output
        self._prefix = prefix
        self._tokens = tokens
        self.base = prices.batch.for_prompt(0)
        self.live_base = prices.live.for_prompt(0)

    def cost(self, case: str) -> Callable[[KeptRow], int]:
        """Return a function for the cost of a row, less what all rows have in common.

        :param case: see :func:`answer_length`.
        """
        return lambda row: self._of(row, case, self._prices.batch, self.base)

    def live_cost(self, row: KeptRow) -> int:
        """Return the same for the expected usage outside of a batch."""
        return self._of(row, "expected", self._prices.live, self.live_base)

    def of_prefix(self, case: str, base: UnitPrices, rows: int) -> int:
        """Return what the prefix of all rows costs.

        :param base: the prices of short prompts, in a batch or outside.
        """
        if self._prefix is None:
            return 0
        each, write = self._of_one_prefix(case, base), write_price(base, self._prefix.ttl) or 0
        writes = self._prefix.least_writes if case == "low" else self._prefix.expected_writes or 0
        more = 0 if self._all_write(case) else min(writes, rows) * (self._prefix.tokens * write - each)
        return rows * each + more

    def _of(self, row: KeptRow, case: str, prices: UnitPrices, base: UnitPrices) -> int:
        tokens = self._tokens(row)
        answer = answer_length(self._output, case, row.max_tokens)
        in_common = self._of_one_prefix(case, base)
        if isinstance(tokens, Refused):
            if case != "bound":
                return round(-answer * base.output) - in_common
            tokens = row.size  # a token has a byte at least
        column = prices.for_prompt(tokens)
        return self._input(row, tokens, case, column) - in_common + round(answer * (column.output - base.output))

    def _input(self, row: KeptRow, tokens: int, case: str, prices: UnitPrices) -> int:
        if self._prefix is not None:
            prefix = min(self._prefix.tokens, tokens)
            return (tokens - prefix) * prices.input + prefix * self._rate(case, prices)
        ttl = None if case == "expected" else own_mark(row.params())
        if ttl is None:
            return tokens * prices.input
        rate = prices.cache_read if case == "low" else write_price(prices, ttl)
        return tokens * (prices.input if rate is None else rate)

    def _of_one_prefix(self, case: str, prices: UnitPrices) -> int:
        return 0 if self._prefix is None else self._prefix.tokens * self._rate(case, prices)

    def _rate(self, case: str, prices: UnitPrices) -> int:
        """Return what a token of the prefix costs a row in a case, unless it is one of the few that write."""
        if self._prefix is not None and self._all_write(case):
            return write_price(prices, self._prefix.ttl) or 0
        return prices.cache_read or 0

    def _all_write(self, case: str) -> bool:
        is_primed = self._prefix is not None and self._prefix.expected_writes is not None
        return case in ("high", "bound") or (case == "expected" and not is_primed)


def write_price(prices: UnitPrices, ttl: str) -> int | None:
    """Return the price of a token that is written to the cache for a time to live."""
    return prices.cache_write_1h if ttl == "1h" else prices.cache_write_5m
