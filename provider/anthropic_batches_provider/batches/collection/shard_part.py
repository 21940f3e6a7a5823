"""The rows of one shard of the first round: in input order, with the key and kept columns of the job folder.

A row that was sent in several rounds has one result that counts (:mod:`.row_history`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec
import pendulum

from anthropic_batches_provider.batches.collection.dead_letters import dead_letters_of
from anthropic_batches_provider.batches.collection.job_context import RESULTS_REMAIN, JobContext
from anthropic_batches_provider.batches.collection.round_results import PilotResults, RoundResults, SentBatch
from anthropic_batches_provider.batches.collection.row_history import RowHistory
from anthropic_batches_provider.batches.collection.unreadable_lines import UnreadableLines, unreadable_file
from anthropic_batches_provider.batches.collection.unusable_rows import write_unusable_rows
from anthropic_batches_provider.batches.invalid_rows import InvalidRow, read_invalid_row
from anthropic_batches_provider.batches.ledger import ShardRecord
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.row_sink import CountedRows
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.results import (
    UNREADABLE,
    Result,
    missing_result,
    result_of_invalid_row,
    spooled_results,
)
from anthropic_batches_provider.batches.verdicts import FITS, PAUSED
from anthropic_batches_provider.errors import CorruptLedgerError

log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20


class ShardPart:
    """The rows of one shard of the first round, with their key and kept columns.

    :param later: the further rounds.
    :param pilots: the shards of the first round that send rows of this one, with their batches.
    """

    def __init__(
        self,
        context: JobContext,
        shard: ShardRecord,
        batch: MessageBatch,
        later: Sequence[RoundResults],
        pilots: Sequence[SentBatch] = (),
    ) -> None:
        self._context = context
        self._later = tuple(later)
        self._pilots = pilots
        self._rows = range(shard.first_row, shard.first_row + shard.rows)
        self._expected = context.expected(shard, self._rows)
        self.shard = shard
        self.batch = batch
        self.rows = shard.rows
        self.prompt_cache = context.seal.prompt_cache
        self.unusable_file: str | None = None

    def was_sent_again_since(self, shards: int) -> bool:
        """Return whether any of its rows was sent again in a round that is not among the first ``shards`` shards."""
        return any(later.first_shard >= shards and later.holds_any_of(self._rows) for later in self._later)

    @property
    def layout(self) -> RowLayout:
        """Which columns of the result the rows have."""
        return self._context.layout

    def created_at(self, batch_id: str) -> pendulum.DateTime | None:
        """Return when the service created a batch that sent rows of this shard; None if it does not say."""
        first = (self.batch, *(batch for _, batch in self._pilots))
        batches = chain(first, *(later.batches for later in self._later))
        return next((batch.created_at for batch in batches if batch.id == batch_id), None)

    def write_to(self, rows: CountedRows, spool: Path) -> None:
        """Pass on the rows in input order, each with the one result that counts."""
        context = self._context
        reasons = self._reasons(spool)
        for later in self._later:
            later.fetch_first_of(self._rows)
        pilots = PilotResults(context, self._pilots)
        with (
            pilots.opened(spool),
            spooled_results(
                context.source, self.batch, spool / "results", expected=self._expected, clock=context.settings.clock
            ) as first,
            reasons.open("wb", buffering=_READ_BYTES) as unusable,
            UnreadableLines(self._unreadable(spool)) as unreadable,
        ):
            unreadable.keep(first.unnamed())
            rows.count_strays(self.batch.id, foreign=first.foreign, duplicates=first.duplicates)
            add, batch_id, judge, has_further_rounds = rows.add, self.batch.id, context.judge, bool(self._later)
            decoded = first.decoded(with_message=context.settings.include_message)
            for position, (columns, found) in enumerate(zip(self._columns(), decoded, strict=True)):
                if isinstance(columns, InvalidRow):
                    add(judge(bytes(columns.columns), None, result_of_invalid_row(columns.reason)))
                    rows.count_strays(batch_id, foreign=int(found is not None), duplicates=0)
                    continue
                piloted = pilots.result_of(self._rows[position], rows, unreadable) if self._pilots else None
                if piloted is not None:
                    rows.count_strays(batch_id, foreign=int(found is not None), duplicates=0)
                    row = judge(columns, *piloted)
                else:
                    result = found or missing_result(self._expected.custom_id(position))
                    if result.stop_reason == PAUSED:
                        result = first.decoded_at(position) or result  # with its message, to go on from
                    elif result.result_type == UNREADABLE:
                        unreadable.keep([first[position]])
                    row = judge(columns, batch_id, result)
                further = self._further_results(position, rows, unreadable) if has_further_rounds else ()
                if row.verdict == FITS and not further:
                    add(row)
                    continue
                history = RowHistory(judge, row)
                for brought in further:
                    history.add(*brought)
                if history.has_failed:
                    unusable.write(msgspec.json.encode(history.reason(self._rows[position])) + b"\n")
                add(history.answered_row())

    def close(self, spool: Path) -> None:
        """Keep the rows without a usable answer, with their requests, and unreadable lines in the job folder."""
        reasons, kept, unreadable = self._reasons(spool), spool / "unusable", self._unreadable(spool)
        try:
            if reasons.stat().st_size or self._context.known_kept(self.shard.shard) is not None:
                self.unusable_file = self._kept(reasons, kept)
            if unreadable.exists():
                job = self._context.job
                job.storage.put_file(unreadable, f"{job.path}/{unreadable_file(self.shard.shard)}")
        finally:
            for file in (kept, reasons, unreadable):
                file.unlink(missing_ok=True)

    def dead_letters(self) -> Iterator[bytes]:
        """Yield the rows without a usable answer as lines of ready requests; call it once the part is written."""
        if self.unusable_file is not None:
            yield from dead_letters_of(self._context, self.shard, self.unusable_file)

    def _kept(self, reasons: Path, kept: Path) -> str | None:
        shard, context = self.shard, self._context
        gone = write_unusable_rows(
            context.job,
            reasons,
            kept,
            requests_files=[shard.requests_file, *(pilot.requests_file for pilot, _ in self._pilots)],
            kept_file=lambda: context.kept_before(shard.shard),
            keep_others=context.judges_anew,
        )
        if gone:
            log.warning(
                "%s of shard %d of %s without a usable answer cannot be sent again: the requests are gone.",
                counted(gone, "row"), shard.shard, context.job.uri,
            )  # fmt: skip
        if not kept.stat().st_size:
            return None
        file = f"unusable/{shard.shard:05d}-{context.attempt}.jsonl"
        context.job.storage.put_file(kept, f"{context.job.path}/{file}")
        return file

    def _reasons(self, spool: Path) -> Path:
        return spool / f"reasons-{self.shard.shard}"

    def _unreadable(self, spool: Path) -> Path:
        return spool / f"unreadable-{self.shard.shard}"

    def _further_results(
        self, position: int, rows: CountedRows, unreadable: UnreadableLines
    ) -> list[tuple[int, str, Result]]:
        """Return what further rounds brought for a row: the round, its batch, and the result."""
        row = self._rows[position]
        brought = ((number, later.result_of(row, rows, unreadable)) for number, later in enumerate(self._later, 2))
        return [(number, *found) for number, found in brought if found is not None]

    def _columns(self) -> Iterator[bytes | InvalidRow]:
        """Yield the rows' own columns, or the invalid row; exactly one for each row."""
        found = invalid_rows = 0
        for line in self._context.lines_of(self.shard.rows_file):
            found += 1
            if found > self.rows:
                break
            if line.startswith(b"{") and line.endswith(b"}"):
                yield line
                continue
            invalid = read_invalid_row(line)
            if invalid is None:
                break
            invalid_rows += 1
            yield invalid
        else:
            if (found, invalid_rows) == (self.rows, self.shard.invalid_rows):
                return
        raise CorruptLedgerError(
            f"{self._context.job.uri}/{self.shard.rows_file} does not hold exactly one JSON object per row, for "
            f"{counted(self.rows, 'row')} (see its line {found:,}). Restore the file, or collect with batch_ids= "
            f"instead of job=, without the rows' own columns. {RESULTS_REMAIN}"
        )
