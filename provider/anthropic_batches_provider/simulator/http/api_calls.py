"""One API call on its way through the simulator: counted, admitted, struck by a fault, and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from anthropic_batches_provider.simulator.control.faults import Fault
from anthropic_batches_provider.simulator.control.received import CreateCall
from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.http.admission import admit, read_body
from anthropic_batches_provider.simulator.http.error_replies import refusal_reply
from anthropic_batches_provider.simulator.http.fault_strikes import shape_reply, strike_after, strike_before
from anthropic_batches_provider.simulator.http.replies import DroppedConnection, Reply, close_connection, send_reply
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.simulated_batch import Origin
from anthropic_batches_provider.simulator.service.simulated_clock import http_date, rfc3339

BATCH_OPERATIONS = frozenset({"create", "retrieve", "list", "cancel", "delete", "results"})


@dataclass
class Call:
    """An admitted call.

    :param entry: the record of a create call; None for other operations.
    """

    request: Request
    body: bytearray
    origin: Origin
    fault: Fault | None = None
    entry: CreateCall | None = None

    @property
    def base_url(self) -> str:
        """The address that the client used, without a slash at the end; ``results_url`` begins with it."""
        return str(self.request.base_url).rstrip("/")

    @property
    def batch_id(self) -> str:
        """The id in the path; only operations on one batch have one."""
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
        # Counted before anything can fail: a call that gets no answer was still made.
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
        # The client disconnected while it sent its body; nothing was done, and nobody waits for an answer.
        except ClientDisconnect:
            return
        if entry is not None:
            entry.status = reply.status
        usual = self._gateway_headers() if reply.from_gateway else self._usual_headers(scope, request_id)
        reply.headers = usual | reply.headers
        reply, shaping = shape_reply(reply, fault)
        await send_reply(reply, scope, receive, send, shaping)

    async def _reply(self, request: Request, fault: Fault | None, entry: CreateCall | None, request_id: str) -> Reply:
        try:
            body = await read_body(request, self.simulator)
            if entry is not None:
                entry.body_bytes = len(body)
            if fault is not None:
                await strike_before(fault, request, self.simulator)
            self._check_rate()
            origin = admit(request, self.simulator)
            request.scope["anthropic_batches_simulator.workspace"] = origin.workspace_id
            reply = await self.handler(Call(request, body, origin, fault, entry))
        except Refusal as refusal:
            text = fault.body if fault is not None and fault.action == "status" else None
            reply = refusal_reply(refusal, request_id, html=_in_html(refusal, fault, self.simulator), body=text)
        if fault is not None:
            reply = await strike_after(fault, reply, request, self.simulator, request_id)
        return reply

    def _check_rate(self) -> None:
        settings = self.simulator.settings
        if self.name in BATCH_OPERATIONS and settings.enforce_requests_per_minute and self._used() > self._limit():
            raise Refusal(429).with_headers(retry_after=str(60 - int(self.simulator.clock.now()) % 60))

    def _limit(self) -> int:
        return self.simulator.settings.requests_per_minute

    def _used(self) -> int:
        return self.simulator.log.in_this_minute(self.simulator.clock.now())

    def _gateway_headers(self) -> dict[str, str]:
        return {"date": http_date(self.simulator.clock.now()), "server": "a gateway"}

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


def _in_html(refusal: Refusal, fault: Fault | None, simulator: Simulator) -> bool:
    struck = fault is not None and fault.html and fault.action == "status"
    return struck or (refusal.status == 413 and simulator.settings.html_413)
