from __future__ import annotations

import anthropic
import httpx2
import pytest

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.client import calls
from anthropic_batches_provider.batches.client.failures import map_failure, retry_after_seconds, seconds_before_retry
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    ConfigurationError,
    MessageBatchesError,
    RateLimitedError,
    SpendLimitReachedError,
    UnexpectedAnswerError,
)

REQUEST = httpx2.Request("POST", "https://api.anthropic.com/v1/messages/batches")
CREATE = calls.create(3, ())
RETRIEVE = calls.retrieve("msgbatch_1")


def wrapped(cause: Exception) -> anthropic.APIConnectionError:
    error = anthropic.APIConnectionError(request=REQUEST)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("cause", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError])
def test_only_these_prove_that_nothing_arrived(cause: type[httpx2.TransportError]) -> None:
    for error in (wrapped(cause("x")), cause("x")):
        mapped = map_failure(error, CREATE, ()).error
        assert isinstance(mapped, ApiConnectionError)
        assert not mapped.connected
        assert str(mapped).endswith("then try again. No batch was created and nothing is billed.")


def test_an_address_that_cannot_be_reached_is_named() -> None:
    message = str(map_failure(wrapped(httpx2.ConnectError("refused")), RETRIEVE, ()).error)
    assert "could not reach the API at https://api.anthropic.com (ConnectError: refused)." in message


@pytest.mark.parametrize(
    "cause",
    [
        httpx2.ReadTimeout("x"), httpx2.WriteTimeout("x"), httpx2.ReadError("x"), httpx2.WriteError("x"),
        httpx2.CloseError("x"), httpx2.RemoteProtocolError("x"), httpx2.LocalProtocolError("x"),
        httpx2.UnsupportedProtocol("x"), httpx2.DecodingError("x"), httpx2.TooManyRedirects("x"),
        OSError("x"), RuntimeError("x"), ConnectionError("x"),
    ],
)  # fmt: skip
def test_all_other_transport_errors_leave_a_doubt(cause: Exception) -> None:
    mapped = map_failure(wrapped(cause), CREATE, ()).error
    assert isinstance(mapped, ApiConnectionError)
    assert mapped.connected
    assert "A batch may have been created" in str(mapped)


def test_a_connection_error_of_another_connection_proves_nothing() -> None:
    """Reading a body from a store may fail because the store cannot be reached."""
    body_failed = OSError("store")
    body_failed.__context__ = httpx2.ConnectError("x")
    mapped = map_failure(wrapped(body_failed), CREATE, ()).error
    assert isinstance(mapped, ApiConnectionError)
    assert mapped.connected


def test_a_timeout_of_the_sdk_leaves_a_doubt() -> None:
    mapped = map_failure(anthropic.APITimeoutError(request=REQUEST), CREATE, ()).error
    assert isinstance(mapped, ApiConnectionError)
    assert mapped.connected


def test_an_answer_that_the_sdk_cannot_validate_is_unexpected() -> None:
    response = httpx2.Response(200, request=REQUEST)
    error = anthropic.APIResponseValidationError(response=response, body=None)
    assert isinstance(map_failure(error, CREATE, ()).error, UnexpectedAnswerError)


@pytest.mark.parametrize(
    "error", [TypeError("no auth"), ValueError("x"), httpx2.InvalidURL("x"), anthropic.AnthropicError("x")]
)
def test_what_the_sdk_refuses_to_send_is_a_matter_of_configuration(error: Exception) -> None:
    assert isinstance(map_failure(error, CREATE, ()).error, ConfigurationError)


def test_secrets_leave_the_message_and_a_cause_that_shows_them_is_dropped() -> None:
    failure = map_failure(
        wrapped(httpx2.LocalProtocolError("Illegal header value b'sk-secret'")), CREATE, ("sk-secret",)
    )
    assert "***" in str(failure.error)
    assert "sk-secret" not in str(failure.error)
    assert failure.cause is None


def status(code: int, retry_after: float | None = None) -> ApiStatusError:
    kind = RateLimitedError if code == 429 else ApiStatusError
    return kind("x", status=code, retry_after_seconds=retry_after)


@pytest.mark.parametrize(
    ("error", "attempt", "seconds"),
    [
        (status(500), 0, 0.5), (status(500), 1, 1.0), (status(500), 2, None), (status(408), 0, 0.5),
        (status(409), 0, 0.5),
        (status(429), 0, 0.5), (status(429, 7), 0, 7), (status(429, 60), 0, 60), (status(429, 61), 0, None),
        (status(503, 61), 0, None), (status(400), 0, None), (status(404), 0, None), (status(307), 0, None),
        (ApiConnectionError("x", connected=True), 0, 0.5), (ApiConnectionError("x", connected=False), 1, 1.0),
        (UnexpectedAnswerError("x"), 0, None), (SpendLimitReachedError("x", status=429), 0, None),
        (ConfigurationError("x"), 0, None),
    ],
)  # fmt: skip
def test_a_retry_is_decided_by_the_error(error: MessageBatchesError, attempt: int, seconds: float | None) -> None:
    assert seconds_before_retry(RETRIEVE, error, attempt, 2) == seconds
    assert seconds_before_retry(CREATE, error, attempt, 2) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-1", None),
        ("1e15", 86_400.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds({} if header is None else {"retry-after": header}) == seconds


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"date": "yesterday"}, None),
        ({"date": "Sat, 21 Nov 2026 05:00:01 GMT"}, "2026-11-21T05:00:01+00:00"),
        ({"date": "Sat, 21 Nov 2026 05:00:01 GMT", "age": "59"}, "2026-11-21T05:01:00+00:00"),
        ({"date": "Sat, 21 Nov 2026 05:00:01 GMT", "age": "old"}, None),
    ],
)
def test_the_services_time_is_its_date_header_and_never_the_local_clock(
    headers: dict[str, str], expected: str | None
) -> None:
    answer = calls.Answer(body=b"", headers=headers, account=Account(base_url="https://x"))
    server_time = calls.greeting_of(answer).server_time
    assert (server_time.isoformat() if server_time else None) == expected
