"""Counts answered rows as they are written, by kind of result, and adds up their usage.

Invariant: every row has exactly one result type, so the counts add up to the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from anthropic_batches_provider.batches.ledger import PromptCacheRecord, TallyRecord
from anthropic_batches_provider.batches.money.batch_uses import (
    NO_BATCH,
    BatchUses,
    ModelUse,
    Used,
    UsesByBatch,
    by_model,
)
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.request_costs import (
    MISSING_RESULT,
    STRAY_RESULT,
    AddUsage,
    CreatedAt,
    RequestCosts,
)
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow, OtherResult
from anthropic_batches_provider.batches.output.manifest import RepairCounts, RowCounts
from anthropic_batches_provider.batches.prompt_cache.cache_uses import CacheUses
from anthropic_batches_provider.batches.results import MISSING, UNREADABLE, Result
from anthropic_batches_provider.batches.row_failures import INVALID_ROW
from anthropic_batches_provider.batches.usage import UNKNOWN_MODEL, Usage
from anthropic_batches_provider.batches.verdicts import FITS, INVALID_OUTPUT, VERDICTS, verdict_of_stop_reason

UNKNOWN = "unknown"

_EXAMPLE_LENGTH = 300
_UNKNOWN_USAGE = (MISSING, UNREADABLE)


class Tally:
    """Counts rows as they are written, and adds up what they used and cost, in constant memory.

    :param prices: the prices that hold for the job; None if no prices are known.
    :param created_at: takes the id of a batch of the job, and returns when the service created it.
    :param is_cached: whether to count by batch what the results report of the prompt cache.
    """

    def __init__(
        self,
        prices: PriceList | None = None,
        created_at: CreatedAt = lambda _: None,
        *,
        is_cached: bool = False,
    ) -> None:
        self._kinds: Counter[tuple[str, str | None, str | None]] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._repairs: Counter[str] = Counter()
        self._repaired: Counter[str] = Counter()
        self._repair_errors: Counter[str] = Counter()
        self.error_examples: dict[str, str] = {}
        self.cache = CacheUses()
        self.foreign_results = 0
        self.duplicate_results = 0
        self._is_priced = prices is not None
        self._is_cached = is_cached
        self._requests = RequestCosts(prices, created_at)
        self._included = BatchUses()
        self._batch_id: str | None = None
        self._add_usage: AddUsage | None = None
        self._unbilled = None if prices is None else 0

    def add(self, row: AnsweredRow) -> int | None:
        """Count one row.

        :returns: what all its requests cost, in pico-dollars; None if the cost of one is unknown.
        """
        result = row.result
        result_type = result.result_type
        self._kinds[result_type, result.stop_reason, result.error_type] += 1
        cost: int | None = self._unbilled
        if result_type == "succeeded":
            cost = self._count_usage(row.batch_id, result)
            self._verdicts[row.verdict or verdict_of_stop_reason(result.stop_reason)] += 1
            if row.verdict == INVALID_OUTPUT:
                self._keep_example(INVALID_OUTPUT, row)
        elif result_type == "errored":
            self._keep_example(result.error_type or UNKNOWN, row)
        elif result_type == INVALID_ROW:
            self._keep_example(INVALID_ROW, row)
        elif result_type in _UNKNOWN_USAGE:
            cost = None
            self._count_unknown(row.batch_id, result_type)
            if result_type == UNREADABLE:
                self._keep_example(UNREADABLE, row)
        if row.earlier_rounds is not None:
            earlier = self._add_earlier(row, row.earlier_rounds)
            return None if cost is None or earlier is None else cost + earlier
        return cost

    def _add_earlier(self, row: AnsweredRow, others: Sequence[OtherResult]) -> int | None:
        """Count what the row's other results cost, and what its repairs brought; return the cost as :meth:`add`."""
        costs = [self._count_other(other) for other in others]
        latest = None if row.is_latest or not others else others[-1]
        if latest is not None and latest.result_type == "errored":
            name = latest.error_type or UNKNOWN
            self._repair_errors[name] += 1
            self.error_examples.setdefault(name, (latest.error_message or "")[:_EXAMPLE_LENGTH])
        self._repairs.update(row.repairs)
        if row.repairs and row.verdict == FITS:
            self._repaired[row.repairs[-1]] += 1
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    def _count_other(self, other: OtherResult) -> int | None:
        if other.result_type == "succeeded":
            return self._count_usage(other.batch_id, other)
        if other.result_type in _UNKNOWN_USAGE:
            self._count_unknown(other.batch_id, other.result_type)
            return None
        return self._unbilled

    def _count_unknown(self, batch_id: str | None, result_type: str) -> None:
        """Count a request that may have been paid for, and nobody knows how much."""
        if result_type == UNREADABLE:
            self._requests.add_unreadable(batch_id)
        else:
            self._requests.add_unknown(batch_id, MISSING_RESULT)

    def _count_usage(self, batch_id: str | None, result: Result | OtherResult) -> int | None:
        """Count what a succeeded request used; return what it cost in pico-dollars, or None."""
        if batch_id != self._batch_id or self._add_usage is None:  # rows come mostly from the same batch
            self._batch_id, self._add_usage = batch_id, self._requests.of_batch(batch_id or NO_BATCH)
        if self._is_cached and batch_id is not None:
            self.cache.add(batch_id, result.model, result.usage)
        return self._add_usage(result.model, result.usage)

    def _keep_example(self, name: str, row: AnsweredRow) -> None:
        self.error_examples.setdefault(name, (row.reason or "")[:_EXAMPLE_LENGTH])

    def count_strays(self, *, foreign: int, duplicates: int) -> None:
        """Count results that are not rows: those that answer no request, and those that repeat an answer."""
        self.foreign_results += foreign
        self.duplicate_results += duplicates
        if foreign + duplicates:
            self._requests.add_unknown(None, STRAY_RESULT, foreign + duplicates)

    @property
    def rows(self) -> int:
        """How many rows were counted so far."""
        return sum(self._kinds.values())

    def record(self) -> TallyRecord:
        """Return the counts so far, to be kept."""
        uses = self._uses()
        costs = _costs(uses) if uses.is_priced else None
        return TallyRecord(
            kinds=tuple((*kind, count) for kind, count in sorted(self._kinds.items(), key=str)),
            error_examples=dict(sorted(self.error_examples.items())),
            usage=self.usage(),
            verdicts=self.verdicts(),
            repairs={kind: (counts.requests, counts.fits) for kind, counts in self.repairs().items()},
            repair_errors=self.repair_errors(),
            foreign_results=self.foreign_results,
            duplicate_results=self.duplicate_results,
            cache=self.cache.by_batch(),
            costs=None if costs is None else {model: cost.as_dict() for model, cost in costs.items()},
            batches=uses.as_records(),
        )

    def include(self, counted: TallyRecord) -> None:
        """Add the counts that :meth:`record` returned."""
        for result_type, stop_reason, error_type, count in counted.kinds:
            self._kinds[result_type, stop_reason, error_type] += count
        self.error_examples = {**counted.error_examples, **self.error_examples}
        self._included.is_priced |= counted.costs is not None
        self._included.include(counted.batches or _without_batch(counted))
        self._verdicts.update(counted.verdicts or _verdicts_of(counted))
        for kind, (requests, fits) in counted.repairs.items():
            self._repairs[kind] += requests
            self._repaired[kind] += fits
        self._repair_errors.update(counted.repair_errors)
        self.foreign_results += counted.foreign_results
        self.duplicate_results += counted.duplicate_results
        self.cache.include(counted.cache)

    def counts(self, rows: int) -> RowCounts:
        """Return how many rows have each type of result.

        :param rows: the expected number of rows.
        :raises ValueError: another number was counted.
        """
        result_types: Counter[str] = Counter()
        for (result_type, _, _), count in self._kinds.items():
            result_types[result_type] += count
        return RowCounts(rows=rows, **result_types)

    def verdicts(self) -> dict[str, int]:
        """Return the number of succeeded rows by verdict, in the order of :data:`.VERDICTS`."""
        return {verdict: self._verdicts[verdict] for verdict in VERDICTS if self._verdicts[verdict]}

    def repairs(self) -> dict[str, RepairCounts]:
        """Return what repairs asked again and brought, by verdict, in the order of :data:`.VERDICTS`."""
        return {
            verdict: RepairCounts(requests=self._repairs[verdict], fits=self._repaired[verdict])
            for verdict in VERDICTS
            if self._repairs[verdict]
        }

    def repair_errors(self) -> dict[str, int]:
        """Return the number of rows whose latest request, which was to repair an answer, errored, by error type."""
        return dict(sorted(self._repair_errors.items()))

    def stop_reasons(self) -> dict[str, int]:
        """Return the number of succeeded rows by stop reason."""
        return {
            reason or UNKNOWN: count
            for (result_type, reason, _), count in sorted(self._kinds.items(), key=str)
            if result_type == "succeeded"
        }

    def errors(self) -> dict[str, int]:
        """Return the number of errored rows by error type."""
        return {
            error_type or UNKNOWN: count
            for (result_type, _, error_type), count in sorted(self._kinds.items(), key=str)
            if result_type == "errored"
        }

    def by_batch(self) -> dict[str, dict[str, Used]]:
        """Return what the requests used and cost, by the id of the batch and by model, in alphabetical order.

        The sums are those of :meth:`usage` and of :meth:`cost`. What belongs to no known batch, such as all of parts
        that an older version wrote, is under :data:`.NO_BATCH`; results that name no model are under ``unknown``.
        """
        return self._uses().by_batch()

    def usage(self) -> dict[str, dict[str, int]]:
        """Return what the requests used, by model."""
        used = by_model(self.by_batch().values())
        return {model: each.usage.as_dict() for model, each in used.items() if each.usage != Usage()}

    def cost(self) -> JobCost | None:
        """Return what the requests cost; None if prices are not known, and were not when parts were written."""
        uses = self._uses()
        return JobCost.of(_costs(uses)) if uses.is_priced else None

    def _uses(self) -> BatchUses:
        uses = BatchUses(is_priced=self._is_priced)
        uses.add_all(self._included)
        self._requests.add_to(uses)
        return uses


def tally_of(cache: PromptCacheRecord | None, prices: PriceList, created_at: CreatedAt) -> Tally:
    """Return what counts the rows of a job.

    :param cache: how the requests of the job use the prompt cache; None if they do not, and for batches of no job.
    :param prices: the prices that hold for the job.
    :param created_at: takes the id of a batch of the job, and returns when the service created it.
    """
    return Tally(prices if prices.are_known() else None, created_at, is_cached=cache is not None)


def tally_of_parts(prices: PriceList) -> Tally:
    """Return what adds up the counts of parts.

    :param prices: the prices that hold for the job.
    """
    return Tally(prices if prices.are_known() else None)


def _costs(uses: BatchUses) -> dict[str, ModelCost]:
    """Return the costs by model, of models that have any or an unknown one."""
    found = {model: used.cost or ModelCost() for model, used in by_model(uses.by_batch().values()).items()}
    return {model: cost for model, cost in found.items() if cost != ModelCost()}


def _without_batch(counted: TallyRecord) -> UsesByBatch:
    """Return what a part used and cost that was written before batches were recorded."""
    costs = counted.costs
    if costs is not None:
        models = counted.usage.keys() | costs.keys()
        return {
            NO_BATCH: {name: ModelUse(usage=counted.usage.get(name, {}), cost=costs.get(name, {})) for name in models}
        }
    missing = sum(count for result_type, _, _, count in counted.kinds if result_type == MISSING)
    unpriced = missing + counted.foreign_results + counted.duplicate_results
    uses = {model: ModelUse(usage=usage) for model, usage in counted.usage.items()}
    if unpriced:
        uses[UNKNOWN_MODEL] = ModelUse(usage=counted.usage.get(UNKNOWN_MODEL, {}), unpriced=unpriced)
    return {NO_BATCH: uses}


def _verdicts_of(counted: TallyRecord) -> Counter[str]:
    """Return the verdicts of a part that was written before they were counted: no schema judged its answers."""
    verdicts: Counter[str] = Counter()
    for result_type, stop_reason, _, count in counted.kinds:
        if result_type == "succeeded":
            verdicts[verdict_of_stop_reason(stop_reason)] += count
    return verdicts
