"""Rows of one kind: of a model, in a geography, with images or documents or without. Each kind has a sample of its own.

What needs no sample is exact: how many rows there are, and their ``max_tokens``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from anthropic_batches_provider.batches.estimates.estimated_sums import EstimatedSum
from anthropic_batches_provider.batches.estimates.kept_rows import KeptRow, RowFiles
from anthropic_batches_provider.batches.estimates.model_estimate import (
    ModelEstimate,
    PilotAnswers,
    PilotSum,
    Scenarios,
)
from anthropic_batches_provider.batches.estimates.output_tokens import FromPilot, OutputExpectation, sums_by_answer
from anthropic_batches_provider.batches.estimates.row_costs import (
    CachedPrefix,
    RowCosts,
    Tokens,
    answer_length,
    write_price,
)
from anthropic_batches_provider.batches.estimates.row_facts import RowFacts
from anthropic_batches_provider.batches.estimates.sampling import SizedSample
from anthropic_batches_provider.batches.estimates.token_counts import Refused
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnknownPrices
from anthropic_batches_provider.batches.rows import PreparedRow


class Kind(NamedTuple):
    """What the rows of a stratum have in common.

    :param has_pictures: whether they have images or documents of their own.
    """

    model: str
    geography: str | None
    has_pictures: bool


class Stratum:
    """The rows of one kind.

    :param draws: how many rows are drawn.
    :param files: for long rows that are drawn.
    """

    def __init__(self, kind: Kind, *, draws: int, seed: str, files: RowFiles) -> None:
        self.kind = kind
        self.rows_by_max_tokens: Counter[int] = Counter()
        path = files.path
        self.sample: SizedSample[tuple[PreparedRow, int], KeptRow] = SizedSample(
            draws,
            seed=f"{seed}/{kind.model}/{kind.geography}/{kind.has_pictures}",
            keep=lambda given: KeptRow(given[0].number, given[0].params, given[1], path),
        )

    def add(self, row: PreparedRow, facts: RowFacts, size: int) -> None:
        """Take a row of this kind.

        :param size: its chance to be drawn is in proportion to it.
        """
        self.rows_by_max_tokens[facts.max_tokens] += 1
        self.sample.add((row, facts.max_tokens), size)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.sample.rows

    def estimate(
        self,
        prices: ModelPrices | UnknownPrices,
        output: OutputExpectation,
        prefix: CachedPrefix | None,
        tokens: Tokens,
    ) -> ModelEstimate:
        """Return what these rows will cost.

        :param prices: of their model and geography.
        :param prefix: the cached prefix; None without one.
        :param tokens: counts a row.
        """
        shared = 0 if prefix is None else prefix.tokens
        found = ModelEstimate(
            rows=self.rows,
            sampled_rows=sum(1 for _ in self.sample.kept()),
            prompt=EstimatedSum.exact(self.rows * shared)
            + self.sample.sum_of(lambda row: (0 if isinstance(count := tokens(row), Refused) else count) - shared),
            answers=Scenarios.of(lambda case: self._at(1, case, output) + self._unanswered(case, output, tokens)),
            said=self._said(output, prices),
        )
        if isinstance(prices, UnknownPrices):
            return replace(found, unknown=prices.reason)
        if prefix is not None and not _has_cache_prices(prices, prefix):
            return replace(found, unknown=f"The prices of the prompt cache of `{self.kind.model}` are unknown.")
        costs = RowCosts(prices, output, prefix, tokens)

        def cost(case: str) -> EstimatedSum:
            return (
                self.sample.sum_of(costs.cost(case))
                + self._at(costs.base.output, case, output)
                + EstimatedSum.exact(costs.of_prefix(case, costs.base, self.rows))
            )

        return replace(
            found,
            costs=Scenarios.of(cost),
            live=self.sample.sum_of(costs.live_cost)
            + self._at(costs.live_base.output, "expected", output)
            + EstimatedSum.exact(costs.of_prefix("expected", costs.live_base, self.rows)),
            prices=(prices.source,),
        )

    def _at(self, price: int, case: str, output: OutputExpectation) -> EstimatedSum:
        """Return what the answers to all rows cost in a case, unless a pilot says it.

        :param price: of a token.
        """
        if isinstance(output, FromPilot) and case != "bound":
            return EstimatedSum()
        tokens = sum(
            (rows * answer_length(output, case, limit) for limit, rows in self.rows_by_max_tokens.items()), Fraction()
        )
        return EstimatedSum.exact(round(price * tokens))

    def _unanswered(self, case: str, output: OutputExpectation, tokens: Tokens) -> EstimatedSum:
        """Return the tokens, below zero, of answers that rows would have if the API did not refuse them."""

        def missing(row: KeptRow) -> int:
            is_refused = case != "bound" and isinstance(tokens(row), Refused)
            return round(-answer_length(output, case, row.max_tokens)) if is_refused else 0

        return self.sample.sum_of(missing)

    def _said(self, output: OutputExpectation, prices: ModelPrices | UnknownPrices) -> PilotAnswers | None:
        if not isinstance(output, FromPilot):
            return None
        sums = sums_by_answer(output, self.rows_by_max_tokens)

        def at(price: int) -> PilotSum:
            return PilotSum(tuple(price * each for each in sums), price * self.rows, price * price * self.rows)

        if isinstance(prices, UnknownPrices):
            return PilotAnswers(output, at(1), at(0), at(0))
        batch, live = prices.batch.for_prompt(0).output, prices.live.for_prompt(0).output
        return PilotAnswers(output, at(1), at(batch), at(live))


def _has_cache_prices(prices: ModelPrices, prefix: CachedPrefix) -> bool:
    return all(
        batch.cache_read is not None and write_price(batch, prefix.ttl) is not None for _, batch, _ in prices.columns()
    )
