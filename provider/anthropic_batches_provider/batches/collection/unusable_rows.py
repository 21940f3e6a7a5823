"""Rows without a usable result or answer, kept in the job folder together with their requests, to send them again.

The files hold prompts. Each collection replaces the files of the one before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.batches.sharding import read_request
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.errors import CorruptLedgerError

_READ_BYTES = 1 << 20


class SentRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request of a row that would bring nothing new: it was answered, or refused for good.

    :param round: that sent it, from 1.
    :param verdicts: how many answers of the row were known then.
    :param turns: what it added to the row's own messages, see :func:`digest_of_turns`.
    """

    round: int = 1
    verdicts: int = 0
    turns: str = ""


def digest_of_turns(turns: Sequence[msgspec.Raw], container: str | None) -> str:
    """Return 16 hex digits that change with what a request adds to a row's own messages; "" if that is nothing."""
    if not turns:
        return ""
    return hashlib.blake2b(msgspec.json.encode([turns, container]), digest_size=8).hexdigest()


class UnusableReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a row has no answer that can be used.

    :param row: its number in the whole input, from 0.
    :param result_type: of the latest round that sent it: ``errored``, ``canceled``, ``expired``, ``missing`` or
        ``unreadable``; ``succeeded`` if that brought an answer that does not fit.
    :param error_type: the error type of an errored result, e.g. ``overloaded_error``.
    :param verdicts: of its answers so far, in order; none if its latest result leaves open whether it was billed.
    :param sent: its requests so far, but for those whose failure may be over.
    :param turns: the messages that a request adds to the row's own to go on from its latest answer; none if it would
        begin anew.
    :param has_answer: whether it was answered all the same, by an earlier round than one that left that open.
    :param container: the container in which the latest answer was paused; None if it names none.
    """

    row: int
    result_type: str
    error_type: str | None = None
    verdicts: tuple[str, ...] = ()
    sent: tuple[SentRequest, ...] = ()
    turns: tuple[msgspec.Raw, ...] = ()
    container: str | None = None
    has_answer: bool = False


class UnusableRow(UnusableReason, frozen=True, kw_only=True, omit_defaults=True):
    """A row that has no answer that can be used, with its request.

    :param params: the Messages params, as they were first sent.
    """

    params: msgspec.Raw


_DECODE_ROW = msgspec.json.Decoder(UnusableRow)
_DECODE_REASON = msgspec.json.Decoder(UnusableReason)


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
    job: JobFolder,
    reasons: Path,
    target: Path,
    *,
    requests_files: Sequence[str],
    kept_file: Callable[[], str | None],
    keep_others: bool = False,
) -> int:
    """Write the rows of a shard that have no answer that can be used, with their requests.

    :param reasons: local file of :class:`UnusableReason`, JSON Lines in row order.
    :param target: local file to write.
    :param requests_files: the requests of the shard and of its pilots, in the job folder.
    :param kept_file: returns the file that the latest collection kept for this shard, if a file of requests is gone.
    :param keep_others: whether rows stay that were kept before and are not among the reasons now, because they fit by
        what judges here: something else may judge next.
    :returns: how many rows could not be written, because their requests are gone.
    """
    requests = _requests_of(job, requests_files, kept_file)
    gone = 0
    with reasons.open("rb") as lines, target.open("wb", buffering=_READ_BYTES) as file:

        def keep(reason: UnusableReason, params: msgspec.Raw) -> None:
            row = UnusableRow(**{name: getattr(reason, name) for name in reason.__struct_fields__}, params=params)
            file.write(msgspec.json.encode(row) + b"\n")

        request = next(requests, None)
        for reason in chain((_DECODE_REASON.decode(line) for line in _split(lines)), (None,)):
            while request is not None and (reason is None or request.row < reason.row):
                if request.stays or (keep_others and request.was_kept):
                    keep(UnusableReason(row=request.row, result_type="succeeded", verdicts=(FITS,)), request.params)
                request = next(requests, None)
            if reason is not None and request is not None and request.row == reason.row:
                keep(reason, request.params)
                request = next(requests, None)
            elif reason is not None:
                gone += 1
    return gone


class _SentParams(NamedTuple):
    """A row's params as they were first sent.

    :param was_kept: whether an earlier collection has kept them.
    :param stays: whether that did so for another judge alone.
    """

    row: int
    params: msgspec.Raw
    was_kept: bool
    stays: bool = False


def _requests_of(
    job: JobFolder, requests_files: Sequence[str], kept_file: Callable[[], str | None]
) -> Iterator[_SentParams]:
    """Yield the requests of a shard in the order of its rows."""
    try:
        yield from merge(*(_sent_in(job, file) for file in requests_files), key=lambda sent: sent.row)
    except FileNotFoundError:
        kept = kept_file()
        if kept is not None:
            for row in read_unusable_rows(job, kept):
                fits = row.verdicts == (FITS,)
                yield _SentParams(row.row, row.params, was_kept=True, stays=fits)


def _sent_in(job: JobFolder, requests_file: str) -> Iterator[_SentParams]:
    for line in job.lines_of(requests_file):
        yield _SentParams(*read_request(line), was_kept=False)


def _split(lines: BinaryIO) -> Iterator[bytes]:
    return split_lines(iter(lambda: lines.read(_READ_BYTES), b""))
