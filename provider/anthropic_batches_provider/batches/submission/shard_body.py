"""The body of one POST: it starts and ends within its bounds, or stops incomplete."""

from __future__ import annotations

from collections.abc import Iterator

from anthropic_batches_provider.batches.clock import Clock, Stopwatch
from anthropic_batches_provider.batches.ledger import JobFolder, ShardRecord
from anthropic_batches_provider.batches.sharding import body_chunks
from anthropic_batches_provider.batches.submission.settlement_rules import SubmissionBounds
from anthropic_batches_provider.errors import ApiError, CorruptLedgerError


class ShardPost:
    """A shard's file as a request body, read again at each iteration.

    Create it before the intent is written: its time counts from there. A process that was paused for long (a zombie)
    then cannot post after others have stopped expecting it.
    """

    def __init__(self, job: JobFolder, shard: ShardRecord, *, clock: Clock, bounds: SubmissionBounds) -> None:
        self._job = job
        self._shard = shard
        self._clock = clock
        self._bounds = bounds
        self._since_intent = Stopwatch(clock)

    def check_readable(self) -> None:
        """Check that the file exists, before an intent is spent on it.

        :raises CorruptLedgerError: the file is missing.
        """
        try:
            with self._job.storage.open(self._path) as lines:
                lines.read(1)
        except FileNotFoundError as error:
            raise CorruptLedgerError(
                f"{self._job.storage.uri}/{self._path}, which holds the requests of shard {self._shard.shard}, is "
                "missing. Restore the file; or, if it is lost, request a new job with edition=, which pays for all "
                "rows again. Nothing was sent."
            ) from error

    @property
    def _path(self) -> str:
        return f"{self._job.path}/{self._shard.requests_file}"

    @property
    def may_start(self) -> bool:
        """Whether the POST may still start, so long after its intent."""
        return self._since_intent.at_most() <= self._bounds.start_within

    def __iter__(self) -> Iterator[bytes]:
        since_start = Stopwatch(self._clock)
        if not self.may_start:
            raise ApiError(f"The POST of shard {self._shard.shard} did not start in time and was not sent.")
        with self._job.storage.open(self._path) as lines:
            for chunk in body_chunks(lines):
                if since_start.at_most() > self._bounds.post_deadline:
                    raise ApiError(f"The POST of shard {self._shard.shard} took too long and was stopped.")
                yield chunk
