"""The outcome of a failed create call: certainly refused, or unknown."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.create_answers import is_refusal
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    RateLimitedError,
    UnexpectedAnswerError,
)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 429])
def test_these_statuses_prove_that_no_batch_was_made(status: int) -> None:
    assert is_refusal(ApiStatusError("no", status=status))


@pytest.mark.parametrize(
    "status", [301, 307, 308, 405, 408, 409, 412, 418, 431, 499, 500, 501, 502, 503, 504, 520, 529]
)
def test_after_every_other_status_a_batch_may_exist(status: int) -> None:
    assert not is_refusal(ApiStatusError("?", status=status))


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (RateLimitedError("slow down", status=429), True),
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
