"""Applies a fault to one call: before the call has an effect, to its answer, and to the bytes in transit."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request

from anthropic_batches_provider.simulator.control.faults import Fault
from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.http.error_replies import html_page, refusal_reply
from anthropic_batches_provider.simulator.http.replies import HTML, DroppedConnection, Reply, Shaping
from anthropic_batches_provider.simulator.service.refusals import Refusal

HANG_STEP = 0.02


async def strike_before(fault: Fault, request: Request, simulator: Simulator) -> None:
    """Apply the fault before the call has any effect.

    :raises Refusal: the fault answers in place of the service.
    :raises DroppedConnection: the fault closes the connection, or the client is gone.
    """
    if fault.action == "status":
        raise _fault_refusal(fault, request)
    if fault.action == "drop_before_commit":
        raise DroppedConnection
    if fault.action == "hang" and fault.when == "before" and await _hang(fault, request, simulator):
        raise DroppedConnection


async def strike_after(fault: Fault, reply: Reply, request: Request, simulator: Simulator, request_id: str) -> Reply:
    """Spoil or replace the answer after the call has had its effect.

    :raises DroppedConnection: the call gets no answer.
    """
    if fault.action == "drop_after_commit":
        raise DroppedConnection
    if fault.action == "hang" and fault.when == "after" and await _hang(fault, request, simulator):
        raise DroppedConnection
    if fault.action == "status_after_commit":
        return refusal_reply(_fault_refusal(fault, request), request_id, html=fault.html, body=fault.body)
    if fault.action == "html_200":
        return Reply(200, html_page(200, "OK"), HTML, from_gateway=True)
    return reply


def _fault_refusal(fault: Fault, request: Request) -> Refusal:
    refusal = fault.refusal()
    if 300 <= refusal.status < 400:
        refusal.with_headers(location=fault.location or str(request.url))
    return refusal


async def _hang(fault: Fault, request: Request, simulator: Simulator) -> bool:
    """Wait; return True if the client is gone or the server stops."""
    until = time.monotonic() + (fault.seconds or 0)
    while time.monotonic() < until:
        if simulator.stopping or await request.is_disconnected():
            return True
        # In steps, so that a client that gives up or a server that stops is noticed at once.
        await asyncio.sleep(min(HANG_STEP, max(0.0, until - time.monotonic())))
    return await request.is_disconnected()


def shape_reply(reply: Reply, fault: Fault | None) -> tuple[Reply, Shaping]:
    """Return the reply and how it is spoiled on its way; answers with a status other than 200 stay whole."""
    if fault is None or reply.status != 200:
        return reply, Shaping()
    if fault.action == "truncated_200":
        return reply, Shaping(cut_after_bytes=_half(reply))
    if fault.action == "cut_after_bytes":
        return reply, Shaping(cut_after_bytes=fault.bytes)
    return reply, Shaping(bytes_per_second=fault.bytes_per_second if fault.action == "slow" else None)


def _half(reply: Reply) -> int:
    # A stream has no known length, so 100 bytes count as its half.
    return max(1, len(reply.body) // 2) if isinstance(reply.body, bytes) else 100
