"""The client for event loops: the triggerer. Its methods are those of the sync client, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import anthropic
import httpx2

from anthropic_batches_provider.batches.account import Greeting
from anthropic_batches_provider.batches.client import calls, sdk, sightings
from anthropic_batches_provider.batches.client.calls import BatchPage, Call
from anthropic_batches_provider.batches.client.failures import CALL_ERRORS, STREAM_ERRORS, Failure
from anthropic_batches_provider.batches.client.settings import ClientSettings
from anthropic_batches_provider.batches.client.sightings import Look
from anthropic_batches_provider.batches.client.transport import CHUNK_BYTES, Transport
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGE
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.errors import MessageBatchesError

T = TypeVar("T")
ModelInfos = list[dict[str, Any]]


class AsyncMessageBatchClient:
    """The :class:`MessageBatchClient` for an event loop; use it as an async context manager, or ``await close()``.

    Creating one loads a TLS context, which takes tens of milliseconds: create it in a thread, once.

    :param settings: how to reach the API.
    :param sleep: pauses between repetitions, for a number of seconds.
    :raises ConfigurationError: the settings are refused before anything is sent.
    """

    def __init__(self, settings: ClientSettings, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sdk = sdk.build_async(settings)
        self._transport = Transport(settings, environment_secrets=(self._sdk.api_key, self._sdk.auth_token))
        self._sleep = sleep

    async def __aenter__(self) -> AsyncMessageBatchClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that are still open."""
        await self._sdk.close()

    @property
    def settings(self) -> ClientSettings:
        return self._transport.settings

    @property
    def sdk(self) -> anthropic.AsyncAnthropic:
        """The SDK's own client, for calls that this client lacks; :meth:`close` closes both."""
        return self._sdk

    async def create(
        self, content: Iterable[bytes] | AsyncIterable[bytes], *, content_length: int, betas: Sequence[str] = ()
    ) -> MessageBatch:
        """Create a message batch with exactly one POST; see :meth:`MessageBatchClient.create`.

        :param content: the body in chunks; a plain iterable is read in a thread.
        """
        call = calls.create(content_length, betas)
        chunks = content if isinstance(content, AsyncIterable) else _read_in_thread(content)

        async def post() -> MessageBatch:
            return self._transport.read(call, await self._send(call, chunks))

        return await self._repeated(call, post)

    async def retrieve(self, batch_id: str) -> MessageBatch:
        """See :meth:`MessageBatchClient.retrieve`."""
        return await self._answer(calls.retrieve(batch_id))

    async def cancel(self, batch_id: str) -> MessageBatch:
        """See :meth:`MessageBatchClient.cancel`."""
        return await self._answer(calls.cancel(batch_id))

    async def delete(self, batch_id: str) -> None:
        """See :meth:`MessageBatchClient.delete`."""
        await self._answer(calls.delete(batch_id))

    async def greet(self) -> Greeting:
        """See :meth:`MessageBatchClient.greet`."""
        return (await self.list_page(limit=1)).greeting

    async def list_page(
        self, *, limit: int = MAX_LIST_PAGE, after_id: str | None = None, before_id: str | None = None
    ) -> BatchPage:
        """See :meth:`MessageBatchClient.list_page`."""
        return await self._answer(calls.list_page(limit, after_id, before_id))

    async def look_at(self, batch_id: str) -> Look:
        """Check one batch; like :meth:`retrieve`, but decoded together with the extra facts that its watcher needs."""
        return await self._answer(sightings.look_at(batch_id))

    async def look_at_page(self, after_id: str | None = None) -> Look:
        """Check up to 1,000 batches, newest first; this takes one or two milliseconds of the loop's time.

        :param after_id: the page begins after this batch; None begins with the newest.
        """
        return await self._answer(sightings.look_at_page(after_id))

    @asynccontextmanager
    async def results(self, batch_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """See :meth:`MessageBatchClient.results`."""
        call = calls.results(batch_id)
        response = await self._repeated(call, lambda: self._open(call))
        try:
            yield self._chunks(call, response)
        finally:
            await response.aclose()

    async def count_tokens(self, params: Mapping[str, Any], *, betas: Sequence[str] = ()) -> int:
        """See :meth:`MessageBatchClient.count_tokens`."""
        return await self._answer(calls.count_tokens(params, betas))

    async def models(self) -> ModelInfos:
        """See :meth:`MessageBatchClient.models`."""
        found: ModelInfos = []
        cursor = calls.Cursor()
        while True:
            page, last_id = await self._answer(calls.models_page(cursor.after_id))
            found += page
            if not cursor.advance(last_id):
                return found

    async def model(self, model_id: str) -> dict[str, Any]:
        """See :meth:`MessageBatchClient.model`."""
        return await self._answer(calls.model(model_id))

    async def list(self, *, limit: int | None = None) -> AsyncIterator[MessageBatch]:
        """See :meth:`MessageBatchClient.list`."""
        cursor = calls.Cursor()
        remaining = limit
        while remaining is None or remaining > 0:
            page = await self.list_page(limit=min(remaining or MAX_LIST_PAGE, MAX_LIST_PAGE), after_id=cursor.after_id)
            for batch in page.batches[:remaining]:
                yield batch
            remaining = None if remaining is None else remaining - len(page.batches)
            if not cursor.advance(calls.last_id_of(page)):
                return

    async def _answer(self, call: Call[T]) -> T:
        async def attempt() -> T:
            return self._transport.read(call, await self._send(call))

        return await self._repeated(call, attempt)

    async def _send(self, call: Call[Any], content: AsyncIterable[bytes] | None = None, **streaming: Any) -> Any:
        method = getattr(self._sdk, call.method)
        return await method(call.path, **self._transport.arguments(call, content), **streaming)

    async def _open(self, call: Call[Any]) -> httpx2.Response:
        response: httpx2.Response = await self._send(call, stream=True, stream_cls=anthropic.AsyncStream[object])
        try:
            self._transport.check_stream(response)
        except MessageBatchesError:
            await response.aclose()
            raise
        return response

    async def _chunks(self, call: Call[Any], response: httpx2.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_bytes(CHUNK_BYTES):
                yield chunk
            return
        except STREAM_ERRORS as error:
            failure = self._transport.map_broken_stream(error, call, response)
        raise failure.error from failure.cause

    async def _repeated(self, call: Call[Any], attempt_call: Callable[[], Awaitable[T]]) -> T:
        attempt = 0
        while True:
            failure: Failure
            try:
                return await attempt_call()
            except (*CALL_ERRORS, MessageBatchesError) as error:
                failure = self._transport.map_failure(error, call)
            if self._transport.already_deleted(call, failure, attempt):
                return None  # type: ignore[return-value]  # a delete call answers None
            pause = self._transport.seconds_before_retry(call, failure, attempt)
            if pause is None:
                raise failure.error from failure.cause
            await self._sleep(pause)
            attempt += 1


async def _read_in_thread(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    chunks: Iterator[bytes] = iter(content)
    while chunk := await asyncio.to_thread(_next_filled, chunks):
        yield chunk


def _next_filled(chunks: Iterator[bytes]) -> bytes:
    return next((chunk for chunk in chunks if chunk), b"")
