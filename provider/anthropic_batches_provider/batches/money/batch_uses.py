"""What requests used and cost, by the batch that they were sent in and by model: sums, and how they are kept.

Invariants: each request is in the sums of one batch and one model. Those over all batches are the job's, to the last
digit, and so are the requests whose cost is unknown, by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from anthropic_batches_provider.batches.money.model_costs import ModelCost, cost_from_dict
from anthropic_batches_provider.batches.usage import Usage, usage_from_dict

NO_BATCH = ""
"""Stands for a batch where none is known: of parts of before batches were recorded, and of results of no row."""

UNPRICED_PART = "its row was written when prices were not known"


class Used(NamedTuple):
    """What a number of requests used and cost.

    :param usage: what they used; a request without a result is not in it.
    :param cost: what they cost; None if prices are not known.
    """

    usage: Usage = Usage()
    cost: ModelCost | None = None

    def and_also(self, other: Used) -> Used:
        """Return the sums of both; where prices of one are not known, only the others' costs."""
        costs = [each.cost for each in (self, other) if each.cost is not None]
        return Used(self.usage + other.usage, sum(costs, ModelCost()) if costs else None)


class ModelUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What requests of one batch and one model used and cost, as a record keeps it.

    :param usage: the fields of :class:`Usage`, without those that are zero.
    :param cost: as of :meth:`.ModelCost.as_short_dict`; None if prices were not known.
    :param unpriced: requests without a result in ``usage`` that may have been billed and whose price was not known.
    """

    usage: dict[str, int] = {}
    cost: dict[str, Any] | None = None
    unpriced: int = 0


UsesByBatch = Mapping[str, Mapping[str, ModelUse]]
"""By the id of a batch, or :data:`NO_BATCH`, and by the model that the messages name, or ``unknown``."""


class BatchUses:
    """Adds up what several parts used and cost.

    :param is_priced: whether prices are known, if only for a part of it.
    """

    def __init__(self, *, is_priced: bool = False) -> None:
        self.is_priced = is_priced
        self._uses: dict[tuple[str, str], Used] = {}
        self._unpriced: Counter[tuple[str, str]] = Counter()

    def add(self, batch_id: str, model: str, used: Used, *, unpriced: int = 0) -> None:
        """Add what requests of a batch and a model used and cost.

        :param unpriced: see :class:`ModelUse`.
        """
        self._add((batch_id, model), used, unpriced + (used.usage.requests if used.cost is None else 0))

    def _add(self, whose: tuple[str, str], used: Used, unpriced: int) -> None:
        self._uses[whose] = self._uses.get(whose, Used()).and_also(used)
        self._unpriced[whose] += unpriced

    def add_all(self, others: BatchUses) -> None:
        """Add the sums of others."""
        self.is_priced |= others.is_priced
        for whose, used in others._uses.items():
            self._add(whose, used, others._unpriced[whose])

    def include(self, uses: UsesByBatch) -> None:
        """Add the sums that :meth:`as_records` returned elsewhere."""
        for batch_id, by_model in uses.items():
            usages = usage_from_dict({model: use.usage for model, use in by_model.items()})
            for model, use in by_model.items():
                cost = None if use.cost is None else cost_from_dict(use.cost)
                self.add(batch_id, model, Used(usages[model], cost), unpriced=use.unpriced)

    def by_batch(self) -> dict[str, dict[str, Used]]:
        """Return the sums by batch and model, in alphabetical order.

        If prices of some are known, the requests of the others have an unknown cost: :data:`UNPRICED_PART`.
        """
        found: dict[str, dict[str, Used]] = {}
        for batch_id, model in sorted(self._uses):
            used = self._uses[batch_id, model]
            if self.is_priced:
                unknown = self._unpriced[batch_id, model]
                unpriced = ModelCost(unknown={UNPRICED_PART: unknown} if unknown else {})
                used = Used(used.usage, (used.cost or ModelCost()) + unpriced)
            if used not in _NOTHING:
                found.setdefault(batch_id, {})[model] = used
        return found

    def as_records(self) -> dict[str, dict[str, ModelUse]]:
        """Return the sums by batch and model as they are kept."""
        found: dict[str, dict[str, ModelUse]] = {}
        for batch_id, model in sorted(self._uses):
            usage, cost = self._uses[batch_id, model]
            numbers = {name: number for name, number in usage.as_dict().items() if number}
            kept = None if cost is None else cost.as_short_dict()
            unpriced = self._unpriced[batch_id, model] - (usage.requests if cost is None else 0)
            found.setdefault(batch_id, {})[model] = ModelUse(usage=numbers, cost=kept, unpriced=unpriced)
        return found


_NOTHING = (Used(), Used(cost=ModelCost()))


def by_model(uses: Iterable[Mapping[str, Used]]) -> dict[str, Used]:
    """Return the sums over all batches, with the models in alphabetical order."""
    sums: dict[str, Used] = {}
    for of_batch in uses:
        for model, used in of_batch.items():
            sums[model] = sums.get(model, Used()).and_also(used)
    return {model: sums[model] for model in sorted(sums)}
