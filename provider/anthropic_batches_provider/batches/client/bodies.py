"""Create-call bodies made from ready requests, and decoded lines of results, for callers that hold no shard files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import msgspec

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.limits import CUSTOM_ID_PATTERN, MAX_BYTES_PER_BATCH, MAX_REQUESTS_PER_BATCH
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.results.decode import UNREADABLE
from anthropic_batches_provider.batches.results.unreadable import custom_id_of, is_complete
from anthropic_batches_provider.batches.undecodable import UNDECODABLE, check_nesting
from anthropic_batches_provider.errors import EmptyInputError, InvalidRowError, ResultsStreamError

_HEAD = b'{"requests":['
_TAIL = b"]}"
_CHUNK_BYTES = 1 << 20


class SpooledBody:
    """The body of one create call in a temporary file; iterating reads it from the start.

    :param file: at any position.
    :param content_length: bytes of the whole body.
    :param requests: number of requests.
    """

    def __init__(self, file: IO[bytes], *, content_length: int, requests: int) -> None:
        self._file = file
        self.content_length = content_length
        self.requests = requests

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            yield chunk


@contextmanager
def spooled_body(requests: Iterable[Mapping[str, Any]]) -> Iterator[SpooledBody]:
    """Check requests and write them to a temporary file, one at a time.

    :param requests: ``{"custom_id": str, "params": {…}}``; other keys are refused.
    :raises EmptyInputError: there are no requests.
    :raises InvalidRowError: a request cannot be sent (custom_id missing, malformed or used twice; params not JSON),
        or it makes the body exceed 100,000 requests or 256,000,000 bytes.
    """
    with tempfile.TemporaryFile() as file:
        seen: set[str] = set()
        size = file.write(_HEAD)
        for number, request in enumerate(requests):
            if number == MAX_REQUESTS_PER_BATCH:
                raise InvalidRowError(
                    f"There are more than {counted(MAX_REQUESTS_PER_BATCH, 'request')}. "
                    "Split them into several batches.",
                    row_number=number,
                )
            encoded = _encoded(request, number, seen)
            size += file.write(encoded if number == 0 else b"," + encoded)
            if size + len(_TAIL) > MAX_BYTES_PER_BATCH:
                raise InvalidRowError(
                    f"Request {number} makes the body exceed {MAX_BYTES_PER_BATCH:,} bytes. "
                    "Split the requests into several batches.",
                    row_number=number,
                )
        if not seen:
            raise EmptyInputError("There are no requests. Give at least one: the API refuses an empty batch.")
        size += file.write(_TAIL)
        yield SpooledBody(file, content_length=size, requests=len(seen))


def decoded_results(chunks: Iterable[bytes], batch: MessageBatch) -> Iterator[dict[str, Any]]:
    """Decode a batch's results one by one, and check at the end that all of them arrived.

    A line that cannot be decoded, but names its request, is yielded as a result of type ``unreadable`` with the whole
    ``line`` as text.

    :raises ResultsStreamError: a line is not a result, or there are fewer or more lines than the batch has requests.
    """
    count = 0
    decoder = msgspec.json.Decoder(dict[str, Any])
    for line in split_lines(chunks):
        try:
            check_nesting(line)
            result = decoder.decode(line)
        except UNDECODABLE as error:
            standing_in = _unreadable(line)
            if standing_in is None:
                raise ResultsStreamError(
                    f"Line {count + 1} of the results of message batch {batch.id} is not a result ({error}). "
                    "Download the results again; the batch and its results are untouched."
                ) from error
            result = standing_in
        count += 1
        yield result
    if count != batch.request_counts.total:
        raise ResultsStreamError(
            f"The results of message batch {batch.id} have {counted(count, 'line')}, but the batch holds "
            f"{counted(batch.request_counts.total, 'request')}. Download the results again. The results read so far "
            "are incomplete; the batch and its results are untouched."
        )


def _unreadable(line: bytes) -> dict[str, Any] | None:
    """Return what stands for a result that cannot be decoded; None for a line that names no request, or is cut."""
    custom_id = custom_id_of(line) if is_complete(line) else None
    if custom_id is None:
        return None
    return {"custom_id": custom_id, "result": {"type": UNREADABLE, "line": line.decode("utf-8", "replace")}}


def _encoded(request: Any, number: int, seen: set[str]) -> bytes:
    if not isinstance(request, Mapping) or set(request) != {"custom_id", "params"}:
        keys = ", ".join(map(str, request)) if isinstance(request, Mapping) else type(request).__name__
        raise InvalidRowError(
            f'Request {number} must be {{"custom_id": …, "params": {{…}}}}; got {keys}.', row_number=number
        )
    custom_id, params = request["custom_id"], request["params"]
    if not isinstance(custom_id, str) or not CUSTOM_ID_PATTERN.match(custom_id):
        raise InvalidRowError(
            f"Request {number}: custom_id {custom_id!r} must be 1 to 64 letters, digits, hyphens or underscores.",
            row_number=number,
        )
    if custom_id in seen:
        raise InvalidRowError(
            f"Request {number}: custom_id {custom_id!r} is already used by an earlier request; it must be unique.",
            row_number=number,
        )
    seen.add(custom_id)
    if not isinstance(params, Mapping):
        raise InvalidRowError(f"Request {number}: params must be an object.", row_number=number)
    try:
        encoded = msgspec.json.encode({"custom_id": custom_id, "params": params})
        if b"null" in encoded:  # msgspec writes null for NaN, too
            json.dumps(params, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRowError(
            f"Request {number} ({custom_id}) cannot be written as JSON: {error}. Correct its params.", row_number=number
        ) from error
    return encoded
