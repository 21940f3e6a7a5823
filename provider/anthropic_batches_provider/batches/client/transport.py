"""The code that the sync and the async client share: everything except the awaiting."""

from __future__ import annotations

import random
from typing import Any, TypeVar

import httpx2

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.client import failures
from anthropic_batches_provider.batches.client.calls import Answer, Call
from anthropic_batches_provider.batches.client.failures import Failure
from anthropic_batches_provider.batches.client.settings import ClientSettings
from anthropic_batches_provider.errors import BatchNotFoundError, UnexpectedAnswerError

T = TypeVar("T")

CHUNK_BYTES = 1 << 20

# A call without a large body should answer soon; the SDK's timeout of ten minutes would block a worker, or the
# triggerer's watch.
_TIMEOUT_SECONDS = 60.0
_CONNECT_TIMEOUT_SECONDS = 10.0
_SHORT_TIMEOUT = httpx2.Timeout(_TIMEOUT_SECONDS, connect=_CONNECT_TIMEOUT_SECONDS)


class Transport:
    """The rules by which one connection's calls are sent, read and repeated; holds no network connection itself."""

    def __init__(self, settings: ClientSettings, *, environment_secrets: tuple[str | None, ...]) -> None:
        self.settings = settings
        self.secrets = tuple(dict.fromkeys([*settings.secrets, *(secret for secret in environment_secrets if secret)]))
        self.account = Account(base_url=settings.base_url, workspace_id=settings.account_workspace_id)
        self._max_retries = settings.client_kwargs.get("max_retries", failures.MAX_RETRIES)
        self._has_own_timeout = settings.client_kwargs.get("timeout") is not None

    def arguments(self, call: Call[Any], content: Any = None) -> dict[str, Any]:
        """Return keyword arguments for the SDK's ``get``, ``post`` or ``delete``: raw answer, no retry or redirect."""
        options: dict[str, Any] = {"max_retries": 0, "follow_redirects": False, "headers": dict(call.headers)}
        if call.query:
            options["params"] = dict(call.query)
        if call.kind in ("plain", "delete") and not self._has_own_timeout:
            options["timeout"] = _SHORT_TIMEOUT
        arguments: dict[str, Any] = {"cast_to": httpx2.Response, "options": options}
        body = call.body if content is None else content
        if body is not None:
            arguments["content"] = body
        return arguments

    def read(self, call: Call[T], response: httpx2.Response) -> T:
        """Decode a complete answer.

        :raises UnexpectedAnswerError: it is not what the API promises; the error carries the request id.
        """
        answer = Answer(body=response.content, headers=response.headers, account=self.account)
        try:
            return call.read(answer)
        except UnexpectedAnswerError as error:
            error.request_id = response.headers.get("request-id")
            raise

    def check_stream(self, response: httpx2.Response) -> None:
        """Refuse an HTML page in place of results.

        :raises UnexpectedAnswerError: the answer is HTML.
        """
        if "html" in response.headers.get("content-type", ""):
            raise UnexpectedAnswerError(
                "The answer is an HTML page instead of results. "
                "Check whether a proxy or gateway between Airflow and the API answered in its place.",
                request_id=response.headers.get("request-id"),
            )

    def map_failure(self, error: Exception, call: Call[Any]) -> Failure:
        return failures.map_failure(error, call, self.secrets)

    def map_broken_stream(self, error: Exception, call: Call[Any], response: httpx2.Response) -> Failure:
        return failures.map_broken_stream(error, call, response.num_bytes_downloaded, self.secrets)

    def seconds_before_retry(self, call: Call[Any], failure: Failure, attempt: int) -> float | None:
        """Return :func:`failures.seconds_before_retry` with jitter, which adds up to a quarter."""
        seconds = failures.seconds_before_retry(call, failure.error, attempt, self._max_retries)
        return None if seconds is None else seconds * (1 + random.random() / 4)

    def already_deleted(self, call: Call[Any], failure: Failure, attempt: int) -> bool:
        """Return whether a repeated delete finds nothing because an earlier attempt deleted the batch."""
        return call.kind == "delete" and attempt > 0 and isinstance(failure.error, BatchNotFoundError)
