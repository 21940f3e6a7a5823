"""Cuts prepared requests into shards: files that hold the body of one create call each.

Invariants: a shard never exceeds the API's limits of requests and bytes, counted exactly as they will be sent. Its file
is written once. A custom_id is ``{job nonce}-{shard}-{row}``, so the first result of a batch proves that it is ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row
from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH, MAX_REQUESTS_PER_BATCH
from anthropic_batches_provider.errors import InvalidRowError

_HEAD = b'{"requests":['
_TAIL = b"]}"
_SHORTEST_BODY = len(_HEAD) + len(_TAIL) - 1  # the last request has no comma
_AROUND_REQUEST = len('{"custom_id":"","params":},')
_MOST_AROUND_PARAMS = 41 + 64  # the rest of a body with one request, and its custom_id
_READ_BYTES = 1 << 18  # fits into the processor's cache: takes a third less time than 1 MiB
_BUFFER_BYTES = 1 << 20


class Prepared(Protocol):
    """A row that is ready to be sent; see ``rows.PreparedRow``."""

    @property
    def number(self) -> int:
        """Position of the row in the input, from 0."""

    @property
    def columns(self) -> bytes:
        """JSON object of the key and kept columns."""

    @property
    def params(self) -> bytes:
        """JSON object of the Messages params."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLimits:
    """How large a shard may become.

    :param max_requests: the maximum number of requests, 1 to 100,000.
    :param max_bytes: the maximum bytes of the whole body, up to 256,000,000.
    """

    max_requests: int = MAX_REQUESTS_PER_BATCH
    max_bytes: int = MAX_BYTES_PER_BATCH

    def __post_init__(self) -> None:
        if not 1 <= self.max_requests <= MAX_REQUESTS_PER_BATCH:
            raise ValueError(f"max_requests must be 1 to {MAX_REQUESTS_PER_BATCH:,}, not {self.max_requests!r}")
        if not 1 <= self.max_bytes <= MAX_BYTES_PER_BATCH:
            raise ValueError(f"max_bytes must be 1 to {MAX_BYTES_PER_BATCH:,}, not {self.max_bytes!r}")

    def requests_in(self, shard: int, nonce: str) -> int:
        """Return how many requests this shard may take: up to 1.5% fewer than allowed, pseudo-random by job and shard.

        Batches carry no name that a list call would show. With slightly different sizes, two batches of one account
        rarely have equal counts, so that a lost answer is settled sooner.
        """
        spread = self.max_requests // 64
        digest = hashlib.blake2b(f"{nonce}/{shard}".encode(), digest_size=8).digest()
        return self.max_requests - int.from_bytes(digest, "big") % (spread + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A finished shard: two local files with one line per request.

    :param number: its number in the job, from 0.
    :param requests: number of requests.
    :param invalid_rows: number of rows without a request.
    :param piloted_rows: number of rows whose request a pilot or a primer sends.
    :param first_row: number of its first row.
    :param body_bytes: length of the body that sends it.
    :param requests_path: its requests, JSON Lines.
    :param rows_path: its rows' key and kept columns, JSON Lines: one line for each request and each invalid row.
    """

    number: int
    requests: int
    invalid_rows: int
    first_row: int
    body_bytes: int
    requests_path: Path
    rows_path: Path
    piloted_rows: int = 0


def body_bytes_of(requests_file_bytes: int) -> int:
    """Return the length of the body that a file of requests makes."""
    return _SHORTEST_BODY + requests_file_bytes


def fits_alone(params_bytes: int, limits: ShardLimits) -> bool:
    """Return whether params of so many bytes certainly fit into a shard of their own."""
    return params_bytes + _MOST_AROUND_PARAMS <= limits.max_bytes


def request_line_bytes(nonce: str, shard: int, row: int, params_bytes: int) -> int:
    """Return by how many bytes a request makes the body longer."""
    return len(custom_id(nonce, shard, row)) + params_bytes + _AROUND_REQUEST


def custom_id(nonce: str, shard: int, row: int) -> str:
    """Return the ``custom_id`` of a row: letters, digits and ``-``, fewer than 64 characters."""
    return f"{nonce}-{shard}-{row}"


def custom_id_prefix(nonce: str, shard: int) -> str:
    """Return the common beginning of the custom_ids of a shard's rows."""
    return f"{nonce}-{shard}-"


class _Request(msgspec.Struct, frozen=True):
    custom_id: str
    params: msgspec.Raw


_DECODE_REQUEST = msgspec.json.Decoder(_Request).decode


def read_request(line: bytes) -> tuple[int, msgspec.Raw]:
    """Return the number of the row, and the params, of a line of a shard's requests file."""
    request = _DECODE_REQUEST(line)
    return int(request.custom_id.rpartition("-")[2]), request.params


def cut_shards(
    rows: Iterable[Prepared | InvalidRow],
    *,
    nonce: str,
    limits: ShardLimits,
    folder: Path,
    first_shard: int = 0,
    on_invalid: Callable[[InvalidRow], None] | None = None,
    is_primed: bool = False,
) -> Iterator[Shard]:
    """Write requests to shard files, and yield each shard as soon as it is complete.

    An invalid row belongs to the shard of the request before it. If all rows are invalid, there is no shard.

    :param rows: the rows in input order.
    :param nonce: the job's nonce.
    :param folder: local folder for the files; the caller removes them.
    :param on_invalid: called with each row that has no request, and with those whose request alone is longer than
        ``limits.max_bytes``; None if such a row is an error.
    :param is_primed: whether every other shard, beginning with the first, has one request alone: it primes the prompt
        cache for the next.
    :raises InvalidRowError: a row is too long, and ``on_invalid`` is None.
    """
    pending = iter(rows)
    row = next(pending, None)
    for number in count(first_shard):
        if row is None:
            return
        is_primer = is_primed and (number - first_shard) % 2 == 0
        most = 1 if is_primer else limits.requests_in(number, nonce)
        writer = _ShardWriter(number, nonce, folder, on_invalid, max_requests=most, max_bytes=limits.max_bytes)
        try:
            row = writer.fill(row, pending)
        finally:
            writer.close()
        shard = writer.shard()
        if not shard.requests:  # there are only invalid rows
            shard.requests_path.unlink()
            shard.rows_path.unlink()
            return
        yield shard


class _ShardWriter:
    def __init__(
        self,
        number: int,
        nonce: str,
        folder: Path,
        on_invalid: Callable[[InvalidRow], None] | None,
        *,
        max_requests: int,
        max_bytes: int,
    ) -> None:
        self._number = number
        self._on_invalid = on_invalid
        self._id_prefix = f'{{"custom_id":"{custom_id_prefix(nonce, number)}'.encode()
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests_path = folder / f"requests-{number:05d}.jsonl"
        self._rows_path = folder / f"rows-{number:05d}.jsonl"
        self._requests: BinaryIO = self._requests_path.open("wb", buffering=_BUFFER_BYTES)
        self._rows: BinaryIO = self._rows_path.open("wb", buffering=_BUFFER_BYTES)
        self._count = 0
        self._invalid_rows = 0
        self._first_row = 0
        self._body_bytes = 0

    def fill(
        self, first: Prepared | InvalidRow, others: Iterator[Prepared | InvalidRow]
    ) -> Prepared | InvalidRow | None:
        """Write rows until the shard is full; return the first row that does not fit, or None after the last row."""
        row: Prepared | InvalidRow | None
        id_prefix, max_requests, max_bytes = self._id_prefix, self._max_requests, self._max_bytes
        write_request, write_row = self._requests.write, self._rows.write
        requests, body_bytes = 0, _SHORTEST_BODY
        for row in chain((first,), others):
            if isinstance(row, InvalidRow):
                self._add_invalid(row)
                continue
            line = b'%b%d","params":%b}\n' % (id_prefix, row.number, row.params)
            size = body_bytes + len(line)
            if size > max_bytes:
                if _SHORTEST_BODY + len(line) <= max_bytes:
                    break
                self._add_too_long(row, _SHORTEST_BODY + len(line))
                continue
            if requests >= max_requests:
                break
            write_request(line)
            write_row(b"%b\n" % row.columns)
            requests += 1
            body_bytes = size
        else:
            row = None
        self._count, self._first_row, self._body_bytes = requests, first.number, body_bytes
        return row

    def _add_too_long(self, row: Prepared, size: int) -> None:
        error = _too_long(row, size, self._max_bytes)
        if self._on_invalid is None:
            raise error
        self._add_invalid(invalid_row(row.number, error, row.columns))

    def _add_invalid(self, row: InvalidRow) -> None:
        if self._on_invalid is not None:
            self._on_invalid(row)
        self._rows.write(b"%b\n" % row.line())
        self._invalid_rows += 1

    def close(self) -> None:
        self._requests.close()
        self._rows.close()

    def shard(self) -> Shard:
        return Shard(
            number=self._number,
            requests=self._count,
            invalid_rows=self._invalid_rows,
            first_row=self._first_row,
            body_bytes=self._body_bytes,
            requests_path=self._requests_path,
            rows_path=self._rows_path,
        )


def _too_long(row: Prepared, size: int, max_bytes: int) -> InvalidRowError:
    is_lowered = max_bytes < MAX_BYTES_PER_BATCH
    way = "Raise max_bytes_per_shard=" if is_lowered else "Send it on its own through the Messages API"
    return InvalidRowError(
        f"Row {row.number} (the first is 0) is too long: its request alone makes a body of {size:,} bytes, but a "
        f"batch may have at most {max_bytes:,}. {way}, or shorten the row.",
        row_number=row.number,
    )


def body_chunks(lines: BinaryIO) -> Iterator[bytes]:
    """Yield the body of a create call from a shard's requests file, in constant memory.

    A line holds no raw line feed except the one that ends it, so one replacement joins the lines.

    :param lines: the requests file, open at its beginning.
    """
    yield _HEAD
    held = lines.read(_READ_BYTES)
    while held:
        following = lines.read(_READ_BYTES)
        yield (held if following else held[:-1]).replace(b"\n", b",")
        held = following
    yield _TAIL
