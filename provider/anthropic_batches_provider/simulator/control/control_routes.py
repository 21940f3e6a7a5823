"""The control API under ``/_simulator/``, through which tests set and read the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anthropic_batches_provider.simulator.control.faults import parse_fault
from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.service.outcomes import parse_rule
from anthropic_batches_provider.simulator.service.service_settings import changed_settings
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch
from anthropic_batches_provider.simulator.service.simulated_clock import rfc3339

PREFIX = "/_simulator"

Handler = Callable[[Any], Awaitable[Any]]


class ControlError(Exception):
    """A control call named something that does not exist, or a value that is not valid."""


class Control:
    """The operations of the control API. Each takes the decoded JSON body and returns a value to encode."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def overview(self, body: Any) -> Any:
        """Return the current settings and every path of the control API."""
        return {"settings": self._simulator.settings, "paths": sorted({f"{m} {PREFIX}{p}" for m, p in _PATHS})}

    async def faults(self, body: Any) -> Any:
        return {"faults": self._simulator.faults.described()}

    async def add_faults(self, body: Any) -> Any:
        """Add one fault, a list, or ``{"faults": [...]}``: all of them, or none if one is not valid."""
        # Parse all of them before the first is added, so that an invalid one leaves nothing behind.
        for fault in [parse_fault(value) for value in _objects(body, "faults")]:
            self._simulator.faults.add(fault)
        return await self.faults(body)

    async def clear_faults(self, body: Any) -> Any:
        self._simulator.faults.clear()
        return await self.faults(body)

    async def outcomes(self, body: Any) -> Any:
        return {"outcomes": self._simulator.rules.described()}

    async def add_outcomes(self, body: Any) -> Any:
        """Add one rule, a list, or ``{"outcomes": [...]}``: all of them, or none if one is not valid."""
        for rule in [parse_rule(value) for value in _objects(body, "outcomes")]:
            self._simulator.rules.add(rule)
        return await self.outcomes(body)

    async def clear_outcomes(self, body: Any) -> Any:
        self._simulator.rules.clear()
        return await self.outcomes(body)

    async def settings(self, body: Any) -> Any:
        return self._simulator.settings

    async def change_settings(self, body: Any) -> Any:
        """Change the settings that the body names; a batch keeps the duration it was created with."""
        self._simulator.settings = changed_settings(self._simulator.settings, _object(body))
        return self._simulator.settings

    async def clock(self, body: Any) -> Any:
        """Return the time, in seconds since the epoch and in the API's form, and the clock's speed."""
        now = self._simulator.look()
        return {"now": now, "time": rfc3339(now), "speed": self._simulator.clock.speed}

    async def advance_clock(self, body: Any) -> Any:
        """Move the clock forward by the body's ``seconds``, and return the time."""
        seconds = _object(body).get("seconds")
        if not isinstance(seconds, int | float):
            raise ControlError("give the seconds to advance by, as a number")
        self._simulator.clock.advance(seconds)
        return await self.clock(body)

    async def end_batches(self, body: Any) -> Any:
        """End the batches of ``batch_ids``, or all, now.

        ``unfinished`` says how rows end that are not done: ``finish`` (default) or ``expire``.
        """
        wanted = _object(body)
        unfinished = wanted.get("unfinished", "finish")
        if unfinished not in ("finish", "expire"):
            raise ControlError(f"unfinished is {unfinished}; it must be finish or expire")
        now = self._simulator.look()
        ended = [batch for batch in self._chosen(wanted) if not batch.has_ended(now)]
        for batch in ended:
            batch.end(now, unfinished_expire=unfinished == "expire")
        return {"batch_ids": [batch.id for batch in ended]}

    async def archive_batches(self, body: Any) -> Any:
        """Remove the results of ended batches; running ones among ``batch_ids`` are left alone."""
        now = self._simulator.look()
        archived = [batch for batch in self._chosen(_object(body)) if batch.has_ended(now)]
        for batch in archived:
            batch.archive(now)
        return {"batch_ids": [batch.id for batch in archived]}

    async def received(self, body: Any) -> Any:
        """Return the received calls, as :class:`Received`, after the late commits that are due."""
        self._simulator.look()
        return self._simulator.log.account()

    async def billing(self, body: Any) -> Any:
        """Return the bill, as :class:`Billing`; a thread computes it, since it reads every row."""
        self._simulator.look()
        return await asyncio.to_thread(self._simulator.billing)

    async def reset(self, body: Any) -> Any:
        """Reset the simulator, as :meth:`Simulator.reset` does; the clock keeps running."""
        self._simulator.reset()
        return {}

    def _chosen(self, body: dict[str, Any]) -> Iterable[MessageBatch]:
        batches = {batch.id: batch for batch in self._simulator.batches()}
        wanted = body.get("batch_ids")
        if wanted is None:
            return batches.values()
        missing = [batch_id for batch_id in wanted if batch_id not in batches]
        if missing:
            raise ControlError(f"no such batch: {', '.join(missing)}")
        return [batches[batch_id] for batch_id in wanted]


_PATHS = {
    ("GET", "/"): Control.overview,
    ("GET", "/faults"): Control.faults,
    ("POST", "/faults"): Control.add_faults,
    ("DELETE", "/faults"): Control.clear_faults,
    ("GET", "/outcomes"): Control.outcomes,
    ("POST", "/outcomes"): Control.add_outcomes,
    ("DELETE", "/outcomes"): Control.clear_outcomes,
    ("GET", "/settings"): Control.settings,
    ("PATCH", "/settings"): Control.change_settings,
    ("GET", "/clock"): Control.clock,
    ("POST", "/clock/advance"): Control.advance_clock,
    ("POST", "/end_batches"): Control.end_batches,
    ("POST", "/archive"): Control.archive_batches,
    ("GET", "/received"): Control.received,
    ("GET", "/billing"): Control.billing,
    ("POST", "/reset"): Control.reset,
}


def control_routes(simulator: Simulator) -> list[Route]:
    """Make the routes of the control API; the last one answers any other path with a list of the known paths."""
    control = Control(simulator)
    paths: dict[str, dict[str, Handler]] = {}
    for (method, path), operation in _PATHS.items():
        paths.setdefault(path, {})[method] = operation.__get__(control)
    known = [
        Route(PREFIX + path, _endpoint(operations), methods=list(operations)) for path, operations in paths.items()
    ]
    # It must come last: routes are tried in order, and this one matches every path.
    return [*known, Route(PREFIX + "/{path:path}", _unknown_path, methods=["GET", "POST", "PATCH", "DELETE"])]


def _endpoint(operations: dict[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        # Starlette admits HEAD to every GET route.
        method = "GET" if request.method == "HEAD" else request.method
        if foreign := _foreign_origin(request):
            return _json(403, {"error": f"the control API is for programs on this machine, not for {foreign}"})
        try:
            content = await request.body()
            body = msgspec.json.decode(content) if content else {}
            return _json(200, await operations[method](body))
        except (ControlError, ValueError) as error:  # a DecodeError is a ValueError
            return _json(400, {"error": str(error)})

    return answer


def _foreign_origin(request: Request) -> str | None:
    """Return the page or name that a call comes from, unless it is this machine itself.

    A web page may reach servers on loopback through the browser: it names itself in ``Origin``, or in ``Host`` if its
    name was made to point here.
    """
    for url in (request.headers.get("origin"), f"http://{request.headers.get('host', '')}"):
        host = urlsplit(url).hostname if url is not None else "localhost"
        if not _is_loopback(host or ""):
            return url
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _unknown_path(request: Request) -> Response:
    known = ", ".join(sorted({path for _, path in _PATHS}))
    return _json(404, {"error": f"no such control path: {request.url.path}; use one of these under {PREFIX}: {known}"})


def _json(status: int, value: Any) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def _objects(body: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects of a body: one object, a list of them, or ``{name: list}``."""
    if isinstance(body, dict) and isinstance(body.get(name), list):
        body = body[name]
    values = body if isinstance(body, list) else [body]
    return [_object(value) for value in values]
