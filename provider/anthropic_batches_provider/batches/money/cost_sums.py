"""Adds up what requests used and cost, by model, as their results are read.

Invariants: the sum is that of the costs that :meth:`CostSums.of_batch` returned row by row, to the last digit. A
request whose cost is unknown is counted with its reason, and is in no sum.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from anthropic_batches_provider.batches.money.costs import Numbers, cost_function, counts_by_kind
from anthropic_batches_provider.batches.money.model_costs import ModelCost, cost_from_dict, cost_of_column
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.unit_prices import KINDS, ModelPrices, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.usage import UNKNOWN_MODEL, BilledUsage, Usage, usage_of

UNREPORTED = "its usage was not reported"
NO_MODEL = "its result names no model"
MORE_REASONS = "other reasons"

Cost = Callable[[Numbers], int | None]
AddRequest = Callable[[str | None, BilledUsage | None], int | None]

_MOST_REASONS = 20


class CostSums:
    """Adds up usage and costs by the model that each message names, in constant memory.

    :param prices: the prices that hold for the job.
    """

    def __init__(self, prices: PriceList) -> None:
        self._prices = prices
        self._columns: list[tuple[str, _Column]] = []
        self._costs: dict[tuple[str, ModelPrices], Cost] = {}
        self._unknown: dict[str, Counter[str]] = {}
        self._unpriced: dict[str, Usage] = {}
        self._included: dict[str, ModelCost] = {}

    def of_batch(self, created_at: dt.datetime) -> AddRequest:
        """Return a function that adds a request of one batch, and returns its cost in pico-dollars, or None.

        It takes the model that the message names, and the request's :func:`.billed_usage`. Requests that errored,
        expired or were canceled cost nothing and are not added; usage that cannot be read is added as None.

        :param created_at: when the service created the batch, with a time zone: its prices are those of that day.
        """
        known: dict[tuple[str | None, str | None], Cost] = {}
        last_model: str | None = None
        last_geography: str | None = None
        cost = self._cost_of(None, created_at, None)

        def add(model: str | None, billed: BilledUsage | None) -> int | None:
            nonlocal last_model, last_geography, cost
            if billed is None:
                return self._unknown_cost(model, UNREPORTED, None)
            numbers, geography, exception = billed
            if exception is not None:
                return self._told_unknown_cost(model, exception, numbers)
            if model != last_model or geography != last_geography:  # rows of a job mostly name the same
                if (model, geography) not in known:
                    known[model, geography] = self._cost_of(model, created_at, geography)
                last_model, last_geography, cost = model, geography, known[model, geography]
            return cost(numbers)

        return add

    def without_price(self, reason: str) -> AddRequest:
        """Return a function that adds a request of a batch whose prices are unknown.

        :param reason: why.
        """
        return lambda model, billed: self._unknown_cost(model, reason, None if billed is None else billed[0])

    def _cost_of(self, model: str | None, created_at: dt.datetime, geography: str | None) -> Cost:
        if model is None:
            return lambda numbers: self._unknown_cost(model, NO_MODEL, numbers)
        prices = self._prices.of(model, created_at, geography)
        if isinstance(prices, UnknownPrices):
            reason = prices.reason
            return lambda numbers: self._unknown_cost(model, reason, numbers)
        if (model, prices) not in self._costs:
            self._costs[model, prices] = self._add_columns(model, prices)
        return self._costs[model, prices]

    def _add_columns(self, model: str, prices: ModelPrices) -> Cost:
        add: Cost | None = None
        limit = 0
        for start, batch, live in reversed(prices.columns()):
            column = _Column(batch, live, prices.source, limit, add)
            self._columns.append((model, column))
            limit, add = start, column.add
        assert add is not None  # noqa: S101  # there is always a column
        return add if _knows_all(prices) else self._if_known(model, prices, add)

    def _if_known(self, model: str, prices: ModelPrices, add: Cost) -> Cost:
        cost = cost_function(prices.batch)

        def add_if_known(numbers: Numbers) -> int | None:
            if cost(numbers) is None:
                return self._told_unknown_cost(model, "it used a kind that has no price", numbers)
            return add(numbers)

        return add_if_known

    def add_unknown(self, model: str | None, reason: str, requests: int = 1) -> None:
        """Count requests whose cost and usage are unknown.

        :param model: the model that their messages name; None if none is known.
        :param reason: why.
        """
        reasons = self._unknown.setdefault(model or UNKNOWN_MODEL, Counter())
        reasons[reason if reason in reasons or len(reasons) < _MOST_REASONS else MORE_REASONS] += requests

    def _unknown_cost(self, model: str | None, reason: str, numbers: Numbers | None) -> int | None:
        """Count a request whose cost is unknown.

        :param numbers: its usage; None if it was not reported.
        """
        self.add_unknown(model, reason)
        name = model or UNKNOWN_MODEL
        usage = Usage(requests=1, unreported_requests=1) if numbers is None else usage_of(1, numbers)
        self._unpriced[name] = self._unpriced.get(name, Usage()) + usage
        return None

    def _told_unknown_cost(self, model: str | None, reason: str, numbers: Numbers) -> int | None:
        self._prices.tell_once(f"The cost of a request to `{model}` is unknown: {reason}.")
        return self._unknown_cost(model, reason, numbers)

    def include(self, costs: Mapping[str, Mapping[str, Any]]) -> None:
        """Add the sums that :meth:`as_dict` returned elsewhere."""
        for model, cost in costs.items():
            self._included[model] = self._included.get(model, ModelCost()) + cost_from_dict(cost)

    def by_model(self) -> dict[str, ModelCost]:
        """Return the sums so far, with the models in alphabetical order."""
        sums = dict(self._included)
        for model, column in self._columns:
            sums[model] = sums.get(model, ModelCost()) + column.cost()
        for model, reasons in self._unknown.items():
            sums[model] = sums.get(model, ModelCost()) + ModelCost(unknown=dict(reasons))
        return {model: sums[model] for model in sorted(sums) if sums[model] != ModelCost()}

    def usage(self) -> dict[str, Usage]:
        """Return what the requests that were added used, with the models in alphabetical order."""
        sums = dict(self._unpriced)
        for model, column in self._columns:
            sums[model] = sums.get(model, Usage()) + column.usage()
        return {model: sums[model] for model in sorted(sums) if sums[model] != Usage()}

    def total(self) -> ModelCost:
        """Return the sum over all models."""
        return sum(self.by_model().values(), ModelCost())

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the sums so far as plain JSON values, with money as texts of dollars."""
        return {model: cost.as_dict() for model, cost in self.by_model().items()}


def _knows_all(prices: ModelPrices) -> bool:
    return all(batch.of(kind) is not None for _, batch, _ in prices.columns() for kind in KINDS)


class _Column:
    """Adds up the usage of requests that have the same prices; only the sums are priced by kind.

    :param batch: what they charge, without steps.
    :param live: what the same usage costs outside of a batch, without steps.
    :param source: whose prices these are.
    :param limit: longer prompts have other prices.
    :param add_longer: adds a request with a longer prompt; None if there are no such prices.
    """

    def __init__(self, batch: UnitPrices, live: UnitPrices, source: str, limit: int, add_longer: Cost | None) -> None:
        self._batch, self._live, self._source = batch, live, source
        self.add, self._counts = _counter(batch, limit, add_longer)

    def cost(self) -> ModelCost:
        """Return what the requests so far cost."""
        requests, numbers = self._counts()
        return cost_of_column(counts_by_kind(numbers), requests, self._batch, self._live, self._source)

    def usage(self) -> Usage:
        """Return what the requests so far used."""
        return usage_of(*self._counts())


def _counter(prices: UnitPrices, limit: int, add_longer: Cost | None) -> tuple[Cost, Callable[[], tuple[int, Numbers]]]:
    """Return a function that counts a request and returns its cost, and one that returns the counts so far.

    It runs once for each row, so it counts in local integers: they are faster than a list or an object.
    """
    of_input, of_output, of_5m, of_1h, of_read, of_search = (prices.of(kind) or 0 for kind in KINDS)
    requests = inputs = outputs = writes_5m = writes_1h = reads = thinking = searches = fetches = 0

    def add(numbers: Numbers) -> int | None:
        nonlocal requests, inputs, outputs, writes_5m, writes_1h, reads, thinking, searches, fetches
        tokens, output, of_five, of_hour, read, thought, search, fetch = numbers
        if add_longer is not None and tokens + of_five + of_hour + read > limit:
            return add_longer(numbers)
        requests += 1
        inputs += tokens
        outputs += output
        cost = tokens * of_input + output * of_output
        if read:
            reads += read
            cost += read * of_read
        if of_hour:
            writes_1h += of_hour
            cost += of_hour * of_1h
        if of_five:
            writes_5m += of_five
            cost += of_five * of_5m
        if thought:
            thinking += thought
        if search:
            searches += search
            cost += search * of_search
        if fetch:
            fetches += fetch
        return cost

    return add, lambda: (requests, (inputs, outputs, writes_5m, writes_1h, reads, thinking, searches, fetches))
