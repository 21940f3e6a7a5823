"""The results of further rounds, whose rows are spread over the shards of the first.

Invariant: each round has only one shard open at a time, however many there are. The rows of a round ascend over all its
shards, and parts are written in the order of their rows, so each shard is fetched once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from anthropic_batches_provider.batches.collection.job_context import JobContext
from anthropic_batches_provider.batches.collection.unreadable_lines import UnreadableLines
from anthropic_batches_provider.batches.ledger import ShardRecord
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.row_sink import CountedRows
from anthropic_batches_provider.batches.results import (
    UNREADABLE,
    Result,
    SpooledResults,
    missing_result,
    spooled_results,
)
from anthropic_batches_provider.errors import ApiError, BatchOutcomeError

SentBatch = tuple[ShardRecord, MessageBatch]
"""A shard and the batch that it was sent as."""


class RoundShard:
    """A shard of a further round, with rows from anywhere in the input; its results are fetched on first use."""

    def __init__(self, context: JobContext, shard: ShardRecord, batch: MessageBatch) -> None:
        self._context = context
        self._shard = shard
        self._batch = batch
        rows = array("q", (int(line) for line in context.lines_of(shard.rows_file)))
        self._expected = context.expected(shard, rows)
        self._fetched: SpooledResults | None = None
        self._stack = ExitStack()

    def holds_any_of(self, rows: range) -> bool:
        """Return whether any row of a range was sent again in this shard."""
        first = bisect_left(self._expected.rows, rows.start)
        return first < len(self._expected.rows) and self._expected.rows[first] in rows

    def result_of(
        self, row: int, spool: Path, rows: CountedRows, unreadable: UnreadableLines
    ) -> tuple[str, Result] | None:
        """Return the batch in which this shard sent a row, and the row's result; None if it did not send the row.

        A row that was sent and got no result is missing: it may have been billed, whatever an earlier round says.

        :param rows: counts results without a row of their own, together with the shard's first row.
        :param unreadable: keeps the lines that cannot be decoded.
        """
        position = self._expected.position_of_row(row)
        if position is None:
            return None
        results = self.fetched(spool)
        if position == 0:
            rows.count_strays(self._batch.id, foreign=results.foreign, duplicates=results.duplicates)
            unreadable.keep(results.unnamed())
        result = results.decoded_at(position)
        if result is not None and result.result_type == UNREADABLE:
            unreadable.keep([results[position]])
        return self._batch.id, result or missing_result(self._expected.custom_id(position))

    def fetched(self, spool: Path) -> SpooledResults:
        """Fetch its results unless they are there; keep them on the local disk until :meth:`close`."""
        if self._fetched is None:
            path = spool / f"further-{self._shard.shard}"
            clock = self._context.settings.clock
            self._fetched = self._stack.enter_context(
                spooled_results(self._context.source, self._batch, path, expected=self._expected, clock=clock)
            )
        return self._fetched

    def close(self) -> None:
        """Release its results."""
        self._fetched = None
        self._stack.close()


class RoundResults:
    """A further round: a view of its shards that keeps only the shard of the latest query open.

    :param sent: its shards and their batches, in order; their rows ascend.
    """

    def __init__(self, context: JobContext, sent: Sequence[SentBatch]) -> None:
        self._context = context
        self._sent = sent
        self._first_rows = [shard.first_row for shard, _ in sent]
        self._known: tuple[int, RoundShard] | None = None  # its rows are read, its results perhaps not
        self._open: tuple[int, RoundShard] | None = None
        self._failures: dict[int, ApiError | BatchOutcomeError] = {}
        self._spool: Path | None = None
        self.first_shard = sent[0][0].shard
        self.batches = [batch for _, batch in sent]

    @contextmanager
    def opened(self, spool: Path) -> Iterator[None]:
        """Use a local folder for fetched results while the context lasts."""
        self._spool = spool
        try:
            yield
        finally:
            self._let_go()
            self._spool = None

    def holds_any_of(self, rows: range) -> bool:
        """Return whether any row of a range was sent again in this round."""
        return self._first_with_any_of(rows) is not None

    def fetch_first_of(self, rows: range) -> None:
        """Fetch first results for a range of rows: unavailable ones are then reported before others are fetched.

        Raises the same errors as :meth:`result_of`.
        """
        index = self._first_with_any_of(rows)
        if index is not None:
            with self._asked_once(index) as spool:
                self._opened_shard(index).fetched(spool)

    def result_of(self, row: int, rows: CountedRows, unreadable: UnreadableLines) -> tuple[str, Result] | None:
        """Return the batch in which this round sent a row, and the row's result; None if it did not send the row.

        :param rows, unreadable: as in :meth:`RoundShard.result_of`.
        :raises ApiError: its results are not available; they are not requested again.
        :raises BatchOutcomeError: they are gone.
        """
        index = bisect_right(self._first_rows, row) - 1
        if index < 0:
            return None
        if not self._shard(index).holds_any_of(range(row, row + 1)):
            return None  # without letting go of the shard that is open: most rows are in no further round
        with self._asked_once(index) as spool:
            return self._opened_shard(index).result_of(row, spool, rows, unreadable)

    def _first_with_any_of(self, rows: range) -> int | None:
        following = bisect_right(self._first_rows, rows.start)
        if following and self._shard(following - 1).holds_any_of(rows):
            return following - 1
        return following if following < len(self._first_rows) and self._first_rows[following] in rows else None

    @contextmanager
    def _asked_once(self, index: int) -> Iterator[Path]:
        if self._spool is None:
            raise AssertionError("a further round can be read only while it is open")
        if index in self._failures:
            raise self._failures[index]
        try:
            yield self._spool
        except (ApiError, BatchOutcomeError) as error:
            self._failures[index] = error
            raise

    def _shard(self, index: int) -> RoundShard:
        for held in (self._open, self._known):
            if held is not None and held[0] == index:
                return held[1]
        self._known = index, RoundShard(self._context, *self._sent[index])
        return self._known[1]

    def _opened_shard(self, index: int) -> RoundShard:
        if self._open is None or self._open[0] != index:
            shard = self._shard(index)
            self._let_go()
            self._open = index, shard
        return self._open[1]

    def _let_go(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


class PilotResults:
    """The results of the rows that pilots and primers send for one shard of the first round; they are few.

    :param sent: these shards and their batches.
    """

    def __init__(self, context: JobContext, sent: Sequence[SentBatch]) -> None:
        self._sent = [RoundResults(context, [one]) for one in sent]
        self._sender_of = {
            int(line): results
            for (shard, _), results in zip(sent, self._sent, strict=True)
            for line in context.lines_of(shard.rows_file)
        }

    @contextmanager
    def opened(self, spool: Path) -> Iterator[None]:
        """Use a local folder for fetched results while the context lasts."""
        with ExitStack() as stack:
            for one in self._sent:
                stack.enter_context(one.opened(spool))
            yield

    def result_of(self, row: int, rows: CountedRows, unreadable: UnreadableLines) -> tuple[str, Result] | None:
        """Return what :meth:`RoundResults.result_of` returns of the shard that sent a row; None if none did."""
        sender = self._sender_of.get(row)
        return None if sender is None else sender.result_of(row, rows, unreadable)
