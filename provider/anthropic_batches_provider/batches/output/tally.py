"""Counts answered rows as they are written, by kind of result, and adds up their usage.

Invariant: every row has exactly one result type, so the counts add up to the rows.
"""

from __future__ import annotations

from collections import Counter

from anthropic_batches_provider.batches.ledger import TallyRecord
from anthropic_batches_provider.batches.output.manifest import RowCounts
from anthropic_batches_provider.batches.results import UNREADABLE, Result
from anthropic_batches_provider.batches.row_failures import INVALID_ROW
from anthropic_batches_provider.batches.usage import UsageByModel

UNKNOWN = "unknown"

_EXAMPLE_LENGTH = 300


class Tally:
    """Counts rows as they are written, in constant memory."""

    def __init__(self) -> None:
        self._kinds: Counter[tuple[str, str | None, str | None]] = Counter()
        self.error_examples: dict[str, str] = {}
        self.usage = UsageByModel()
        self.foreign_results = 0
        self.duplicate_results = 0

    def add(self, result: Result) -> None:
        """Count one row."""
        self._kinds[result.result_type, result.stop_reason, result.error_type] += 1
        if result.result_type == "succeeded":
            self.usage.add(result.model, result.usage)
        elif result.result_type == "errored":
            self._keep_example(result.error_type or UNKNOWN, result)
        elif result.result_type == INVALID_ROW:
            self._keep_example(INVALID_ROW, result)
        elif result.result_type == UNREADABLE:
            self.usage.add(None, None)  # it was paid for, and nobody knows how much
            self._keep_example(UNREADABLE, result)

    def _keep_example(self, name: str, result: Result) -> None:
        self.error_examples.setdefault(name, (result.error_message or "")[:_EXAMPLE_LENGTH])

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
            foreign_results=self.foreign_results,
            duplicate_results=self.duplicate_results,
        )

    def include(self, counted: TallyRecord) -> None:
        """Add the counts that :meth:`record` returned."""
        for result_type, stop_reason, error_type, count in counted.kinds:
            self._kinds[result_type, stop_reason, error_type] += count
        self.error_examples = {**counted.error_examples, **self.error_examples}
        self.usage.include(counted.usage)
        self.foreign_results += counted.foreign_results
        self.duplicate_results += counted.duplicate_results

    def counts(self, rows: int) -> RowCounts:
        """Return how many rows have each type of result.

        :param rows: the expected number of rows.
        :raises ValueError: another number was counted.
        """
        result_types: Counter[str] = Counter()
        for (result_type, _, _), count in self._kinds.items():
            result_types[result_type] += count
        return RowCounts(rows=rows, **result_types)

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
