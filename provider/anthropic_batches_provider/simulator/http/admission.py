"""Admits a call: reads and decodes its whole body, and identifies the caller and the version of the API."""

from __future__ import annotations

import asyncio
import zlib

from starlette.requests import Request

from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.service_settings import ANY_WORKSPACE, VERSIONS
from anthropic_batches_provider.simulator.service.simulated_batch import Origin


async def read_body(request: Request, simulator: Simulator) -> bytearray:
    """Read the whole body and decode it.

    A body that is too large is read to its end without being kept, so that the client receives the refusal.

    :raises Refusal: 413, or 400 for an unsupported or invalid encoding.
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
        # One byte above the limit is enough to refuse; a bomb is not inflated further.
        decoded = bytearray(inflater.decompress(body, limit + 1))
    except zlib.error as error:
        raise Refusal(
            400, f"The request body is not valid gzip: {error}", error_code="request_body_encoding_invalid"
        ) from None
    if len(decoded) > limit:
        raise Refusal(413, error_code="request_body_too_large_after_decoding")
    return decoded


def admit(request: Request, simulator: Simulator) -> Origin:
    """Identify the caller and the version of the API.

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
