"""The errors of rows that stop a job."""

from __future__ import annotations

from anthropic_batches_provider.batches.row_failures import stopping_errors


def test_errors_that_every_further_request_would_meet_stop_a_job_whatever_else_there_is() -> None:
    errors = {"billing_error": 3, "overloaded_error": 7, "authentication_error": 1, "invalid_request_error": 2}
    assert stopping_errors(errors) == {"authentication_error": 1, "billing_error": 3}


def test_errors_that_pass_or_are_a_row_s_own_do_not() -> None:
    assert stopping_errors({"overloaded_error": 7, "api_error": 1, "invalid_request_error": 2}) == {}
