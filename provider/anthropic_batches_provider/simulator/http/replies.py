"""Sends replies, whole or broken: it can pace them, cut them off, or close a connection without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import iterate_in_threadpool
from starlette.types import Receive, Scope, Send

TRANSPORT = "anthropic_batches_simulator.transport"
JSON = "application/json"
HTML = "text/html; charset=UTF-8"
LONGEST_CLOSE = 5.0


class DroppedConnection(Exception):
    """The call gets no answer: its connection must be closed."""


class CutOff(Exception):
    """The response ends here, before it is complete."""


@dataclass
class Reply:
    """An HTTP answer.

    :param body: the whole body, or chunks that a thread makes while they are sent.
    :param from_gateway: a gateway answers in place of the API, without the API's headers.
    """

    status: int
    body: bytes | Iterator[bytes]
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    from_gateway: bool = False


@dataclass(frozen=True)
class Shaping:
    """How a reply is spoiled on its way.

    :param cut_after_bytes: close the connection after this many bytes of the body.
    :param bytes_per_second: pace of the body.
    """

    cut_after_bytes: int | None = None
    bytes_per_second: int | None = None


def remember_transport(scope: Scope, send: Send) -> None:
    """Keep the connection's transport, which ASGI hides: uvicorn's ``send`` is a method of the object that has it."""
    scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)


async def close_connection(scope: Scope, receive: Receive) -> None:
    """Close the socket once the bytes sent so far are out, and send nothing more."""
    transport: Any = scope.get(TRANSPORT)
    if transport is None:
        raise RuntimeError("this server does not let the simulator close connections; serve it with uvicorn")
    transport.close()
    try:
        async with asyncio.timeout(LONGEST_CLOSE):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        transport.abort()


async def send_reply(reply: Reply, scope: Scope, receive: Receive, send: Send, shaping: Shaping) -> None:
    """Send ``reply``, or as much of it as ``shaping`` lets through."""
    headers = {"content-type": reply.content_type, **reply.headers}
    if isinstance(reply.body, bytes):
        headers["content-length"] = str(len(reply.body))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    try:
        async for chunk in _shaped(reply.body, shaping):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except CutOff:
        await close_connection(scope, receive)
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _shaped(body: bytes | Iterator[bytes], shaping: Shaping) -> AsyncIterator[bytes]:
    left = shaping.cut_after_bytes
    async for chunk in _chunks(body):
        piece = chunk if left is None else chunk[:left]
        async for paced in _paced(piece, shaping.bytes_per_second):
            yield paced
        if left is not None:
            left -= len(piece)
            if left <= 0:
                raise CutOff


async def _chunks(body: bytes | Iterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for chunk in iterate_in_threadpool(body):
        yield chunk


async def _paced(chunk: bytes, bytes_per_second: int | None) -> AsyncIterator[bytes]:
    if bytes_per_second is None:
        if chunk:
            yield chunk
        return
    step = max(1, bytes_per_second // 10)
    for start in range(0, len(chunk), step):
        piece = chunk[start : start + step]
        yield piece
        await asyncio.sleep(len(piece) / bytes_per_second)


def cut_in_line(chunks: Iterator[bytes], lines: int) -> Iterator[bytes]:
    """Yield ``lines`` whole lines of ``chunks`` and half of the next.

    :raises CutOff: always after that, even if there are no more lines.
    """
    left = lines
    for chunk in chunks:
        count = chunk.count(b"\n")
        if count <= left:
            left -= count
            yield chunk
            continue
        place = 0
        for _ in range(left):
            place = chunk.index(b"\n", place) + 1
        yield chunk[: place + (chunk.index(b"\n", place) - place) // 2]
        raise CutOff
    raise CutOff
