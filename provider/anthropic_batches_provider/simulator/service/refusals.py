"""Refusing answers: the service's error envelope, and wordings that were observed from the service."""

from __future__ import annotations

from typing import Any

import msgspec

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

DEFAULT_MESSAGES = {
    400: "Invalid request.",
    401: "API key is invalid.",
    402: (
        "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits."
    ),
    403: "Your API key does not have permission to use the specified resource.",
    404: "Not found.",
    405: "Method Not Allowed",
    408: "Request timed out.",
    409: "The resource was modified by another request.",
    413: "Request exceeds the maximum size",
    422: "Unprocessable request.",
    429: "This request would exceed your account's rate limit. Please try again later.",
    500: "Internal server error",
    503: "Service unavailable",
    504: "The request timed out.",
    529: "Overloaded",
}

SPEND_LIMIT_MESSAGE = (
    "You have reached your specified API usage limits. You will regain access on the first of next month at 00:00 UTC."
)


class Refusal(Exception):
    """The service refuses a call.

    :param status: the HTTP status.
    :param message: the service's words; default: its usual words for the status.
    :param error_code: the ``details.error_code`` of the envelope, if it has one.
    """

    def __init__(
        self, status: int, message: str | None = None, *, error_type: str | None = None, error_code: str | None = None
    ) -> None:
        self.status = status
        self.message = DEFAULT_MESSAGES.get(status, "Error") if message is None else message
        self.error_type = error_type or ERROR_TYPES.get(status, "api_error")
        self.error_code = error_code
        self.headers: dict[str, str] = {}
        super().__init__(f"{status} {self.error_type}: {self.message}")

    def with_headers(self, **headers: str) -> Refusal:
        """Add response headers, and return this refusal; underscores stand for hyphens."""
        self.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self

    def body(self, request_id: str) -> bytes:
        """Encode the error envelope, which identifies the call by ``request_id``."""
        error: dict[str, Any] = {"type": self.error_type, "message": self.message}
        if self.status == 413:  # observed without the outer type and the request id
            return msgspec.json.encode({"error": error})
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def batch_not_found(batch_id: str) -> Refusal:
    """Make the 404 for a batch that the workspace does not have, whether it was deleted or never existed."""
    return Refusal(404, f"Message Batch {batch_id} not found.")


def no_results(batch_id: str) -> Refusal:
    """Make the 404 for results of a batch that has not ended."""
    return Refusal(404, f"Message Batch {batch_id} has no available results.")
