"""Counts answered rows as they are written, by kind of result, and adds up their usage.

Invariant: every row has exactly one result type, so the counts add up to the rows.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable

from anthropic_batches_provider.batches.ledger import PromptCacheRecord, TallyRecord
from anthropic_batches_provider.batches.money.cost_sums import CostSums
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.request_costs import (
    MISSING_RESULT,
    STRAY_RESULT,
    UNPRICED_PART,
    UNREADABLE_RESULT,
    RequestCosts,
)
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow, OtherResult
from anthropic_batches_provider.batches.output.manifest import RepairCounts, RowCounts
from anthropic_batches_provider.batches.prompt_cache.cache_uses import CacheUses
from anthropic_batches_provider.batches.results import MISSING, UNREADABLE, Result
from anthropic_batches_provider.batches.row_failures import INVALID_ROW
from anthropic_batches_provider.batches.usage import UNKNOWN_MODEL, Price, UsageByModel
from anthropic_batches_provider.batches.verdicts import FITS, INVALID_OUTPUT, VERDICTS, verdict_of_stop_reason

UNKNOWN = "unknown"

CreatedAt = Callable[[str], dt.datetime | None]

_EXAMPLE_LENGTH = 300
_UNKNOWN_COSTS = {MISSING: MISSING_RESULT, UNREADABLE: UNREADABLE_RESULT}


class Tally:
    """Counts rows as they are written, in constant memory.

    :param costs: the costs of the requests, if prices are known.
    """

    def __init__(self, costs: CostSums | None = None) -> None:
        self._kinds: Counter[tuple[str, str | None, str | None]] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._repairs: Counter[str] = Counter()
        self._repaired: Counter[str] = Counter()
        self._repair_errors: Counter[str] = Counter()
        self.error_examples: dict[str, str] = {}
        self.usage = UsageByModel()
        self.cache = CacheUses()
        self.costs = costs
        self._unpriced = 0
        self.foreign_results = 0
        self.duplicate_results = 0

    def add(self, row: AnsweredRow) -> None:
        """Count one row."""
        result = row.result
        self._kinds[result.result_type, result.stop_reason, result.error_type] += 1
        if result.result_type == "succeeded":
            self._count_usage(row.batch_id, result)
            self._verdicts[row.verdict or verdict_of_stop_reason(result.stop_reason)] += 1
            if row.verdict == INVALID_OUTPUT:
                self._keep_example(INVALID_OUTPUT, row)
        elif result.result_type == "errored":
            self._keep_example(result.error_type or UNKNOWN, row)
        elif result.result_type == INVALID_ROW:
            self._keep_example(INVALID_ROW, row)
        elif result.result_type == UNREADABLE:
            self._count_unknown(UNREADABLE)
            self._keep_example(UNREADABLE, row)
        elif result.result_type == MISSING:
            self._count_unknown(MISSING)
        if row.earlier_rounds is not None:
            self._add_earlier(row)

    def _add_earlier(self, row: AnsweredRow) -> None:
        """Count what the row's other results cost, and what its repairs brought."""
        for other in row.earlier_rounds or ():
            if other.result_type == "succeeded":
                self._count_usage(other.batch_id, other)
            elif other.result_type in _UNKNOWN_COSTS:
                self._count_unknown(other.result_type)
        latest = None if row.is_latest or not row.earlier_rounds else row.earlier_rounds[-1]
        if latest is not None and latest.result_type == "errored":
            name = latest.error_type or UNKNOWN
            self._repair_errors[name] += 1
            self.error_examples.setdefault(name, (latest.error_message or "")[:_EXAMPLE_LENGTH])
        self._repairs.update(row.repairs)
        if row.repairs and row.verdict == FITS:
            self._repaired[row.repairs[-1]] += 1

    def _count_usage(self, batch_id: str | None, result: Result | OtherResult) -> None:
        """Count what a succeeded request used."""
        self.usage.add(result.model, result.usage)

    def _count_unknown(self, result_type: str) -> None:
        """Count a request that may have been paid for, and nobody knows how much."""
        if result_type == UNREADABLE:
            self.usage.add(None, None)
        if self.costs is not None:
            self.costs.add_unknown(None, _UNKNOWN_COSTS[result_type])

    def _keep_example(self, name: str, row: AnsweredRow) -> None:
        self.error_examples.setdefault(name, (row.reason or "")[:_EXAMPLE_LENGTH])

    def count_strays(self, *, foreign: int, duplicates: int) -> None:
        """Count results that are not rows: those that answer no request, and those that repeat an answer."""
        self.foreign_results += foreign
        self.duplicate_results += duplicates
        if self.costs is not None and foreign + duplicates:
            self.costs.add_unknown(None, STRAY_RESULT, foreign + duplicates)

    @property
    def rows(self) -> int:
        """How many rows were counted so far."""
        return sum(self._kinds.values())

    def record(self) -> TallyRecord:
        """Return the counts so far, to be kept."""
        self.usage.add_up()  # which prices it, too
        return TallyRecord(
            kinds=tuple((*kind, count) for kind, count in sorted(self._kinds.items(), key=str)),
            error_examples=dict(sorted(self.error_examples.items())),
            usage=self.usage.as_dict(),
            verdicts=self.verdicts(),
            repairs={kind: (counts.requests, counts.fits) for kind, counts in self.repairs().items()},
            repair_errors=self.repair_errors(),
            foreign_results=self.foreign_results,
            duplicate_results=self.duplicate_results,
            cache=self.cache.by_batch(),
            costs=None if self.costs is None else self.costs.as_dict(),
        )

    def include(self, counted: TallyRecord) -> None:
        """Add the counts that :meth:`record` returned."""
        for result_type, stop_reason, error_type, count in counted.kinds:
            self._kinds[result_type, stop_reason, error_type] += count
        self.error_examples = {**counted.error_examples, **self.error_examples}
        self.usage.include(counted.usage)
        self._verdicts.update(counted.verdicts or _verdicts_of(counted))
        for kind, (requests, fits) in counted.repairs.items():
            self._repairs[kind] += requests
            self._repaired[kind] += fits
        self._repair_errors.update(counted.repair_errors)
        self.foreign_results += counted.foreign_results
        self.duplicate_results += counted.duplicate_results
        self.cache.include(counted.cache)
        if counted.costs is None:
            self._unpriced += _perhaps_billed(counted)
        else:
            self.costs = self.costs or CostSums(PriceList())
            self.costs.include(counted.costs)

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

    def cost(self) -> JobCost | None:
        """Return what the requests cost; None if prices are not known, and were not when parts were written."""
        if self.costs is None:
            return None
        self.usage.add_up()  # which prices it, too
        costs = self.costs.by_model()
        if self._unpriced:
            unpriced = ModelCost(unknown={UNPRICED_PART: self._unpriced})
            costs[UNKNOWN_MODEL] = costs.get(UNKNOWN_MODEL, ModelCost()) + unpriced
        return JobCost.of(costs)


class BatchTally(Tally):
    """Counts also what depends on the batch of each result: what it cost, and what it did with the prompt cache.

    :param costs: prices each request; None if prices are not known.
    :param is_cached: whether to count by batch what the results report of the prompt cache.
    """

    def __init__(self, costs: RequestCosts | None, *, is_cached: bool) -> None:
        super().__init__(None if costs is None else costs.sums)
        self._request_costs = costs
        self._batch_id: str | None = None
        self._price: Price | None = None
        self._is_cached = is_cached

    def _count_usage(self, batch_id: str | None, result: Result | OtherResult) -> None:
        costs = self._request_costs
        if batch_id != self._batch_id and costs is not None and batch_id is not None:
            self._batch_id, self._price = batch_id, costs.of_batch(batch_id)  # rows come mostly from the same batch
        self.usage.add(result.model, result.usage, self._price)
        if self._is_cached and batch_id is not None:
            self.cache.add(batch_id, result.model, result.usage)


def tally_of(cache: PromptCacheRecord | None, prices: PriceList, created_at: CreatedAt) -> Tally:
    """Return what counts the rows of a job; without a prompt cache and prices, nothing is counted by batch.

    :param cache: how the requests of the job use the prompt cache; None if they do not, and for batches of no job.
    :param prices: the prices that hold for the job.
    :param created_at: takes the id of a batch of the job, and returns when the service created it.
    """
    costs = RequestCosts(prices, created_at) if prices.are_known() else None
    return Tally() if costs is None and cache is None else BatchTally(costs, is_cached=cache is not None)


def tally_of_parts(prices: PriceList) -> Tally:
    """Return what adds up the counts of parts.

    :param prices: the prices that hold for the job.
    """
    return Tally(CostSums(prices) if prices.are_known() else None)


def _perhaps_billed(counted: TallyRecord) -> int:
    """Return how many requests of a part were billed, or may have been."""
    missing = sum(count for result_type, _, _, count in counted.kinds if result_type == MISSING)
    requests = sum(usage.get("requests", 0) for usage in counted.usage.values())
    return requests + missing + counted.foreign_results + counted.duplicate_results


def _verdicts_of(counted: TallyRecord) -> Counter[str]:
    """Return the verdicts of a part that was written before they were counted: no schema judged its answers."""
    verdicts: Counter[str] = Counter()
    for result_type, stop_reason, _, count in counted.kinds:
        if result_type == "succeeded":
            verdicts[verdict_of_stop_reason(stop_reason)] += count
    return verdicts
