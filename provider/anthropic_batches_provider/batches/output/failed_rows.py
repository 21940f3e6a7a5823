"""How many rows may fail before the task fails. Imported when a DAG is parsed, so it imports nothing heavy."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.row_failures import FAILURES, INVALID_ROW, may_go_again
from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.errors import ConfigurationError, FailedRowsError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.output.manifest import Manifest

CLEAR_BOTH_TASKS = (
    "clear the submitting task and everything downstream of it, and only those rows are sent and paid for."
)
NO_LETTERS_OF_PLAIN_BATCHES = (
    "dead_letters=True needs job=: the requests of batch_ids= are not known here. Give job= if this package submitted "
    "the batches, else leave dead_letters out. Nothing was fetched."
)
RAISE_MAX_ROUNDS = "raise max_rounds= and clear this task, and only those rows are sent and paid for."


def check_max_failed_rows(value: Any) -> None:
    """Refuse a value that cannot be a limit on failed rows.

    :raises ConfigurationError: it is neither a number of rows (an int from 0) nor a share (a float from 0.0, below 1).
    """
    is_rows = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    is_share = isinstance(value, float) and 0 <= value < 1
    if not (is_rows or is_share):
        raise ConfigurationError(
            f"max_failed_rows= must be a number or a share of rows, not {value!r}. Give an int from 0 as a number, or "
            "a float from 0.0 and below 1 as a share, e.g. 0.01 for one in a hundred."
        )


def allowed_failures(max_failed_rows: int | float, rows: int) -> int | Decimal:
    """Return how many of so many rows may fail; as in :func:`check_failed_rows`."""
    # Converted from text, because 0.29 * 100 is a little less than 29.
    return max_failed_rows if isinstance(max_failed_rows, int) else Decimal(str(max_failed_rows)) * rows


def check_failed_rows(manifest: Manifest, max_failed_rows: int | float, *, again: str = CLEAR_BOTH_TASKS) -> None:
    """Fail if too many rows have no succeeded result. Call it after everything is written.

    :param max_failed_rows: an int is rows, from 0; a float is a share of all rows, from 0.0 and below 1.
    :param again: how the failed rows can be sent again, for the message.
    :raises FailedRowsError: more rows failed than that.
    :raises ConfigurationError: ``max_failed_rows`` is not a valid limit.
    """
    check_max_failed_rows(max_failed_rows)
    failed, rows = manifest.failed_rows, manifest.counts.rows
    if failed <= allowed_failures(max_failed_rows, rows):
        return
    lack = "got no succeeded result" if manifest.output_schema is None else "got no answer that fits"
    columns = "result_type and error_type" if manifest.output_schema is None else "result_type, verdict and error_type"
    where = "in this task's XCom" if manifest.destination == "xcom" else f"at {manifest.destination}"
    raise FailedRowsError(
        f"{failed:,} of {counted(rows, 'row')} {lack} ({_reasons(manifest)}); max_failed_rows is "
        f"{max_failed_rows!r}. {_advice(manifest, again)} To accept the failures, raise max_failed_rows. Every row is "
        f"written {where}, with its {columns}. {_billed(manifest)}{_unreadable(manifest)}{_letters(manifest)}",
        failed=failed,
        total=rows,
    )


def _letters(manifest: Manifest) -> str:
    letters = manifest.dead_letters
    if letters is None:
        return ""
    return (
        f" {letters.uri} holds {counted(letters.rows, 'failed row')} with the whole request: correct them, and give "
        "the file as requests= to a task of its own."
    )


def _advice(manifest: Manifest, again: str) -> str:
    """Return what to do about the failures there are, in sentences."""
    counts = manifest.counts
    judged = _judged_as_failed(manifest)
    found = {*manifest.errors, *judged} | ({INVALID_ROW} if counts.invalid_row else set())
    advice = [failure.advice for failure in FAILURES if failure.name in found and not failure.again and failure.advice]
    repairs = {f.name: f.repair for f in FAILURES if f.name in judged and f.repair and f.name not in manifest.repairs}
    if repaired := [verdict for verdict in judged if verdict in manifest.repairs]:
        advice.append(
            f"Rows with {', '.join(repaired)} were asked again without success: let repair= change more, or raise "
            "max_rounds, and clear the task that sends the rows."
        )
    if repairs:
        asked = ", ".join(f"{verdict!r}: {changes}" for verdict, changes in repairs.items())
        advice.append(
            f"To have them asked again, and pay for them again, give the task that sends the rows repair={{{asked}}}, "
            "and clear it with what follows it."
        )
    if found - judged.keys() and advice and counts.billed:
        advice.append("Ask about corrected rows in a job of their own: this one keeps the answers that were billed.")
    may_be_over = [name for name in manifest.errors if may_go_again("errored", name)]
    if may_be_over or counts.canceled or counts.expired:
        advice.append(f"{'Other failures' if advice else 'The failures'} may be over by now: {again}")
    if not counts.billed and manifest.job is not None:
        advice.append(
            "No row was billed: once you have corrected the question or the rows, clear the task that submits, with "
            "what follows it, and a new job replaces this one; it needs no new edition."
        )
    return " ".join(filter(None, advice)) or "They are not sent again, because they were billed or may have been."


def _judged_as_failed(manifest: Manifest) -> dict[str, int]:
    """Return the verdicts that count as failures because a schema judges, each with its number of rows."""
    if manifest.output_schema is None:
        return {}
    return {verdict: count for verdict, count in manifest.verdicts.items() if verdict != FITS}


def _billed(manifest: Manifest) -> str:
    counts = manifest.counts
    if not counts.billed:
        return "Nothing was billed."
    return (
        f"Succeeded rows ({counts.succeeded:,}) were billed and are kept; errored, canceled and expired requests, and "
        "invalid rows, were not billed."
    )


def _reasons(manifest: Manifest) -> str:
    counts = manifest.counts
    reasons = {_with_example(manifest, f"errored with {name}", name): n for name, n in manifest.errors.items()}
    reasons |= {_with_example(manifest, name, name): count for name, count in _judged_as_failed(manifest).items()}
    reasons |= {"canceled": counts.canceled, "expired": counts.expired, "missing": counts.missing}
    reasons[_with_example(manifest, "unreadable", "unreadable")] = counts.unreadable
    reasons[_with_example(manifest, "invalid and never sent", INVALID_ROW)] = counts.invalid_row
    ordered = sorted(reasons.items(), key=lambda reason: -reason[1])
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered if count)


def _with_example(manifest: Manifest, reason: str, name: str) -> str:
    example = manifest.error_examples.get(name)
    return reason + (f', e.g. "{example}"' if example else "")


def _unreadable(manifest: Manifest) -> str:
    if not manifest.counts.unreadable:
        return ""
    kept = f" Their lines are kept whole in {manifest.job}/unreadable/." if manifest.job else ""
    return f" Unreadable answers were billed, and are not sent again.{kept}"
