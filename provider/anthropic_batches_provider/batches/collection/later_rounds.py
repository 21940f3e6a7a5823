"""The results of further rounds, whose rows lie across the shards of the first."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anthropic_batches_provider.batches.collection.manifest import Tally
from anthropic_batches_provider.batches.collection.origin import Origin
from anthropic_batches_provider.batches.collection.work import result_at
from anthropic_batches_provider.batches.ledger import ShardRecord
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.results import ExpectedRows, Result, SpooledResults, spooled_results


class LaterShard:
    """The results of a shard of a further round, which holds rows from anywhere."""

    def __init__(self, origin: Origin, shard: ShardRecord, batch: MessageBatch) -> None:
        self._origin = origin
        self._shard = shard
        self._batch = batch
        self._expected: ExpectedRows | None = None
        self._results: SpooledResults | None = None
        self.number = shard.shard
        self.encoder = origin.encoder(batch)

    @contextmanager
    def fetched(self, spool: Path, tally: Tally) -> Iterator[None]:
        """Have its results on the local disk, for as long as the context lasts."""
        rows = array("q", (int(line) for line in self._origin.lines_of(self._shard.rows_file)))
        self._expected = self._origin.expected(self._shard, rows)
        path = spool / f"further-{self._shard.shard}"
        sleep = self._origin.settings.clock.sleep
        with spooled_results(self._origin.source, self._batch, path, expected=self._expected, sleep=sleep) as results:
            tally.foreign_results += results.foreign
            tally.duplicate_results += results.duplicates
            self._results = results
            yield

    def holds_any_of(self, rows: range) -> bool:
        """Return whether any of some consecutive rows was sent again in this shard."""
        if self._expected is None:
            raise AssertionError("a further round is read while it is fetched")
        first = bisect_left(self._expected.rows, rows.start)
        return first < len(self._expected.rows) and self._expected.rows[first] in rows

    def result_of(self, row: int) -> Result | None:
        """Return what this round brought a row; None if the row was not in it, or nothing came."""
        if self._expected is None or self._results is None:
            raise AssertionError("a further round is read while it is fetched")
        position = self._expected.position_of_row(row)
        return None if position is None else result_at(self._results, position, self._batch)
