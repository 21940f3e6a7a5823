"""The results of an ended batch, made again for each request, one row at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.service.identifiers import make_id
from anthropic_batches_provider.simulator.service.model_answers import Served, make_message
from anthropic_batches_provider.simulator.service.outcomes import Outcome
from anthropic_batches_provider.simulator.service.prompt_caching import PromptCache, mentions_caching
from anthropic_batches_provider.simulator.service.simulated_batch import RESULT_TYPES, SUCCEEDED, MessageBatch

CHUNK_BYTES = 256 * 1024
_LEVELS = 1500  # more than Python's limit on recursion
_DEEP_LINE = (
    '{"custom_id":"{custom_id}","result":{"type":"succeeded","message":{"content":[{"type":"tool_use","input":'
    f"{'[' * _LEVELS}{']' * _LEVELS}}}]}}}}}}"
)
_UNKNOWN_ERROR = Outcome("errored", "api_error", "Internal server error")


@dataclass(frozen=True)
class ResultRow:
    """One row of the results.

    :param index: of the request in the body of the create call.
    :param result: the API's result object.
    :param has_line: whether the results contain a line for it.
    :param line: the line, where it is not made from the result.
    """

    index: int
    custom_id: str
    result: dict[str, Any]
    has_line: bool = True
    line: bytes | None = None


def result_rows(batch: MessageBatch, *, seed: int, cache: PromptCache) -> Iterator[ResultRow]:
    """Make the rows in the order of processing; equal seeds and caches give equal rows.

    :param cache: as the batch finds it; it is used up.
    """
    for index, code in zip(batch.prepared.order, batch.codes(), strict=True):
        request = batch.requests[index]
        outcome = batch.prepared.outcomes.get(index)
        if code != SUCCEEDED:
            yield ResultRow(index, request.custom_id, _unanswered(RESULT_TYPES[code], outcome))
            continue
        params = msgspec.json.decode(request.params)
        prompt = cache.charge(params, may_cache=mentions_caching(bytes(request.params)))
        served = Served(seed, make_id("msg_", seed, batch.id, request.custom_id))
        message = make_message(params, outcome, prompt, served)
        shown = outcome is None or outcome.result != "missing"
        line = _unreadable(outcome, request.custom_id) if outcome and outcome.result == "unreadable" else None
        yield ResultRow(index, request.custom_id, {"type": "succeeded", "message": message}, shown, line)


def _unreadable(outcome: Outcome, custom_id: str) -> bytes:
    line = outcome.line if outcome.line is not None else _DEEP_LINE
    return line.replace("{custom_id}", custom_id).encode()


def _unanswered(result_type: str, outcome: Outcome | None) -> dict[str, Any]:
    if result_type != "errored":
        return {"type": result_type}
    fault = outcome or _UNKNOWN_ERROR
    error = {"type": fault.error_type, "message": fault.message}
    return {"type": "errored", "error": {"type": "error", "error": error, "request_id": None}}


def result_chunks(batch: MessageBatch, *, seed: int, cache: PromptCache) -> Iterator[bytes]:
    """Encode the results as JSON Lines, in chunks of whole lines and about 256 KiB."""
    encoder = msgspec.json.Encoder()
    chunk = bytearray()
    for row in result_rows(batch, seed=seed, cache=cache):
        if row.has_line:
            chunk += row.line or encoder.encode({"custom_id": row.custom_id, "result": row.result})
            chunk += b"\n"
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


def gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Compress ``chunks`` as one gzip stream; if they break off, the part before is still flushed."""
    compressor = zlib.compressobj(level=1, wbits=31)
    try:
        for chunk in chunks:
            if compressed := compressor.compress(chunk):
                yield compressed
    except Exception:
        # A client must see the lines before the cut, as it would without compression.
        yield compressor.flush(zlib.Z_SYNC_FLUSH)
        raise
    yield compressor.flush()
