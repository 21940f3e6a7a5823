"""Lets one set of tests drive both the sync and the async client."""

from __future__ import annotations

import asyncio
from typing import Any

from anthropic_batches_provider.batches.client import AsyncMessageBatchClient, ClientSettings, MessageBatchClient


class BlockingClient:
    """Either client behind blocking methods, one client for each call; remembers the pauses it was asked for."""

    def __init__(self, kind: str, settings: ClientSettings) -> None:
        self.kind = kind
        self.settings = settings
        self.pauses: list[float] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.kind == "sync":
                with MessageBatchClient(self.settings, sleep=self.pauses.append) as client:
                    return getattr(client, name)(*args, **kwargs)
            return asyncio.run(self._acall(name, *args, **kwargs))

        return call

    def listed(self, limit: int | None = None) -> list[Any]:
        if self.kind == "sync":
            with MessageBatchClient(self.settings, sleep=self.pauses.append) as client:
                return list(client.list(limit=limit))

        async def collect() -> list[Any]:
            async with AsyncMessageBatchClient(self.settings, sleep=self._pause) as client:
                return [batch async for batch in client.list(limit=limit)]

        return asyncio.run(collect())

    def results(self, batch_id: str, into: Any = None) -> bytes:
        """Return all results; with ``into``, hand each chunk to it instead of keeping them."""
        kept: list[bytes] = []
        take = into or kept.append
        if self.kind == "sync":
            with (
                MessageBatchClient(self.settings, sleep=self.pauses.append) as client,
                client.results(batch_id) as chunks,
            ):
                for chunk in chunks:
                    take(chunk)
        else:
            asyncio.run(self._aresults(batch_id, take))
        return b"".join(kept)

    async def _acall(self, name: str, *args: Any, **kwargs: Any) -> Any:
        async with AsyncMessageBatchClient(self.settings, sleep=self._pause) as client:
            return await getattr(client, name)(*args, **kwargs)

    async def _aresults(self, batch_id: str, take: Any) -> None:
        client = AsyncMessageBatchClient(self.settings, sleep=self._pause)
        async with client, client.results(batch_id) as chunks:
            async for chunk in chunks:
                take(chunk)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
