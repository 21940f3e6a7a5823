from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.batches.output.failed_rows import check_failed_rows, check_max_failed_rows
from anthropic_batches_provider.batches.output.manifest import (
    Manifest,
    RowCounts,
    Times,
)
from anthropic_batches_provider.errors import ConfigurationError, FailedRowsError


def manifest(*, rows: int, failed: int, **changes: Any) -> Manifest:
    return Manifest(
        **{
            "provider_version": "1",
            "job": None,
            "owner": None,
            "destination": "s3://lake/out",
            "output_format": "jsonl",
            "batch_ids": (),
            "parts": (),
            "counts": RowCounts(rows=rows, succeeded=rows - failed, errored=failed),
            "stop_reasons": {},
            "errors": {"overloaded_error": failed},
            "usage": {},
            "times": Times(submitted_at="", ended_at=None, collected_at=""),
            **changes,
        }
    )


CASES = [  # rows, failed, max_failed_rows, fails
    (100, 0, 0, False),
    (100, 1, 0, True),
    (100, 0, 0.0, False),
    (100, 1, 0.0, True),
    (100, 1, 1, False),
    (100, 2, 1, True),
    (100, 1, 0.01, False),
    (100, 2, 0.01, True),
    (100, 29, 0.29, False),  # 0.29 * 100 is below 29 as a float
    (100, 30, 0.29, True),
    (10, 1, 0.01, True),
    (0, 0, 0, False),
    (100, 100, 100, False),
]


@pytest.mark.parametrize(("rows", "failed", "max_failed_rows", "fails"), CASES)
def test_more_failed_rows_than_allowed_fail(rows: int, failed: int, max_failed_rows: float, fails: bool) -> None:
    found = manifest(rows=rows, failed=failed)
    if not fails:
        check_failed_rows(found, max_failed_rows)
        return
    with pytest.raises(FailedRowsError) as raised:
        check_failed_rows(found, max_failed_rows)
    assert (raised.value.failed, raised.value.total) == (failed, rows)


@pytest.mark.parametrize("bound", [True, False, -1, -0.1, 1.0, 1.5, float("nan"), float("inf"), "1", None])
def test_what_is_no_bound_is_refused(bound: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_failed_rows= must be"):
        check_max_failed_rows(bound)
    with pytest.raises(ConfigurationError, match="max_failed_rows= must be"):
        check_failed_rows(manifest(rows=1, failed=1), bound)


def test_the_message_says_what_failed_where_the_output_is_and_what_was_billed() -> None:
    found = manifest(
        rows=10,
        failed=6,
        counts=RowCounts(rows=10, succeeded=4, errored=3, expired=2, missing=1),
        errors={"overloaded_error": 1, "invalid_request_error": 2},
    )
    with pytest.raises(FailedRowsError) as raised:
        check_failed_rows(found, 0.5)
    for said in (
        "6 of 10 rows",
        "2 errored with invalid_request_error, 2 expired, 1 errored with overloaded_error, 1 missing",
        "max_failed_rows is 0.5",
        "at s3://lake/out",
        "Succeeded rows (4) were billed and are kept",
        "were not billed",
    ):
        assert said in str(raised.value)


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows have a result type, of 4 rows"):
        RowCounts(rows=4, succeeded=2, errored=1)


@pytest.mark.parametrize(
    ("counts", "errors", "said", "not_said"),
    [
        ({"errored": 2}, {"not_found_error": 2}, ["such as the model", "No row was billed"], ["may be over"]),
        ({"errored": 2}, {"invalid_request_error": 2}, ["repeats until", "No row was billed"], ["may be over"]),
        (
            {"errored": 1, "succeeded": 1},
            {"overloaded_error": 1},
            ["The failures may be over by now: again"],
            ["No row"],
        ),
        (
            {"errored": 1, "expired": 1},
            {"request_too_large": 1},
            ["Shorten the rows", "Other failures may be over by now: again"],
            [],
        ),
        ({"missing": 2}, {}, ["were billed or may have been"], ["may be over", "No row was billed"]),
        ({"invalid_row": 1, "succeeded": 1}, {}, ["Correct the invalid rows"], ["may be over", "No row was billed"]),
    ],
)
def test_the_advice_fits_the_errors_there_are(
    counts: dict[str, int], errors: dict[str, int], said: list[str], not_said: list[str]
) -> None:
    found = manifest(rows=2, failed=2, counts=RowCounts(rows=2, **counts), errors=errors, job="file:///job")
    with pytest.raises(FailedRowsError) as raised:
        check_failed_rows(found, 0, again="again")
    assert all(part in str(raised.value) for part in said)
    assert not any(part in str(raised.value) for part in not_said)


def test_corrected_rows_need_a_job_of_their_own_only_where_rows_were_billed() -> None:
    advice = "Ask about corrected rows in a job of their own"
    for failed, is_billed in ((1, True), (3, False)):
        found = manifest(rows=3, failed=failed, errors={"invalid_request_error": failed}, job="file:///job-0001")
        with pytest.raises(FailedRowsError) as raised:
            check_failed_rows(found, 0)
        assert (advice in str(raised.value)) == is_billed
        assert ("it needs no new edition" in str(raised.value)) == (not is_billed)
