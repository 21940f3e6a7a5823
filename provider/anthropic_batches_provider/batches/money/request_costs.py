"""Adds up and prices the requests of several batches as their results are read, each batch by the day of its creation.

Invariants: a batch of which nobody says when it was created has an unknown cost; no other day is taken for it. Without
prices there are no costs, and the usage is the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec

from anthropic_batches_provider.batches.money.batch_uses import NO_BATCH, BatchUses, Used
from anthropic_batches_provider.batches.money.cost_sums import AddRequest, CostSums
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.usage import UNKNOWN_MODEL, BilledUsage, Usage, UsageByModel, billed_usage

MISSING_RESULT = "there is no result, and it may have been billed"
UNREADABLE_RESULT = "its result could not be read"
STRAY_RESULT = "its result belongs to no row, or repeats that of another"
UNDATED_BATCH = "the API does not say when its batch was created"

CreatedAt = Callable[[str], dt.datetime | None]

AddUsage = Callable[[str | None, msgspec.Raw | bytes | None], int | None]
"""Takes the model and the usage of a message, adds them, and returns their cost in pico-dollars, or None."""

_MOST_DIFFERENT = 4096


class RequestCosts:
    """Adds up what requests used and cost, by batch and model, in constant memory.

    :param prices: the prices that hold for the job; None if no prices are known.
    :param created_at: takes the id of a batch, and returns when the service created it; None if nobody says.
    """

    def __init__(self, prices: PriceList | None, created_at: CreatedAt) -> None:
        self._prices = prices
        self._created_at = created_at
        self._adders: dict[str, AddUsage] = {}
        self._sums: dict[str, CostSums] = {}
        self._usage: dict[str, UsageByModel] = {}
        self._unpriced: dict[str, int] = {}

    def of_batch(self, batch_id: str) -> AddUsage:
        """Return a function that adds a succeeded request of a batch."""
        found = self._adders.get(batch_id)
        if found is None:
            found = self._adders[batch_id] = self._adder(batch_id)
        return found

    def _adder(self, batch_id: str) -> AddUsage:
        if self._prices is None:
            return self._usage_of(batch_id).add
        created_at = self._created_at(batch_id)
        sums = self._sums_of(batch_id, self._prices)
        return _reading(sums.without_price(UNDATED_BATCH) if created_at is None else sums.of_batch(created_at))

    def add_unreadable(self, batch_id: str | None) -> None:
        """Count a request whose result cannot be read: its usage is unreported, and its cost unknown."""
        name = batch_id or NO_BATCH
        if self._prices is None:
            self._usage_of(name).add(None, None)
        else:
            self._sums_of(name, self._prices).without_price(UNREADABLE_RESULT)(None, None)

    def add_unknown(self, batch_id: str | None, reason: str, requests: int = 1) -> None:
        """Count requests that may have been billed although they have no result of their own.

        :param batch_id: None if no batch is known.
        :param reason: why their cost is unknown.
        """
        name = batch_id or NO_BATCH
        if self._prices is None:
            self._unpriced[name] = self._unpriced.get(name, 0) + requests
        else:
            self._sums_of(name, self._prices).add_unknown(None, reason, requests)

    def add_to(self, uses: BatchUses) -> None:
        """Add the sums so far to others."""
        for batch_id, sums in self._sums.items():
            usage, costs = sums.usage(), sums.by_model()
            for model in usage.keys() | costs.keys():
                uses.add(batch_id, model, Used(usage.get(model, Usage()), costs.get(model, ModelCost())))
        for batch_id, of_batch in self._usage.items():
            for model, used in of_batch.by_model().items():
                uses.add(batch_id, model, Used(used))
        for batch_id, requests in self._unpriced.items():
            uses.add(batch_id, UNKNOWN_MODEL, Used(), unpriced=requests)

    def _sums_of(self, batch_id: str, prices: PriceList) -> CostSums:
        if batch_id not in self._sums:
            self._sums[batch_id] = CostSums(prices)
        return self._sums[batch_id]

    def _usage_of(self, batch_id: str) -> UsageByModel:
        return self._usage.setdefault(batch_id, UsageByModel())


def _reading(add: AddRequest) -> AddUsage:
    """Return a function that reads the usage of a message and adds it; equal usage is decoded once for many rows."""
    known: dict[bytes, BilledUsage | None] = {}

    def add_usage(model: str | None, usage: msgspec.Raw | bytes | None) -> int | None:
        content = b"" if usage is None else bytes(usage)
        if content in known:
            return add(model, known[content])
        if len(known) >= _MOST_DIFFERENT:
            known.clear()
        billed = known[content] = billed_usage(content)
        return add(model, billed)

    return add_usage
