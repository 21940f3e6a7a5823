"""The outcome of a failed create call: certainly refused, or unknown."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.create_answers import REFUSALS, is_refusal
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    AuthenticationFailedError,
    RateLimitedError,
    UnexpectedAnswerError,
)


def refusal(status: int, error_type: str | None, request_id: str | None) -> ApiStatusError:
    return ApiStatusError("no", status=status, error_type=error_type, request_id=request_id)


@pytest.mark.parametrize(("status", "error_type"), REFUSALS.items())
def test_a_refusal_in_the_apis_own_form_proves_that_no_batch_was_made(status: int, error_type: str) -> None:
    assert is_refusal(refusal(status, error_type, "req_1"))


@pytest.mark.parametrize(("status", "error_type"), REFUSALS.items())
def test_a_refusal_that_a_gateway_may_have_made_proves_nothing(status: int, error_type: str) -> None:
    assert not is_refusal(refusal(status, error_type, None))
    assert not is_refusal(refusal(status, error_type, ""))
    assert not is_refusal(refusal(status, None, "req_1"))
    assert not is_refusal(refusal(status, "api_error", "req_1"))
    assert not is_refusal(refusal(500, error_type, "req_1"))


def test_a_token_that_was_refused_before_the_call_was_sent_proves_it() -> None:
    assert is_refusal(AuthenticationFailedError("no", status=401, reached_api=False))


@pytest.mark.parametrize(
    "status", [301, 307, 308, 405, 408, 409, 412, 418, 431, 499, 500, 501, 502, 503, 504, 520, 529]
)
def test_after_every_other_status_a_batch_may_exist(status: int) -> None:
    assert not is_refusal(refusal(status, "api_error", "req_1"))


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (RateLimitedError("slow down", status=429, error_type="rate_limit_error", request_id="req_1"), True),
        (RateLimitedError("slow down", status=429), False),
        (ApiConnectionError("refused", connected=False), True),
        (ApiConnectionError("reset", connected=True), False),
        (UnexpectedAnswerError("<html>"), False),
        (ApiError("?"), False),
        (OSError("disk"), False),
        (ValueError("bug"), False),
    ],
)
def test_other_errors_are_refusals_only_if_nothing_can_have_arrived(error: Exception, refused: bool) -> None:
    assert is_refusal(error) is refused
