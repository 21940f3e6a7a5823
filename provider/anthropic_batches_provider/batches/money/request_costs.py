"""Prices the requests of several batches as their results are read, each batch by the day of its creation.

Invariant: a batch of which nobody says when it was created has an unknown cost; no other day is taken for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from anthropic_batches_provider.batches.money.cost_sums import AddRequest, CostSums
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.usage import BilledUsage

MISSING_RESULT = "there is no result, and it may have been billed"
UNREADABLE_RESULT = "its result could not be read"
STRAY_RESULT = "its result belongs to no row, or repeats that of another"
UNDATED_BATCH = "the API does not say when its batch was created"
UNPRICED_PART = "its row was written when prices were not known"


class RequestCosts:
    """Adds up what requests cost, in constant memory.

    :param prices: the prices that hold for the job.
    :param created_at: takes the id of a batch, and returns when the service created it; None if nobody says.
    """

    def __init__(self, prices: PriceList, created_at: Callable[[str], dt.datetime | None]) -> None:
        self.sums = CostSums(prices)
        self._created_at = created_at
        self._adders: dict[str, AddRequest] = {}
        self._undated: AddRequest = self._add_undated

    def of_batch(self, batch_id: str) -> AddRequest:
        """Return a function that adds a succeeded request of a batch, as :meth:`.CostSums.of_batch` does."""
        found = self._adders.get(batch_id)
        if found is None:
            created_at = self._created_at(batch_id)
            found = self._undated if created_at is None else self.sums.of_batch(created_at)
            self._adders[batch_id] = found
        return found

    def _add_undated(self, model: str | None, _: BilledUsage | None) -> None:
        self.sums.add_unknown(model, UNDATED_BATCH)
