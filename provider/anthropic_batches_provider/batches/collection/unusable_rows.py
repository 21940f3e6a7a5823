"""Rows without a usable result or answer, kept in the job folder together with their requests, to send them again.

The files hold prompts. Each collection replaces the files of the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import CorruptLedgerError

_READ_BYTES = 1 << 20


class UnusableReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a row has no answer that can be used.

    :param row: its number in the whole input, from 0.
    :param result_type: of the latest round that sent it: ``errored``, ``canceled``, ``expired``, ``missing`` or
        ``unreadable``; ``succeeded`` if that brought an answer that does not fit.
    :param error_type: the error type of an errored result, e.g. ``overloaded_error``.
    :param verdicts: of its answers so far, in order; none if its latest result leaves open whether it was billed.
    :param round: the latest round that sent it, from 1.
    :param turns: the messages that a request adds to the row's own to go on from its latest answer; none if it would
        begin anew.
    :param had_turns: whether its latest request had just these turns.
    """

    row: int
    result_type: str
    error_type: str | None
    verdicts: tuple[str, ...] = ()
    round: int = 1
    turns: tuple[msgspec.Raw, ...] = ()
    had_turns: bool = False


class UnusableRow(UnusableReason, frozen=True, kw_only=True, omit_defaults=True):
    """A row that has no answer that can be used, with its request.

    :param params: the Messages params, as they were first sent.
    """

    params: msgspec.Raw


class _Request(msgspec.Struct, frozen=True):
    custom_id: str
    params: msgspec.Raw


_DECODE_ROW = msgspec.json.Decoder(UnusableRow)
_DECODE_REASON = msgspec.json.Decoder(UnusableReason)
_DECODE_REQUEST = msgspec.json.Decoder(_Request)


def read_unusable_rows(job: JobFolder, file: str) -> Iterator[UnusableRow]:
    """Yield the rows of a file that a collection has kept, in order.

    :param file: its path in the job folder.
    :raises CorruptLedgerError: the file is missing or broken.
    """
    try:
        for line in job.lines_of(file):
            yield _DECODE_ROW.decode(line)
    except (FileNotFoundError, *UNDECODABLE) as error:
        raise CorruptLedgerError(
            f"{job.uri}/{file} is missing or broken ({error}), so rows without a usable result cannot be sent again. "
            "Restore the file, or ask for only those rows in a new edition with rows= of their own. Nothing was sent."
        ) from error


def write_unusable_rows(
    job: JobFolder, reasons: Path, target: Path, *, requests_file: str, kept_file: Callable[[], str | None]
) -> int:
    """Write the rows of a shard that have no answer that can be used, with their requests.

    :param reasons: local file of :class:`UnusableReason`, JSON Lines in row order.
    :param target: local file to write.
    :param requests_file: the shard's requests, in the job folder.
    :param kept_file: returns the file that the latest collection kept for this shard, if the requests file is gone.
    :returns: how many rows could not be written, because their requests are gone.
    """
    requests = _requests_of(job, requests_file, kept_file)
    gone = 0
    with reasons.open("rb") as lines, target.open("wb", buffering=_READ_BYTES) as file:
        row, params = next(requests, (None, None))
        for reason in (_DECODE_REASON.decode(line) for line in _split(lines)):
            while row is not None and row < reason.row:
                row, params = next(requests, (None, None))
            if row == reason.row and params is not None:
                file.write(msgspec.json.encode(_with_params(reason, params)) + b"\n")
            else:
                gone += 1
    return gone


def _with_params(reason: UnusableReason, params: msgspec.Raw) -> UnusableRow:
    return UnusableRow(**msgspec.structs.asdict(reason), params=params)


def _requests_of(
    job: JobFolder, requests_file: str, kept_file: Callable[[], str | None]
) -> Iterator[tuple[int, msgspec.Raw]]:
    try:
        for line in job.lines_of(requests_file):
            request = _DECODE_REQUEST.decode(line)
            yield int(request.custom_id.rpartition("-")[2]), request.params
    except FileNotFoundError:
        kept = kept_file()
        if kept is not None:
            yield from ((row.row, row.params) for row in read_unusable_rows(job, kept))


def _split(lines: BinaryIO) -> Iterator[bytes]:
    return split_lines(iter(lambda: lines.read(_READ_BYTES), b""))
