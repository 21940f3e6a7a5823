"""Reads the body of a create call and makes the checks that the service makes at once, in the service's words.

``params`` stay undecoded: they are slices of the body, which is kept as received, so that 256 MB stay 256 MB.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.service_settings import Settings

CUSTOM_ID_PATTERN = "^[a-zA-Z0-9_-]{1,64}$"
_BRACE = ord("{")
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class BatchRequest(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One request of a batch, with its params as the received bytes."""

    custom_id: str
    params: msgspec.Raw


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    requests: list[BatchRequest]


_DECODER = msgspec.json.Decoder(_Body)


def decode_requests(body: bytes | bytearray, settings: Settings) -> list[BatchRequest]:
    """Decode the requests of a create call.

    :raises Refusal: 400, if the whole call must be refused.
    """
    try:
        requests = _DECODER.decode(body)
    # The fast decoder reports only that the shape is wrong; the slow path finds the words of the service.
    except msgspec.ValidationError:
        raise _invalid_body(body) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"The request body is not valid JSON: {error}") from None
    _check_length(len(requests.requests), settings)
    _check_each(requests.requests)
    return requests.requests


def _check_length(length: int, settings: Settings) -> None:
    if length == 0:
        raise Refusal(400, "requests: List should have at least 1 item after validation, not 0")
    if length > settings.max_requests:
        raise Refusal(
            400, f"requests: List should have at most {settings.max_requests} items after validation, not {length}"
        )


def _check_each(requests: list[BatchRequest]) -> None:
    seen: set[str] = set()
    for index, request in enumerate(requests):
        custom_id = request.custom_id
        if _CUSTOM_ID.fullmatch(custom_id) is None:
            raise Refusal(400, f"requests.{index}.custom_id: {_custom_id_fault(custom_id)}")
        if memoryview(request.params)[0] != _BRACE:
            raise Refusal(400, f"requests.{index}.params: Input should be a valid dictionary")
        if custom_id in seen:
            raise Refusal(
                400, f"requests: custom_id's must be unique within a batch. Duplicate custom_id found: {custom_id}"
            )
        seen.add(custom_id)


def _custom_id_fault(custom_id: str) -> str:
    if len(custom_id) > 64:
        return "String should have at most 64 characters"
    return f"String should match pattern '{CUSTOM_ID_PATTERN}'"


def _invalid_body(body: bytes | bytearray) -> Refusal:
    """Return the service's refusal of a body that is JSON of another shape."""
    value = msgspec.json.decode(body)
    if not isinstance(value, dict):
        return Refusal(400, "Input should be a valid dictionary")
    for name in value:
        if name != "requests":
            return Refusal(400, f"{name}: Extra inputs are not permitted")
    if "requests" not in value:
        return Refusal(400, "requests: Field required")
    if not isinstance(value["requests"], list):
        return Refusal(400, "requests: Input should be a valid list")
    for index, request in enumerate(value["requests"]):
        if fault := _invalid_request(request):
            return Refusal(400, f"requests.{index}{fault}")
    return Refusal(400, "requests: Input is invalid")


def _invalid_request(request: Any) -> str | None:
    if not isinstance(request, dict):
        return ": Input should be a valid dictionary"
    for name in ("custom_id", "params"):
        if name not in request:
            return f".{name}: Field required"
    if not isinstance(request["custom_id"], str):
        return ".custom_id: Input should be a valid string"
    for name in request:
        if name not in ("custom_id", "params"):
            return f".{name}: Extra inputs are not permitted"
    return None
