"""What the answers to a pilot say of the rest of the job: pure rules, over one count of the pilot's results.

Invariants: errors that pass and rows that expired say nothing; only what would be the same for the rest stops it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from typing import Literal

from anthropic_batches_provider.batches.ledger import PilotRecord
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.row_failures import may_go_again
from anthropic_batches_provider.batches.usage import Usage
from anthropic_batches_provider.batches.verdicts import FITS

FEWEST_ANSWERS = 5
"""With fewer answers than this, unusable ones are a warning."""
_EXAMPLE_CHARACTERS = 300


def judged_pilot(rows: Iterable[AnsweredRow], *, repaired: Set[str], seconds: float | None = None) -> PilotRecord:
    """Return what a pilot has shown.

    :param rows: its rows with their results.
    :param repaired: the verdicts whose answers a further round asks for again.
    :param seconds: how long its batch took.
    """
    seen = _Seen()
    for row in rows:
        seen.add(row)
    outcome, reason = seen.outcome(repaired)
    return PilotRecord(
        outcome=outcome,
        reason=reason,
        rows=seen.rows,
        succeeded=seen.succeeded,
        bad_requests=seen.bad_requests,
        verdicts=dict(sorted(seen.verdicts.items())),
        example=seen.example,
        input_tokens=seen.input_tokens,
        output_tokens=tuple(sorted(seen.output_tokens)),
        cache_creation_tokens=seen.cache_creation_tokens,
        seconds=seconds,
    )


class _Seen:
    """Counts the rows of a pilot."""

    def __init__(self) -> None:
        self.rows = self.succeeded = self.bad_requests = 0
        self.verdicts: Counter[str] = Counter()
        self.example = ""
        self.input_tokens = self.cache_creation_tokens = 0
        self.output_tokens: list[int] = []

    def add(self, row: AnsweredRow) -> None:
        result = row.result
        self.rows += 1
        if result.result_type == "succeeded":
            self.succeeded += 1
            self.verdicts[row.verdict or FITS] += 1
            self._add_usage(Usage.from_api(result.usage))
            self._keep_example(row)
        elif result.result_type == "errored" and not may_go_again(result.result_type, result.error_type):
            self.bad_requests += 1
            self._keep_example(row)

    def _add_usage(self, usage: Usage) -> None:
        written = usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens
        self.input_tokens += usage.input_tokens + written + usage.cache_read_input_tokens
        self.cache_creation_tokens += written
        self.output_tokens.append(usage.output_tokens)

    def _keep_example(self, row: AnsweredRow) -> None:
        if row.reason and not self.example:
            named = f"{row.result.error_type}: " if row.result.error_type else ""
            self.example = f"{named}{row.reason}"[:_EXAMPLE_CHARACTERS]

    def outcome(self, repaired: Set[str]) -> tuple[Literal["passed", "failed", "nothing"], str]:
        judged = self.succeeded + self.bad_requests
        if not judged:
            return "nothing", ""
        if 2 * self.bad_requests >= judged:
            what = f"the API refused {self.bad_requests:,} of {counted(judged, 'request')} as they are"
            return "failed", what
        if self.succeeded >= FEWEST_ANSWERS and not self.verdicts[FITS] and not repaired & self.verdicts.keys():
            kinds = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(self.verdicts.items()))
            return "failed", f"none of {counted(self.succeeded, 'answer')} can be used ({kinds})"
        return "passed", ""
