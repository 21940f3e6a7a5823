"""The results of one batch on the local disk, found by row without holding one of them in memory.

Invariants: a spool is whole (as many lines as the batch has requests) or it is not handed out; of two answers to one
request the first counts; what broke off is fetched again from its start.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from anthropic_batches_provider.batches.limits import RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.results.decode import decode_custom_id, unexpected_line
from anthropic_batches_provider.batches.results.lines import split_lines
from anthropic_batches_provider.batches.results.source import ResultsSource
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    BatchNotFoundError,
    ResultsStreamError,
    ResultsUnavailableError,
)

PAUSES_SECONDS = (2.0, 10.0, 30.0)

_BUFFER_BYTES = 1 << 20
_ABSENT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRows:
    """The rows that a batch must answer; their custom_ids are the prefix and the row's number.

    :param custom_id_prefix: of all of them, e.g. ``{job nonce}-{shard}-``.
    :param rows: their numbers in the whole input, ascending: a range, or an array in a further round.
    """

    custom_id_prefix: str
    rows: Sequence[int]

    def position(self, custom_id: str) -> int | None:
        """Return which of the rows a custom_id names, from 0; None if it names none."""
        if not custom_id.startswith(self.custom_id_prefix):
            return None
        number = custom_id[len(self.custom_id_prefix) :]
        if not (number.isascii() and number.isdigit()):
            return None
        return self.position_of_row(int(number))

    def position_of_row(self, row: int) -> int | None:
        """Return which of the rows has a number, from 0; None if none has."""
        if isinstance(self.rows, range):
            return row - self.rows.start if row in self.rows else None
        position = bisect_left(self.rows, row)
        return position if position < len(self.rows) and self.rows[position] == row else None

    def custom_id(self, position: int) -> str:
        """Return the custom_id of a row, from its position."""
        return f"{self.custom_id_prefix}{self.rows[position]}"


class SpooledResults:
    """A whole set of results in a file; 16 bytes of memory per row.

    :param file: open for reading; one result a line.
    :param expected: positions are those of the expected rows; without, they are the order in which results came.
    """

    def __init__(self, file: BinaryIO, expected: ExpectedRows | None) -> None:
        self._file = file
        self._expected = expected
        requests = len(expected.rows) if expected else 0
        self._offsets = array("q", [_ABSENT]) * requests
        self._lengths = array("q", [0]) * requests
        self._end = 0
        self.lines = 0
        self.foreign = 0
        self.duplicates = 0

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, position: int) -> bytes | None:
        """Return the result at a position, as it came; None if there is none."""
        offset = self._offsets[position]
        if offset == _ABSENT:
            return None
        return os.pread(self._file.fileno(), self._lengths[position], offset)

    def line_number(self, position: int) -> int:
        """Return the number of a result's line in the stream, from 1; reads the file up to there."""
        self._file.seek(0)
        return 1 + self._file.read(self._offsets[position]).count(b"\n")

    def take(self, line: bytes, custom_id: str) -> None:
        """Add the next line of the stream."""
        self._file.write(line + b"\n")
        self._place(custom_id, len(line))
        self._end += len(line) + 1
        self.lines += 1

    def _place(self, custom_id: str, length: int) -> None:
        if self._expected is None:
            self._offsets.append(self._end)
            self._lengths.append(length)
            return
        position = self._expected.position(custom_id)
        if position is None:
            self.foreign += 1
        elif self._offsets[position] != _ABSENT:
            self.duplicates += 1
        else:
            self._offsets[position] = self._end
            self._lengths[position] = length


@contextmanager
def spooled_results(
    source: ResultsSource,
    batch: MessageBatch,
    path: Path,
    *,
    expected: ExpectedRows | None,
    sleep: Callable[[float], None],
) -> Iterator[SpooledResults]:
    """Fetch the results of a batch that has ended to a file, and remove the file afterwards.

    A stream that breaks off or ends too soon is fetched again, after pauses of 2, 10 and 30 seconds.

    :param path: where the file shall be.
    :param expected: the rows it must answer; None for a batch that something else submitted.
    :param sleep: waits a number of seconds.
    :raises ResultsStreamError: it broke off each time.
    :raises ResultsUnavailableError: there are no results any more.
    :raises UnexpectedAnswerError: what came is not results.
    """
    if batch.archived_at is not None:
        raise _unavailable(batch, f"were archived at {batch.archived_at.to_iso8601_string()}")
    try:
        with path.open("w+b", buffering=_BUFFER_BYTES) as file:
            yield _fetch(source, batch, file, expected, sleep)
    finally:
        path.unlink(missing_ok=True)


def _fetch(
    source: ResultsSource,
    batch: MessageBatch,
    file: BinaryIO,
    expected: ExpectedRows | None,
    sleep: Callable[[float], None],
) -> SpooledResults:
    for pause in (*PAUSES_SECONDS, None):
        try:
            return _fetch_once(source, batch, file, expected)
        except BatchNotFoundError as error:
            raise _unavailable(batch, f"are not to be had ({error})") from error
        except (ResultsStreamError, ApiConnectionError) as error:
            if pause is None:
                raise ResultsStreamError(
                    f"The results of batch {batch.id} ({batch.request_counts.total:,} requests) broke off "
                    f"{len(PAUSES_SECONDS) + 1} times, lastly: {error}. Nothing was published. The results stay at "
                    f"Anthropic until {_last_day(batch)}; a retry fetches them again, and nothing is paid again. If it "
                    "happens every time, look for a proxy or a time-out between Airflow and the API.",
                    request_id=error.request_id,
                ) from error
            sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _fetch_once(
    source: ResultsSource, batch: MessageBatch, file: BinaryIO, expected: ExpectedRows | None
) -> SpooledResults:
    file.seek(0)
    file.truncate()
    spooled = SpooledResults(file, expected)
    with source.results(batch.id) as chunks:
        lines = split_lines(chunks)
        for line in lines:
            try:
                custom_id = decode_custom_id(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                number = spooled.lines + 1
                if line.lstrip().startswith(b"{") and next(lines, None) is None:
                    raise ResultsStreamError(
                        f"line {number:,} is the last and is cut; it begins {line[:200]!r}"
                    ) from error
                raise unexpected_line(line, error, batch_id=batch.id, line_number=number) from error
            spooled.take(line, custom_id)
    _check_whole(spooled, batch, expected)
    file.flush()
    return spooled


def _check_whole(spooled: SpooledResults, batch: MessageBatch, expected: ExpectedRows | None) -> None:
    requests = batch.request_counts.total
    # Of rows we know, a line too many is a duplicate or foreign: counted, and no reason to give up the others.
    if spooled.lines < requests or (expected is None and spooled.lines > requests):
        raise ResultsStreamError(f"{spooled.lines:,} results came for {requests:,} requests")


def _last_day(batch: MessageBatch) -> str:
    return (batch.created_at + RESULTS_AVAILABLE_FOR).to_date_string()


def _unavailable(batch: MessageBatch, what: str) -> ResultsUnavailableError:
    return ResultsUnavailableError(
        f"The results of batch {batch.id} (created {batch.created_at.to_iso8601_string()}, ended) {what}. Likely "
        f"causes: they are older than 29 days after creation (available until {_last_day(batch)}); the batch was "
        "deleted; the workspace's settings disable the download of results; the connection's key belongs to another "
        "workspace. Nothing was published and nothing is billed by asking. Compare the connection with the one that "
        "submitted, and look the batch up in the Claude Console; if the results are gone for good, only submitting the "
        "rows again, and paying for them again, brings answers."
    )
