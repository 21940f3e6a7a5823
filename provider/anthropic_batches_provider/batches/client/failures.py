"""Maps the exceptions of the SDK, its HTTP library and the decoders to this package's errors.

Pure functions. A message says what happened, what to do, and what is true now (after a create call: whether a batch
can exist). It never holds a secret, and neither does the cause that a traceback would show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2
from anthropic.lib.credentials import WorkloadIdentityError

from anthropic_batches_provider.batches.client.calls import Call
from anthropic_batches_provider.batches.create_answers import is_the_apis_refusal
from anthropic_batches_provider.batches.passing_failures import passes_by_itself
from anthropic_batches_provider.batches.pauses import CALL_FAILED
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    AuthenticationFailedError,
    BatchNotFoundError,
    ConfigurationError,
    MessageBatchesError,
    RateLimitedError,
    ResultsStreamError,
    SpendLimitReachedError,
    UnexpectedAnswerError,
)

# The exceptions that sending and reading may raise; the SDK wraps others, but not those of building a request.
CALL_ERRORS = (anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, TypeError, ValueError)
STREAM_ERRORS = (httpx2.HTTPError, httpx2.StreamError)

# 429s that last until the limit is raised. https://platform.claude.com/docs/en/api/rate-limits (seen 2026-08-22)
SPEND_LIMIT_CODES = frozenset(("enforced_spend_limit_reached", "contract_spend_limit_reached"))

_NEVER_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
MAX_RETRIES = 2
LONGEST_WAIT_SECONDS = 60.0
_LONGEST_RETRY_AFTER_SECONDS = 86_400.0
_EXCERPT = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """An error to raise, and the cause to raise it from (None where the cause would show a secret)."""

    error: MessageBatchesError
    cause: BaseException | None


def map_failure(error: Exception, call: Call[Any], secrets: tuple[str, ...]) -> Failure:
    """Map any exception that a call raised."""
    if isinstance(error, UnexpectedAnswerError):
        return _failure(_unexpected(error, call), error.__cause__ or error, secrets)
    if isinstance(error, MessageBatchesError):
        return _failure(error, error.__cause__, secrets)
    if isinstance(error, anthropic.APIStatusError):
        return _failure(_status_error(error, call), error, secrets)
    if isinstance(error, WorkloadIdentityError):
        return _failure(_token_error(error, call), error, secrets)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError | httpx2.StreamError):
        return _failure(_connection_error(error, call), error, secrets)
    if isinstance(error, anthropic.APIError | anthropic.RetryableError):
        mapped = UnexpectedAnswerError(
            f"{_begin(call)} failed in the SDK ({_named(error)}). {_state(call, False)}".strip()
        )
        return _failure(mapped, error, secrets)
    return _failure(_settings_error(error, call), error, secrets)


def map_broken_stream(error: Exception, call: Call[Any], received: int, secrets: tuple[str, ...]) -> Failure:
    """Map the exception that ended a results stream early.

    :param received: number of bytes that had arrived.
    """
    text = (
        f"The results of message batch {call.batch_id} broke off after {counted(received, 'byte')} "
        f"({_named(error)}). Download them again. The part read so far is incomplete; the batch and its results are "
        "untouched."
    )
    return _failure(ResultsStreamError(text), error, secrets)


def seconds_before_retry(call: Call[Any], error: MessageBatchesError, attempt: int, limit: int) -> float | None:
    """Decide whether a call is repeated, and after how long.

    A call that might pay twice is never repeated. A ``retry-after`` above a minute is left to the caller, who may be
    able to wait without holding a worker.

    :param attempt: number of attempts that failed before this one.
    :param limit: number of repetitions allowed.
    :returns: seconds, before jitter, or None to raise the error.
    """
    if call.kind == "create" or attempt >= limit or not passes_by_itself(error):
        return None
    if isinstance(error, ApiStatusError) and error.retry_after_seconds is not None:
        return error.retry_after_seconds if error.retry_after_seconds <= LONGEST_WAIT_SECONDS else None
    return CALL_FAILED.seconds(attempt)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read ``retry-after`` as a number of seconds, the only form that the API sends; a day at most."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, _LONGEST_RETRY_AFTER_SECONDS) if 0 <= seconds < float("inf") else None


def _failure(error: MessageBatchesError, cause: BaseException | None, secrets: tuple[str, ...]) -> Failure:
    """Remove the secrets from an error's message, and drop a cause that would show one."""
    text = str(error)
    for secret in secrets:
        text = text.replace(secret, "***")
    error.args = (text,)
    shown = "\n".join(f"{link}\n{link!r}" for link in _chain(cause))
    return Failure(error, None if any(secret in shown for secret in secrets) else cause)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _begin(call: Call[Any]) -> str:
    return call.doing[0].upper() + call.doing[1:]


def _state(call: Call[Any], nothing_made: bool) -> str:
    """Say what is true now; only a create call can leave this open."""
    if call.kind != "create":
        return ""
    if nothing_made:
        return "No batch was created and nothing is billed."
    return (
        "Check the account's batches before you send the same requests again. "
        "A batch may have been created; if so, it runs and is billed."
    )


def _named(error: BaseException) -> str:
    """Name the innermost transport error, which says more than the SDK's wrapper around it."""
    links = list(_causes(error))
    named = next((link for link in links if isinstance(link, httpx2.HTTPError)), links[-1])
    return f"{type(named).__name__}: {named}" if str(named) else type(named).__name__


def _connection_error(error: Exception, call: Call[Any]) -> ApiConnectionError:
    transport = next((link for link in _causes(error) if isinstance(link, httpx2.TransportError)), None)
    connected = not isinstance(transport, _NEVER_CONNECTED)
    if connected:
        text = f"{_begin(call)} got no complete answer ({_named(error)})."
        step = "" if call.kind == "create" else "Try again; repeating this call is safe."
    else:
        text = f"{_begin(call)} could not reach the API{_address(error)} ({_named(error)})."
        step = "Check the connection's host, the network and the proxy, then try again."
    return ApiConnectionError(_joined(text, step, _state(call, not connected)), connected=connected)


def _address(error: Exception) -> str:
    """Return where a call was to go, as the end of a phrase; nothing if that is not known."""
    if not isinstance(error, anthropic.APIConnectionError):
        return ""
    url = error.request.url
    return f" at {url.scheme}://{url.host}{f':{url.port}' if url.port else ''}"


def _token_error(error: WorkloadIdentityError, call: Call[Any]) -> ApiError:
    """Map a failed exchange of the identity token; the call itself was never sent."""
    text = (
        f"{_begin(call)} failed before the call was sent: "
        f"the exchange of the workload identity token failed ({_excerpt(str(error))})."
    )
    if error.status_code in (400, 401, 403):
        step = (
            "Check the federation rule, the organization id and the token file of the connection's workload_identity."
        )
        return AuthenticationFailedError(
            _joined(text, step, _state(call, True)),
            status=error.status_code,
            request_id=error.request_id,
            reached_api=False,
        )
    step = "Try again; nothing has reached the Message Batches API."
    return ApiConnectionError(_joined(text, step, _state(call, True)), connected=False, request_id=error.request_id)


def _settings_error(error: Exception, call: Call[Any]) -> ConfigurationError:
    text = (
        f"{_begin(call)} failed before the call was sent: the SDK refuses the connection's settings ({_named(error)})."
    )
    return ConfigurationError(_joined(text, "Correct the connection.", _state(call, True)))


def _unexpected(error: UnexpectedAnswerError, call: Call[Any]) -> UnexpectedAnswerError:
    text = f"{_begin(call)}: {str(error)[0].lower()}{str(error)[1:]}"
    return UnexpectedAnswerError(_joined(text, _state(call, False)), request_id=error.request_id)


def _status_error(error: anthropic.APIStatusError, call: Call[Any]) -> ApiStatusError:
    response = error.response
    status = response.status_code
    error_type, error_code, said = _envelope(error.body)
    request_id = _request_id(response, error.body)
    server = response.headers.get("server")
    named = (
        error_type,
        error_code,
        f"request id {request_id}" if request_id else "no request id",
        f"server {_excerpt(server)}" if server and not request_id else None,
    )
    facts = [f"status {status}", *(fact for fact in named if fact)]
    text = f"{_begin(call)} failed: {said or 'the answer holds no error message'} ({', '.join(facts)})."
    retry_after = retry_after_seconds(response.headers)
    kind = _kind(status, error_code, call)
    is_open = call.kind == "create" and not is_the_apis_refusal(status, error_type, request_id)
    # Of an open outcome the state says what to do: look for the batch. A redirect needs another host all the same.
    step = "" if is_open and status >= 400 else _next_step(kind, call, response, retry_after)
    return kind(
        _joined(text, step, _state(call, not is_open)),
        status=status,
        error_type=error_type,
        error_code=error_code,
        request_id=request_id,
        retry_after_seconds=retry_after,
    )


def _request_id(response: httpx2.Response, body: object) -> str | None:
    """Return the API's request id, from the header or else from the body."""
    found = response.headers.get("request-id")
    if not found and isinstance(body, Mapping):
        found = body.get("request_id")
    return found if isinstance(found, str) and found else None


def _envelope(body: object) -> tuple[str | None, str | None, str | None]:
    """Read the type, code and message from an error body; any of them may be missing."""
    if not isinstance(body, Mapping) or not isinstance(body.get("error"), Mapping):
        return None, None, _excerpt(str(body)) if body else None
    inner = body["error"]
    details = inner.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    error_type, message = inner.get("type"), inner.get("message")
    return (
        error_type if isinstance(error_type, str) else None,
        code if isinstance(code, str) else None,
        _excerpt(message) if isinstance(message, str) else None,
    )


def _kind(status: int, error_code: str | None, call: Call[Any]) -> type[ApiStatusError]:
    if status == 402 or (status == 429 and error_code in SPEND_LIMIT_CODES):
        return SpendLimitReachedError
    if status in (401, 403):
        return AuthenticationFailedError
    if status == 404 and call.batch_id is not None:
        return BatchNotFoundError
    return RateLimitedError if status == 429 else ApiStatusError


def _next_step(kind: type[ApiStatusError], call: Call[Any], response: httpx2.Response, wait: float | None) -> str:
    status = response.status_code
    if kind is SpendLimitReachedError:
        return "Add credit or raise the spend limit in the Claude Console; every retry fails until then."
    if kind is AuthenticationFailedError:
        return "Check the API key in the connection's password, and the key's permissions in its workspace."
    if kind is BatchNotFoundError:
        return (
            "Check the id, and check that the connection's key belongs to the workspace that created the batch. "
            "Results are available from the batch's end until 29 days after its creation."
        )
    if kind is RateLimitedError:
        return (
            f"Wait {wait:g} s before the next call." if wait else "Call less often, or wait until batches have ended."
        )
    if status == 404:
        return "Check the id and the connection's host, which must be the API's root."
    if status == 413:
        return "Send fewer requests in one batch: the API accepts 256 MB, a gateway in front of it perhaps less."
    if 300 <= status < 400:
        return (
            f"If {_origin(response)} is correct, set it as the connection's host: this provider follows no redirects."
        )
    if status in (400, 422):
        return "Correct the request; the API would refuse a retry, too."
    return "Try again later: the service or a gateway is failing at the moment."


def _origin(response: httpx2.Response) -> str:
    parts = urlsplit(response.headers.get("location", ""))
    return f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else "the redirect's target"


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _EXCERPT else f"{flat[:_EXCERPT]}…"


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
