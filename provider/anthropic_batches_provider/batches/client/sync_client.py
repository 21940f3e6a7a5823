"""The client for code that may block: tasks on a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import anthropic
import httpx2

from anthropic_batches_provider.batches.account import Greeting
from anthropic_batches_provider.batches.client import calls, sdk
from anthropic_batches_provider.batches.client.calls import BatchPage, Call
from anthropic_batches_provider.batches.client.failures import CALL_ERRORS, STREAM_ERRORS, Failure
from anthropic_batches_provider.batches.client.settings import ClientSettings
from anthropic_batches_provider.batches.client.transport import Transport
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGE
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.errors import MessageBatchesError

T = TypeVar("T")
ModelInfos = list[dict[str, Any]]


class MessageBatchClient:
    """Calls the Message Batches API with one connection's settings; use it as a context manager, or close it.

    Every method may raise :class:`~anthropic_batches_provider.errors.ApiError` or its subclasses. All
    calls except :meth:`create` are repeated up to twice, with pauses of at most a minute, where that may help.

    :param settings: how to reach the API.
    :param sleep: pauses between repetitions, for a number of seconds.
    :raises ConfigurationError: the settings are refused before anything is sent.
    """

    def __init__(self, settings: ClientSettings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sdk = sdk.build_sync(settings)
        self._transport = Transport(settings, environment_secrets=(self._sdk.api_key, self._sdk.auth_token))
        self._sleep = sleep

    def __enter__(self) -> MessageBatchClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are still open."""
        self._sdk.close()

    @property
    def settings(self) -> ClientSettings:
        return self._transport.settings

    @property
    def sdk(self) -> anthropic.Anthropic:
        """The SDK's own client, for calls that this client lacks; :meth:`close` closes both."""
        return self._sdk

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        """Create a message batch with exactly one POST, which is never repeated.

        :param content: the body, ``{"requests":[…]}`` as bytes, in chunks; streamed, never held in memory.
        :param content_length: bytes of the whole body.
        :param betas: values of the ``anthropic-beta`` header, for the whole batch.
        :raises ApiStatusError: the service refused the call if the status is one of
            ``create_answers.REFUSALS``; otherwise a batch may exist.
        :raises ApiConnectionError: a batch may exist unless ``connected`` is False.
        :raises UnexpectedAnswerError: the answer does not prove that a batch exists, but one may exist.
        """
        call = calls.create(content_length, betas)
        return self._repeated(call, lambda: self._transport.read(call, self._send(call, content)))

    def retrieve(self, batch_id: str) -> MessageBatch:
        """Return a batch as the API describes it now.

        :raises BatchNotFoundError: the key's workspace has no such batch.
        """
        return self._answer(calls.retrieve(batch_id))

    def cancel(self, batch_id: str) -> MessageBatch:
        """Ask the API to cancel a batch: it becomes ``canceling``, later ``ended``, and keeps the results it has."""
        return self._answer(calls.cancel(batch_id))

    def delete(self, batch_id: str) -> None:
        """Delete an ended batch and its results permanently."""
        self._answer(calls.delete(batch_id))

    def greet(self) -> Greeting:
        """Read the account and the server time by listing one batch; this proves host and key, and costs nothing."""
        return self.list_page(limit=1).greeting

    def list_page(
        self, *, limit: int = MAX_LIST_PAGE, after_id: str | None = None, before_id: str | None = None
    ) -> BatchPage:
        """Return one page of the workspace's batches, newest first.

        :param limit: number of entries, 1 to 1000.
        :param after_id: return older batches, beginning after this one.
        :param before_id: return newer batches, ending before this one.
        """
        return self._answer(calls.list_page(limit, after_id, before_id))

    @contextmanager
    def results(self, batch_id: str) -> Iterator[Iterator[bytes]]:
        """Open the results of an ended batch: gunzipped JSON Lines, in any order, as chunks that may end anywhere.

        They are fetched by path under the base URL, never from ``results_url``. A stream that a server ends early
        but cleanly looks complete here: compare the number of lines with ``request_counts``.

        :raises BatchNotFoundError: there is no such batch, or it has no results (not yet, or no longer).
        :raises ResultsStreamError: the stream broke off; the iterator raises this.
        """
        call = calls.results(batch_id)
        response = self._repeated(call, lambda: self._open(call))
        try:
            yield self._chunks(call, response)
        finally:
            response.close()

    def count_tokens(self, params: Mapping[str, Any], *, betas: Sequence[str] = ()) -> int:
        """Return the input tokens of one request's params, without those that do not count (``max_tokens``, …).

        :param betas: values of the ``anthropic-beta`` header; without those of its batch, the API may refuse a request.
        """
        return self._answer(calls.count_tokens(params, betas))

    def models(self) -> ModelInfos:
        """Return the models that the key may use, as the API describes them."""
        found: ModelInfos = []
        cursor = calls.Cursor()
        while True:
            page, last_id = self._answer(calls.models_page(cursor.after_id))
            found += page
            if not cursor.advance(last_id):
                return found

    def model(self, model_id: str) -> dict[str, Any]:
        """Return the API's description of one model.

        :raises ApiStatusError: with status 404: the key has no access to such a model.
        """
        return self._answer(calls.model(model_id))

    def list(self, *, limit: int | None = None) -> Iterator[MessageBatch]:
        """Iterate over the workspace's batches, newest first, page by page.

        :param limit: maximum number of batches; None for all.
        """
        cursor = calls.Cursor()
        remaining = limit
        while remaining is None or remaining > 0:
            page = self.list_page(limit=min(remaining or MAX_LIST_PAGE, MAX_LIST_PAGE), after_id=cursor.after_id)
            yield from page.batches[:remaining]
            remaining = None if remaining is None else remaining - len(page.batches)
            if not cursor.advance(calls.last_id_of(page)):
                return

    def _answer(self, call: Call[T]) -> T:
        return self._repeated(call, lambda: self._transport.read(call, self._send(call)))

    def _send(self, call: Call[Any], content: Iterable[bytes] | None = None, **streaming: Any) -> httpx2.Response:
        method = getattr(self._sdk, call.method)
        response: httpx2.Response = method(call.path, **self._transport.arguments(call, content), **streaming)
        return response

    def _open(self, call: Call[Any]) -> httpx2.Response:
        response = self._send(call, stream=True, stream_cls=anthropic.Stream[object])
        try:
            self._transport.check_stream(response)
        except MessageBatchesError:
            response.close()
            raise
        return response

    def _chunks(self, call: Call[Any], response: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()  # as they arrive: chunks of a fixed size cost a copy of everything
            return
        except STREAM_ERRORS as error:
            failure = self._transport.map_broken_stream(error, call, response)
        raise failure.error from failure.cause

    def _repeated(self, call: Call[Any], attempt_call: Callable[[], T]) -> T:
        attempt = 0
        while True:
            failure: Failure
            try:
                return attempt_call()
            except (*CALL_ERRORS, MessageBatchesError) as error:
                failure = self._transport.map_failure(error, call)
            if self._transport.already_deleted(call, failure, attempt):
                return None  # type: ignore[return-value]  # a delete call answers None
            pause = self._transport.seconds_before_retry(call, failure, attempt)
            if pause is None:
                raise failure.error from failure.cause
            self._sleep(pause)
            attempt += 1
