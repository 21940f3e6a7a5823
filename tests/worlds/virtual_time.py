"""An event loop whose time jumps to the next due call, and a simulator that lives in that time.

The real client talks to the real simulator, without a socket or a thread: a day takes seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx2

from anthropic_batches_provider.batches.client import AsyncMessageBatchClient, ClientSettings
from anthropic_batches_provider.simulator import DEFAULT_API_KEY, Clock, Simulator, create_app
from anthropic_batches_provider.simulator.service.service_settings import DEFAULT_WORKSPACE, VERSIONS, changed_settings
from anthropic_batches_provider.simulator.service.simulated_batch import Origin

T = TypeVar("T")

START = 1_795_000_000.0
REQUEST = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: instead of sleeping, it advances its time."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._seconds

    def jump(self, seconds: float) -> None:
        self._seconds += seconds


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("No call is due and none can become due.")
        if not ready and timeout:
            self._loop.jump(timeout)
        return ready


class _LoopClock(Clock):
    """The simulator's clock, by the loop's time."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__(start=START, speed=0.0)
        self._loop = loop

    def now(self) -> float:
        return START + self._loop.time()


class _Line(httpx2.AsyncBaseTransport):
    """The connection to the simulator; counts its calls, and can be cut."""

    def __init__(self, world: VirtualWorld) -> None:
        self._world = world
        self._simulator = httpx2.ASGITransport(app=create_app(world.simulator))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._world.called_at.append(self._world.now())
        if self._world.is_cut:
            raise httpx2.ConnectError("the line is cut", request=request)
        return await self._simulator.handle_async_request(request)


class VirtualWorld:
    """A simulator and its clients in virtual time.

    :ivar called_at: moments of the HTTP calls, including those that found the line cut.
    """

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self.simulator = Simulator(clock=_LoopClock(loop), seed=7)
        self.is_cut = False
        self.called_at: list[float] = []
        self.clients: list[AsyncMessageBatchClient] = []

    def now(self) -> float:
        return START + self._loop.time()

    async def connect(self) -> AsyncMessageBatchClient:
        """Return a client that makes each call once."""
        settings = ClientSettings(
            api_key=DEFAULT_API_KEY, base_url="http://api.invalid", client_kwargs={"max_retries": 0}
        )
        client = AsyncMessageBatchClient(settings)
        client._sdk = client.sdk.with_options(http_client=httpx2.AsyncClient(transport=_Line(self)))
        client._sdk._platform = "Unknown"  # otherwise the SDK looks it up in a thread
        self.clients.append(client)
        return client

    def create_batch(self, *, lasts: float) -> str:
        """Create a batch of one request, which ends by itself after some seconds."""
        self.simulator.settings = changed_settings(self.simulator.settings, {"batch_duration": lasts})
        body = json.dumps({"requests": [{"custom_id": "a", "params": REQUEST}]}).encode()
        return self.simulator.commit(self.simulator.prepare(body, Origin(DEFAULT_WORKSPACE, VERSIONS[0]))).id


def run_in_virtual_time(work: Callable[[VirtualWorld], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a virtual world of its own.

    :raises AssertionError: it left a task behind.
    """
    random.seed(7)  # jitter, the same in each run
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualTimeLoop)
        world = VirtualWorld(loop)

        async def whole() -> T:
            result = await work(world)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"left behind: {left}"
            return result

        return runner.run(whole())
