"""One API call on its way through the simulator: reading it, checking who asks, striking it with faults, answering."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from anthropic_batches_provider.simulator.batches import Origin
from anthropic_batches_provider.simulator.clock import http_date, rfc3339
from anthropic_batches_provider.simulator.connection import (
    HTML,
    JSON,
    DroppedConnection,
    Reply,
    Shaping,
    close_connection,
    send_reply,
)
from anthropic_batches_provider.simulator.faults import Fault
from anthropic_batches_provider.simulator.received import CreateCall
from anthropic_batches_provider.simulator.refusals import Refusal, html_page
from anthropic_batches_provider.simulator.settings import ANY_WORKSPACE, VERSIONS
from anthropic_batches_provider.simulator.state import Simulator

HANG_STEP = 0.02
BATCH_OPERATIONS = frozenset({"create", "retrieve", "list", "cancel", "delete", "results"})


@dataclass
class Call:
    """A call that is let in.

    :param entry: the account of a create call; None for other operations.
    """

    request: Request
    body: bytearray
    origin: Origin
    fault: Fault | None = None
    entry: CreateCall | None = None

    @property
    def base_url(self) -> str:
        return str(self.request.base_url).rstrip("/")

    @property
    def batch_id(self) -> str:
        return str(self.request.path_params["batch_id"])


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass
class ApiOperation:
    """An operation of the API, as an ASGI application."""

    simulator: Simulator
    name: str
    handler: Handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        simulator = self.simulator
        simulator.log.count(self.name, simulator.clock.now())
        entry = simulator.log.create(simulator.look()) if self.name == "create" else None
        fault = simulator.faults.pick(self.name, request.path_params.get("batch_id"))
        if entry is not None and fault is not None:
            entry.fault = fault.action
        request_id = simulator.request_id()
        try:
            reply = await self._reply(request, fault, entry, request_id)
        except DroppedConnection:
            await close_connection(scope, receive)
            return
        except ClientDisconnect:
            return
        if entry is not None:
            entry.status = reply.status
        reply.headers = self._usual_headers(scope, request_id) | reply.headers
        reply, shaping = _shape(reply, fault)
        await send_reply(reply, scope, receive, send, shaping)

    async def _reply(self, request: Request, fault: Fault | None, entry: CreateCall | None, request_id: str) -> Reply:
        try:
            body = await read_body(request, self.simulator)
            if entry is not None:
                entry.body_bytes = len(body)
            if fault is not None:
                await _strike_before(fault, request, self.simulator)
            self._check_rate()
            origin = admit(request, self.simulator)
            request.scope["anthropic_batches_simulator.workspace"] = origin.workspace_id
            reply = await self.handler(Call(request, body, origin, fault, entry))
        except Refusal as refusal:
            reply = _refused(refusal, request_id, html=_in_html(refusal, fault, self.simulator))
        if fault is not None:
            reply = await _strike_after(fault, reply, request, self.simulator, request_id)
        return reply

    def _check_rate(self) -> None:
        settings = self.simulator.settings
        if self.name in BATCH_OPERATIONS and settings.enforce_requests_per_minute and self._used() > self._limit():
            raise Refusal(429).with_headers(retry_after=str(60 - int(self.simulator.clock.now()) % 60))

    def _limit(self) -> int:
        return self.simulator.settings.requests_per_minute

    def _used(self) -> int:
        return self.simulator.log.in_this_minute(self.simulator.clock.now())

    def _usual_headers(self, scope: Scope, request_id: str) -> dict[str, str]:
        now = self.simulator.clock.now()
        workspace = scope.get("anthropic_batches_simulator.workspace")
        return {
            "date": http_date(now),
            "request-id": request_id,
            "anthropic-organization-id": self.simulator.organization_id,
            **({"anthropic-workspace-id": workspace} if workspace else {}),
            "anthropic-ratelimit-requests-limit": str(self._limit()),
            "anthropic-ratelimit-requests-remaining": str(max(0, self._limit() - self._used())),
            "anthropic-ratelimit-requests-reset": rfc3339((now // 60 + 1) * 60),
        }


async def read_body(request: Request, simulator: Simulator) -> bytearray:
    """The whole body, decoded.

    A body that is too large is read to its end without being kept, so that the client hears the refusal.

    :raises Refusal: 413, or 400 for an encoding that is not understood.
    """
    encoding = request.headers.get("content-encoding", "identity")
    limit = simulator.settings.max_bytes
    body, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= limit:
            body += chunk
        else:
            body.clear()
    if length > limit:
        raise Refusal(413)
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise Refusal(
            400, f"Content-Encoding {encoding} is not supported.", error_code="request_body_encoding_unsupported"
        )
    return await asyncio.to_thread(_gunzip, body, limit)


def _gunzip(body: bytearray, limit: int) -> bytearray:
    inflater = zlib.decompressobj(wbits=31)
    try:
        decoded = bytearray(inflater.decompress(body, limit + 1))
    except zlib.error as error:
        raise Refusal(
            400, f"The request body is not valid gzip: {error}", error_code="request_body_encoding_invalid"
        ) from None
    if len(decoded) > limit:
        raise Refusal(413, error_code="request_body_too_large_after_decoding")
    return decoded


def admit(request: Request, simulator: Simulator) -> Origin:
    """Who asks, and under which version of the API.

    :raises Refusal: 401 for the key, 400 for the version, 403 for the workspace.
    """
    headers = request.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")
    if key is None or key not in simulator.api_keys:
        raise Refusal(401).with_headers(x_should_retry="false")
    version = headers.get("anthropic-version")
    if version is None:
        raise Refusal(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise Refusal(400, f'anthropic-version: "{version}" is not a valid version')
    workspaces = simulator.api_keys[key]
    workspace = headers.get("anthropic-workspace-id") or workspaces[0]
    if workspace not in workspaces and ANY_WORKSPACE not in workspaces:
        raise Refusal(403, f"Your API key does not have access to the workspace {workspace}.")
    betas = frozenset(beta.strip() for beta in headers.get("anthropic-beta", "").split(",") if beta.strip())
    return Origin(workspace, version, betas)


def _refused(refusal: Refusal, request_id: str, *, html: bool) -> Reply:
    headers = dict(refusal.headers)
    if refusal.status in (400, 401, 403, 404, 413):
        headers.setdefault("x-should-retry", "false")
    if html:
        return Reply(refusal.status, html_page(refusal.status, _title(refusal)), HTML, headers)
    return Reply(refusal.status, refusal.body(request_id), JSON, headers)


def _title(refusal: Refusal) -> str:
    return "Request Entity Too Large" if refusal.status == 413 else refusal.message


def _in_html(refusal: Refusal, fault: Fault | None, simulator: Simulator) -> bool:
    struck = fault is not None and fault.html and fault.action == "status"
    return struck or (refusal.status == 413 and simulator.settings.html_413)


async def _strike_before(fault: Fault, request: Request, simulator: Simulator) -> None:
    """What the fault does before the call has had any effect."""
    if fault.action == "status":
        raise _fault_refusal(fault, request)
    if fault.action == "drop_before_commit":
        raise DroppedConnection
    if fault.action == "hang" and fault.when == "before" and await _hang(fault, request, simulator):
        raise DroppedConnection


async def _strike_after(fault: Fault, reply: Reply, request: Request, simulator: Simulator, request_id: str) -> Reply:
    """What the fault makes of the answer, when the call has had its effect."""
    if fault.action == "drop_after_commit":
        raise DroppedConnection
    if fault.action == "hang" and fault.when == "after" and await _hang(fault, request, simulator):
        raise DroppedConnection
    if fault.action == "status_after_commit":
        return _refused(_fault_refusal(fault, request), request_id, html=fault.html)
    if fault.action == "html_200":
        return Reply(200, html_page(200, "OK"), HTML)
    return reply


def _fault_refusal(fault: Fault, request: Request) -> Refusal:
    refusal = fault.refusal()
    if 300 <= refusal.status < 400:
        refusal.with_headers(location=fault.location or str(request.url))
    return refusal


async def _hang(fault: Fault, request: Request, simulator: Simulator) -> bool:
    """Wait; True if there is nobody left to answer."""
    until = time.monotonic() + (fault.seconds or 0)
    while time.monotonic() < until:
        if simulator.stopping or await request.is_disconnected():
            return True
        await asyncio.sleep(min(HANG_STEP, max(0.0, until - time.monotonic())))
    return await request.is_disconnected()


def _shape(reply: Reply, fault: Fault | None) -> tuple[Reply, Shaping]:
    """The reply and its pace, spoiled as the fault says."""
    if fault is None or reply.status != 200:
        return reply, Shaping()
    if fault.action == "truncated_200":
        return reply, Shaping(cut_after_bytes=_half(reply))
    if fault.action == "cut_after_bytes":
        return reply, Shaping(cut_after_bytes=fault.bytes)
    return reply, Shaping(bytes_per_second=fault.bytes_per_second if fault.action == "slow" else None)


def _half(reply: Reply) -> int:
    return max(1, len(reply.body) // 2) if isinstance(reply.body, bytes) else 100
