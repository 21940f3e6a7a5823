"""The simulator as an ASGI application: the API's routes and the control routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from anthropic_batches_provider.simulator.control.control_routes import control_routes
from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.http.api_calls import ApiOperation, Handler
from anthropic_batches_provider.simulator.http.endpoints import Endpoints
from anthropic_batches_provider.simulator.http.replies import remember_transport
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.simulated_clock import http_date

BATCHES = "/v1/messages/batches"


class SimulatorApp(Starlette):
    """A Starlette application that can close its connections."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        remember_transport(scope, send)
        await super().__call__(scope, receive, send)


def create_app(simulator: Simulator) -> SimulatorApp:
    """Make the application that serves ``simulator``.

    Run it with uvicorn and ``date_header=False``: the simulator has its own time.
    """
    endpoints = Endpoints(simulator)

    def route(method: str, path: str, operation: str, handler: Handler) -> Route:
        return Route(path, ApiOperation(simulator, operation, handler), methods=[method])

    async def no_such_path(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        request_id = simulator.request_id()
        headers = {"request-id": request_id, "date": http_date(simulator.clock.now())}
        return Response(Refusal(status).body(request_id), status, headers, media_type="application/json")

    return SimulatorApp(
        exception_handlers={404: no_such_path, 405: no_such_path},
        routes=[
            route("POST", BATCHES, "create", endpoints.create),
            route("GET", BATCHES, "list", endpoints.list),
            route("GET", BATCHES + "/{batch_id}", "retrieve", endpoints.retrieve),
            route("DELETE", BATCHES + "/{batch_id}", "delete", endpoints.delete),
            route("POST", BATCHES + "/{batch_id}/cancel", "cancel", endpoints.cancel),
            route("GET", BATCHES + "/{batch_id}/results", "results", endpoints.results),
            route("POST", "/v1/messages/count_tokens", "count_tokens", endpoints.count_tokens),
            route("POST", "/v1/messages", "messages", endpoints.messages),
            route("GET", "/v1/models", "models", endpoints.models),
            route("GET", "/v1/models/{model_id}", "models", endpoints.model),
            *control_routes(simulator),
        ],
    )
