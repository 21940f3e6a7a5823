"""Counts answered rows as they are written, by kind of result, and adds up their usage.

Invariant: every row has exactly one result type, so the counts add up to the rows.
"""

from __future__ import annotations

from collections import Counter

from anthropic_batches_provider.batches.ledger import PromptCacheRecord, TallyRecord
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.manifest import RepairCounts, RowCounts
from anthropic_batches_provider.batches.prompt_cache.cache_uses import CacheUses
from anthropic_batches_provider.batches.results import UNREADABLE
from anthropic_batches_provider.batches.row_failures import INVALID_ROW
from anthropic_batches_provider.batches.usage import UsageByModel
from anthropic_batches_provider.batches.verdicts import FITS, INVALID_OUTPUT, VERDICTS, verdict_of_stop_reason

UNKNOWN = "unknown"

_EXAMPLE_LENGTH = 300


class Tally:
    """Counts rows as they are written, in constant memory."""

    def __init__(self) -> None:
        self._kinds: Counter[tuple[str, str | None, str | None]] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._repairs: Counter[str] = Counter()
        self._repaired: Counter[str] = Counter()
        self._repair_errors: Counter[str] = Counter()
        self.error_examples: dict[str, str] = {}
        self.usage = UsageByModel()
        self.cache = CacheUses()
        self.foreign_results = 0
        self.duplicate_results = 0

    def add(self, row: AnsweredRow) -> None:
        """Count one row."""
        result = row.result
        self._kinds[result.result_type, result.stop_reason, result.error_type] += 1
        if result.result_type == "succeeded":
            self.usage.add(result.model, result.usage)
            self._verdicts[row.verdict or verdict_of_stop_reason(result.stop_reason)] += 1
            if row.verdict == INVALID_OUTPUT:
                self._keep_example(INVALID_OUTPUT, row)
        elif result.result_type == "errored":
            self._keep_example(result.error_type or UNKNOWN, row)
        elif result.result_type == INVALID_ROW:
            self._keep_example(INVALID_ROW, row)
        elif result.result_type == UNREADABLE:
            self.usage.add(None, None)  # it was paid for, and nobody knows how much
            self._keep_example(UNREADABLE, row)
        if row.earlier_rounds is not None:
            self._add_earlier(row)

    def _add_earlier(self, row: AnsweredRow) -> None:
        """Count what the row's other results cost, and what its repairs brought."""
        for other in row.earlier_rounds or ():
            if other.result_type == "succeeded":
                self.usage.add(other.model, other.usage)
            elif other.result_type == UNREADABLE:
                self.usage.add(None, None)
        latest = None if row.is_latest or not row.earlier_rounds else row.earlier_rounds[-1]
        if latest is not None and latest.result_type == "errored":
            name = latest.error_type or UNKNOWN
            self._repair_errors[name] += 1
            self.error_examples.setdefault(name, (latest.error_message or "")[:_EXAMPLE_LENGTH])
        self._repairs.update(row.repairs)
        if row.repairs and row.verdict == FITS:
            self._repaired[row.repairs[-1]] += 1

    def _keep_example(self, name: str, row: AnsweredRow) -> None:
        self.error_examples.setdefault(name, (row.reason or "")[:_EXAMPLE_LENGTH])

    @property
    def rows(self) -> int:
        """How many rows were counted so far."""
        return sum(self._kinds.values())

    def record(self) -> TallyRecord:
        """Return the counts so far, to be kept."""
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


class CachedTally(Tally):
    """Counts also what the rows of a job with a prompt cache report of it, by message batch."""

    def add(self, row: AnsweredRow) -> None:
        """Count one row, with all its results: those that do not count for it were paid for, too."""
        super().add(row)
        result = row.result
        if result.result_type == "succeeded" and row.batch_id is not None:
            self.cache.add(row.batch_id, result.model, result.usage)
        for other in row.earlier_rounds or ():
            if other.result_type == "succeeded" and other.batch_id is not None:
                self.cache.add(other.batch_id, other.model, other.usage)


def tally_of(cache: PromptCacheRecord | None) -> Tally:
    """Return what counts the rows of a job; without a prompt cache, nothing is counted by batch.

    :param cache: how the requests of the job use the prompt cache; None if they do not, and for batches of no job.
    """
    return Tally() if cache is None else CachedTally()


def _verdicts_of(counted: TallyRecord) -> Counter[str]:
    """Return the verdicts of a part that was written before they were counted: no schema judged its answers."""
    verdicts: Counter[str] = Counter()
    for result_type, stop_reason, _, count in counted.kinds:
        if result_type == "succeeded":
            verdicts[verdict_of_stop_reason(stop_reason)] += count
    return verdicts
