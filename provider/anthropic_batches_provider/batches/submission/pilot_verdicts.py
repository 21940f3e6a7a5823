"""What the answers to a pilot say of the rest of the job: pure rules, over one count of the pilot's results.

Invariants: errors that pass and rows that expired say nothing; only what would be the same for the rest stops it; what
was recorded does not depend on the arguments of the task, which may change before the next attempt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set

from anthropic_batches_provider.batches.ledger import PilotOutcome, PilotRecord
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.row_failures import may_go_again, stopping_errors
from anthropic_batches_provider.batches.usage import Usage
from anthropic_batches_provider.batches.verdicts import FITS

FEWEST_ANSWERS = 5
"""With fewer answers than this, unusable ones are a warning."""
_EXAMPLE_CHARACTERS = 300


def judged_pilot(rows: Iterable[AnsweredRow], *, seconds: float | None = None) -> PilotRecord:
    """Return what a pilot has shown.

    :param rows: its rows with their results.
    :param seconds: how long its batch took.
    """
    seen = _Seen()
    for row in rows:
        seen.add(row)
    return PilotRecord(
        outcome=seen.outcome(),
        rows=seen.rows,
        succeeded=seen.succeeded,
        bad_requests=seen.bad_requests,
        errors=dict(sorted(seen.errors.items())),
        verdicts=dict(sorted(seen.verdicts.items())),
        example=seen.example,
        input_tokens=tuple(sorted(seen.input_tokens)),
        output_tokens=tuple(sorted(seen.output_tokens)),
        cache_creation_tokens=seen.cache_creation_tokens,
        cache_read_tokens=seen.cache_read_tokens,
        model=seen.models.pop() if len(seen.models) == 1 else "",
        seconds=seconds,
    )


def reason_to_stop(record: PilotRecord, *, repaired: Set[str]) -> str | None:
    """Return why the rest must not be sent; None if it may.

    :param repaired: the verdicts whose answers a further round asks for again.
    """
    if record.outcome == "refused":
        form = "as it is" if record.judged == 1 else "as they are"
        return f"the API refused {record.bad_requests:,} of {counted(record.judged, 'request')} {form}"
    if record.outcome == "unusable" and not repaired & record.verdicts.keys():
        kinds = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(record.verdicts.items()))
        return f"none of {counted(record.perhaps_billed, 'answer')} can be used ({kinds})"
    return None


class _Seen:
    """Counts the rows of a pilot."""

    def __init__(self) -> None:
        self.rows = self.succeeded = self.bad_requests = 0
        self.errors: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self._examples: dict[bool, str] = {}
        self.cache_creation_tokens = self.cache_read_tokens = 0
        self.models: set[str] = set()
        self.input_tokens: list[int] = []
        self.output_tokens: list[int] = []

    def add(self, row: AnsweredRow) -> None:
        result, before = row.result, self._judged()
        self.rows += 1
        if result.result_type == "succeeded":
            self.succeeded += 1
            self.models.add(result.model or "")
            self.verdicts[row.verdict or FITS] += 1
            self._add_usage(Usage.from_api(result.usage))
        elif result.result_type == "errored":
            self.errors[result.error_type or "unknown"] += 1
            self.bad_requests += not may_go_again(result.result_type, result.error_type)
        elif not may_go_again(result.result_type, result.error_type):
            self.verdicts[result.result_type] += 1
        self._keep_example(row, says_something=self._judged() > before)

    def _add_usage(self, usage: Usage) -> None:
        written = usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens
        self.input_tokens.append(usage.input_tokens + written + usage.cache_read_input_tokens)
        self.cache_creation_tokens += written
        self.cache_read_tokens += usage.cache_read_input_tokens
        self.output_tokens.append(usage.output_tokens)

    def _keep_example(self, row: AnsweredRow, *, says_something: bool) -> None:
        if row.reason:
            named = f"{row.result.error_type}: " if row.result.error_type else ""
            self._examples.setdefault(says_something, f"{named}{row.reason}"[:_EXAMPLE_CHARACTERS])

    @property
    def example(self) -> str:
        """The first error message, of a row that says something of the rest if there is one."""
        return self._examples.get(True) or self._examples.get(False, "")

    def _judged(self) -> int:
        return self.bad_requests + self.verdicts.total()

    def outcome(self) -> PilotOutcome:
        judged, answered = self._judged(), self.verdicts.total()
        if not judged:
            return "stopped" if stopping_errors(self.errors) else "nothing"
        # One bad request among errors that pass says too little of the rest.
        if 2 * self.bad_requests >= judged and 2 * judged >= self.rows:
            return "refused"
        return "unusable" if answered >= FEWEST_ANSWERS and not self.verdicts[FITS] else "passed"
