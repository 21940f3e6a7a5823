"""Fetches the results of one batch to the local disk.

Invariants: a spool is returned only if it is whole (as many lines as the batch has requests); of two answers to one
request the first counts; a stream that broke off is fetched again from its start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pendulum

from anthropic_batches_provider.batches.byte_lines import LineTooLongError, grouped_lines
from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.limits import MAX_RESULT_LINE_BYTES, RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.results.expected import ExpectedRows
from anthropic_batches_provider.batches.results.spool import NoResultError, SpooledResults
from anthropic_batches_provider.batches.results.unreadable import is_complete
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    BatchNotFoundError,
    ResultsStreamError,
    ResultsUnavailableError,
    UnexpectedAnswerError,
)

PAUSES_SECONDS = (2.0, 10.0, 30.0)
PAUSES_UNTIL_SHOWN_SECONDS = (2.0, 10.0, 30.0, 60.0, 120.0, 180.0, 200.0)
_SHOWN_AFTER_SECONDS = 900.0

_BUFFER_BYTES = 1 << 20
_LINE_FEED = b"\n"
_BEGINNING_BYTES = 200


@contextmanager
def spooled_results(
    source: ResultsSource,
    batch: MessageBatch,
    path: Path,
    *,
    expected: ExpectedRows | None,
    clock: Clock,
) -> Iterator[SpooledResults]:
    """Fetch the results of an ended batch into a file, and remove the file afterwards.

    A stream that breaks off or ends too soon is fetched again, after pauses of 2, 10 and 30 seconds. Results that the
    service does not show yet, just after the end of their batch, are waited for: ten minutes in all.

    :param path: path of the file.
    :param expected: the rows that the batch must answer; None for a batch that no job submitted.
    :param clock: pauses, and tells whether the batch has just ended.
    :raises ResultsStreamError: the stream broke off each time.
    :raises ResultsUnavailableError: the results are no longer available.
    :raises UnexpectedAnswerError: the answer is not a stream of results.
    """
    if batch.archived_at is not None:
        raise _unavailable(batch, f"were archived at {batch.archived_at.to_iso8601_string()}")
    try:
        with path.open("w+b", buffering=_BUFFER_BYTES) as file:
            yield _fetch(source, batch, file, expected, clock)
    finally:
        path.unlink(missing_ok=True)


def _fetch(
    source: ResultsSource, batch: MessageBatch, file: BinaryIO, expected: ExpectedRows | None, clock: Clock
) -> SpooledResults:
    pauses, pauses_until_shown = iter(PAUSES_SECONDS), iter(PAUSES_UNTIL_SHOWN_SECONDS)
    pause: float | None = next(pauses)
    while True:
        try:
            return _fetch_once(source, batch, file, expected, is_last=pause is None)
        except BatchNotFoundError as error:
            until_shown = next(pauses_until_shown, None) if _has_just_ended(batch, clock.now()) else None
            if until_shown is None:
                raise _unavailable(batch, f"are not available ({error})") from error
            clock.sleep(until_shown)
        except (ResultsStreamError, ApiConnectionError) as error:
            if pause is None:
                raise ResultsStreamError(
                    f"The results of batch {batch.id} ({counted(batch.request_counts.total, 'request')}) broke off "
                    f"{len(PAUSES_SECONDS) + 1} times, most recently: {error}. Retry the task: a retry fetches the "
                    "results again, and nothing is paid for again. If it happens every time, check for a proxy or a "
                    "timeout between Airflow and the API. Nothing was published. The results stay at Anthropic until "
                    f"{_last_day(batch)}.",
                    request_id=error.request_id,
                ) from error
            clock.sleep(pause)
            pause = next(pauses, None)


def _has_just_ended(batch: MessageBatch, now: pendulum.DateTime) -> bool:
    """Return whether the service may not show the results yet: not every part of it learns of an end at once."""
    return batch.ended_at is None or now < batch.ended_at.add(seconds=_SHOWN_AFTER_SECONDS)


def _fetch_once(
    source: ResultsSource, batch: MessageBatch, file: BinaryIO, expected: ExpectedRows | None, *, is_last: bool
) -> SpooledResults:
    file.seek(0)
    file.truncate()
    spooled = SpooledResults(file, expected)
    try:
        with source.results(batch.id) as chunks:
            for lines in grouped_lines(chunks, missing_end=b"", max_line_bytes=MAX_RESULT_LINE_BYTES):
                if not lines[-1].endswith(_LINE_FEED):
                    if not is_complete(lines[-1]):
                        raise _cut(lines[-1], spooled.lines + len(lines))
                    lines[-1] += _LINE_FEED
                spooled.take(lines)
    except NoResultError as error:
        raise _no_result(error.line, batch.id, spooled.lines + 1, "is not a JSON object") from None
    except LineTooLongError as error:
        bound = f"is longer than {MAX_RESULT_LINE_BYTES >> 20} MiB"
        raise _no_result(error.beginning, batch.id, spooled.lines + 1, bound) from None
    _check_whole(spooled, batch, expected, is_last=is_last)
    file.flush()
    return spooled


def _cut(line: bytes, number: int) -> ResultsStreamError:
    return ResultsStreamError(f"line {number:,} is the last and is cut off; it begins with {line[:_BEGINNING_BYTES]!r}")


def _no_result(line: bytes, batch_id: str, number: int, what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"Line {number:,} of the results of batch {batch_id} {what}; it begins with "
        f"{line[:_BEGINNING_BYTES]!r}. Check whether a proxy or gateway between Airflow and the API answered in its "
        "place. Nothing was published; the results stay at Anthropic, and collecting again costs nothing."
    )


def _check_whole(spooled: SpooledResults, batch: MessageBatch, expected: ExpectedRows | None, *, is_last: bool) -> None:
    """Judge by the requests that were sent; where no job knows them, by the counts of the batch.

    A result that is foreign or repeated may stand in the place of one that is missing, so such results are fetched
    again. If they are the same each time, the rows without an answer are missing.
    """
    requests = expected.requests if expected else batch.request_counts.total
    if spooled.lines < requests or (expected is None and spooled.lines > requests):
        raise ResultsStreamError(f"{counted(spooled.lines, 'result')} arrived for {counted(requests, 'request')}")
    if expected is not None and spooled.answered < requests and not is_last:
        raise ResultsStreamError(
            f"{counted(spooled.lines, 'result')} arrived for {counted(requests, 'request')}, but only "
            f"{spooled.answered:,} requests are answered"
        )


def _last_day(batch: MessageBatch) -> str:
    if batch.created_at is None:
        return "29 days after its creation"
    return batch.created_at.add(seconds=RESULTS_AVAILABLE_FOR.total_seconds()).to_date_string()


def _unavailable(batch: MessageBatch, what: str) -> ResultsUnavailableError:
    return ResultsUnavailableError(
        f"The results of the ended batch {batch.id} {what}. Compare "
        "the connection with the one that submitted the batch, and look the batch up in the Claude Console. More than "
        f"29 days may have passed since its creation: results were available until {_last_day(batch)}. Or the batch "
        "was deleted, the workspace's settings disable the download of results, or the connection's key belongs to "
        "another workspace. If the results are gone permanently, you can only submit the "
        "rows again, and pay for them again. Nothing was published, and nothing is billed by asking."
    )
