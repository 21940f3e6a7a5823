"""Fetches the results of one batch to the local disk.

Invariants: a spool is returned only if it is whole (as many lines as the batch has requests); of two answers to one
request the first counts; a stream that broke off is fetched again from its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import msgspec

from anthropic_batches_provider.batches.byte_lines import grouped_lines
from anthropic_batches_provider.batches.limits import RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.results.decode import decode_custom_id, unexpected_line
from anthropic_batches_provider.batches.results.expected import ExpectedRows
from anthropic_batches_provider.batches.results.spool import SpooledResults, UnreadableLineError
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    BatchNotFoundError,
    ResultsStreamError,
    ResultsUnavailableError,
)

PAUSES_SECONDS = (2.0, 10.0, 30.0)

_BUFFER_BYTES = 1 << 20
_BEGINNING_BYTES = 200


@contextmanager
def spooled_results(
    source: ResultsSource,
    batch: MessageBatch,
    path: Path,
    *,
    expected: ExpectedRows | None,
    sleep: Callable[[float], None],
) -> Iterator[SpooledResults]:
    """Fetch the results of an ended batch into a file, and remove the file afterwards.

    A stream that breaks off or ends too soon is fetched again, after pauses of 2, 10 and 30 seconds.

    :param path: path of the file.
    :param expected: the rows that the batch must answer; None for a batch that no job submitted.
    :param sleep: waits a number of seconds.
    :raises ResultsStreamError: the stream broke off each time.
    :raises ResultsUnavailableError: the results are no longer available.
    :raises UnexpectedAnswerError: the answer is not a stream of results.
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
            raise _unavailable(batch, f"are not available ({error})") from error
        except (ResultsStreamError, ApiConnectionError) as error:
            if pause is None:
                raise ResultsStreamError(
                    f"The results of batch {batch.id} ({counted(batch.request_counts.total, 'request')}) broke off "
                    f"{len(PAUSES_SECONDS) + 1} times, most recently: {error}. Retry the task: a retry fetches the "
                    "results again, and nothing is paid again. If it happens every time, check for a proxy or a "
                    "timeout between Airflow and the API. Nothing was published. The results stay at Anthropic until "
                    f"{_last_day(batch)}.",
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
        groups = grouped_lines(chunks)
        for lines in groups:
            try:
                spooled.take(lines)
            except UnreadableLineError as error:
                after = chain(lines[lines.index(error.line) + 1 :], chain.from_iterable(groups))
                if error.line.lstrip().startswith(b"{") and all(map(bytes.isspace, after)):
                    raise _cut(error.line, spooled.lines + 1) from error
                number = spooled.lines + 1
                raise unexpected_line(error.line, error.problem, batch_id=batch.id, line_number=number) from error
    _check_last_line(spooled)
    _check_whole(spooled, batch, expected)
    file.flush()
    return spooled


def _check_last_line(spooled: SpooledResults) -> None:
    try:
        if spooled.lines:
            decode_custom_id(spooled.last_line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _cut(spooled.last_line, spooled.lines) from error


def _cut(line: bytes, number: int) -> ResultsStreamError:
    return ResultsStreamError(f"line {number:,} is the last and is cut off; it begins with {line[:_BEGINNING_BYTES]!r}")


def _check_whole(spooled: SpooledResults, batch: MessageBatch, expected: ExpectedRows | None) -> None:
    requests = batch.request_counts.total
    # Where the rows are known, an extra line is a duplicate or foreign: it is counted, and the others are kept.
    if spooled.lines < requests or (expected is None and spooled.lines > requests):
        raise ResultsStreamError(f"{counted(spooled.lines, 'result')} arrived for {counted(requests, 'request')}")


def _last_day(batch: MessageBatch) -> str:
    return (batch.created_at + RESULTS_AVAILABLE_FOR).to_date_string()


def _unavailable(batch: MessageBatch, what: str) -> ResultsUnavailableError:
    return ResultsUnavailableError(
        f"The results of the ended batch {batch.id} (created {batch.created_at.to_iso8601_string()}) {what}. Compare "
        "the connection with the one that submitted the batch, and look the batch up in the Claude Console. More than "
        f"29 days may have passed since its creation: results were available until {_last_day(batch)}. Or the batch "
        "was deleted, the workspace's settings disable the download of results, or the connection's key belongs to "
        "another workspace. If the results are gone permanently, you can only submit the "
        "rows again, and pay for them again. Nothing was published, and nothing is billed by asking."
    )
