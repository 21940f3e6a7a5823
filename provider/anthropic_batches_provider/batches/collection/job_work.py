"""The batches of a job: their rows in input order, with the key and kept columns that the job folder holds.

A row has one result: of the latest round that brought it a usable one, else of the latest round that it was in.
"""

from __future__ import annotations

import logging
import secrets
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from anthropic_batches_provider.batches.collection.ended import ended_batches_of
from anthropic_batches_provider.batches.collection.manifest import Manifest, Tally
from anthropic_batches_provider.batches.collection.settings import CollectionSettings
from anthropic_batches_provider.batches.collection.unusable import UnusableReason, write_unusable_rows
from anthropic_batches_provider.batches.collection.work import SHORT_ID_LENGTH, result_at
from anthropic_batches_provider.batches.ledger import (
    CollectionRecord,
    EndRecord,
    JobFolder,
    JobRecord,
    SealRecord,
    ShardRecord,
    UnusableRows,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.results import (
    ExpectedRows,
    Result,
    ResultsSource,
    RowEncoder,
    SpooledResults,
    missing_result,
    split_lines,
    spooled_results,
)
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.errors import CorruptLedgerError, LedgerError

log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20
_Encode = Callable[[bytes, Result], bytes]


class JobWork:
    """The batches of a job.

    :raises BatchesNotEndedError: a shard has no batch yet, or a batch has not ended.
    :raises ResultsUnavailableError: the API no longer knows a batch.
    """

    def __init__(self, job: JobFolder, source: ResultsSource, settings: CollectionSettings) -> None:
        self._folder = job
        self._settings = settings
        rounds = job.rounds()
        record = job.description()
        self.batches = ended_batches_of(job, source)
        self.job: str | None = job.uri
        self.owner = record.owner
        self.short_id = record.nonce[:SHORT_ID_LENGTH]
        origin = _Origin(job, record, rounds[0], source, settings, secrets.token_hex(4))
        shards = [shard for seal in rounds for shard in seal.shards]
        self._sent = list(zip(shards, self.batches, strict=True))
        first = len(rounds[0].shards)
        self._later = [_LaterShard(origin, *sent) for sent in self._sent[first:]]
        self.parts = [_ShardPart(origin, *sent, self._later) for sent in self._sent[:first]]

    @contextmanager
    def opened(self, spool: Path, tally: Tally) -> Iterator[None]:
        """Fetch the results of all further rounds, which lie across the parts, for as long as the context lasts."""
        with ExitStack() as stack:
            for later in self._later:
                stack.enter_context(later.fetched(spool, tally))
            yield

    def check_current(self) -> None:
        """Look whether another attempt has started a further round meanwhile.

        :raises LedgerError: it has: what was read is no longer the whole job.
        """
        if sum(len(seal.shards) for seal in self._folder.rounds()) != len(self._sent):
            raise LedgerError(
                f"While the results of {self.job} were collected, another attempt has started a further round. Nothing "
                "was published by this one, and nothing is lost. Collect again once that round has ended."
            )

    def close(self, manifest: Manifest) -> None:
        before = self._folder.last_collection()
        unusable = tuple(part.unusable for part in self.parts if part.unusable is not None)
        for shard, batch in self._sent:
            self._folder.saw_end(_end(shard, batch))
        self._folder.collected(
            CollectionRecord(
                destination=manifest.destination,
                rows=manifest.counts.rows,
                usable_rows=manifest.counts.succeeded,
                at=manifest.times.collected_at,
                shards=len(self._sent),
                unusable=unusable,
            )
        )
        kept_now = {kept.file for kept in unusable}
        obsolete = [kept.file for kept in before.unusable if kept.file not in kept_now] if before is not None else []
        if not self._settings.keep_requests:
            obsolete += [shard.requests_file for shard, _ in self._sent]
        for file in obsolete:
            self._folder.storage.remove(f"{self._folder.path}/{file}")


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the shards of a job share.

    :param attempt: names the files that this collection keeps.
    """

    job: JobFolder
    record: JobRecord
    seal: SealRecord
    source: ResultsSource
    settings: CollectionSettings
    attempt: str

    def kept_before(self) -> dict[int, str]:
        """Return by shard what the latest collection has kept, which may be another attempt's of just now."""
        collection = self.job.last_collection()
        return {kept.shard: kept.file for kept in collection.unusable} if collection is not None else {}

    def expected(self, shard: ShardRecord, rows: Sequence[int]) -> ExpectedRows:
        return ExpectedRows(custom_id_prefix=custom_id_prefix(self.record.nonce, shard.shard), rows=rows)

    def encoder(self, batch: MessageBatch) -> RowEncoder:
        return RowEncoder(
            batch_id=batch.id,
            column_prefix=self.record.column_prefix,
            structured=self.seal.structured,
            include_message=self.settings.include_message,
        )

    def lines_of(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file of the job."""
        try:
            with self.job.storage.open(f"{self.job.path}/{name}") as file:
                yield from split_lines(iter(lambda: file.read(_READ_BYTES), b""))
        except FileNotFoundError as error:
            raise CorruptLedgerError(
                f"{self.job.uri}/{name} is not there. {_RESULTS_REMAIN} Restore the file, or collect by batch_ids= "
                "instead of job=, without the rows' own columns."
            ) from error


class _LaterShard:
    """The results of a shard of a further round, which holds rows from anywhere."""

    def __init__(self, origin: _Origin, shard: ShardRecord, batch: MessageBatch) -> None:
        self._origin = origin
        self._shard = shard
        self._batch = batch
        self._expected: ExpectedRows | None = None
        self._results: SpooledResults | None = None
        self.encoder = origin.encoder(batch)

    @contextmanager
    def fetched(self, spool: Path, tally: Tally) -> Iterator[None]:
        rows = array("q", (int(line) for line in self._origin.lines_of(self._shard.rows_file)))
        self._expected = self._origin.expected(self._shard, rows)
        path = spool / f"further-{self._shard.shard}"
        sleep = self._origin.settings.clock.sleep
        with spooled_results(self._origin.source, self._batch, path, expected=self._expected, sleep=sleep) as results:
            tally.foreign_results += results.foreign
            tally.duplicate_results += results.duplicates
            self._results = results
            yield

    def result_of(self, row: int) -> Result | None:
        """Return what this round brought a row; None if the row was not in it, or nothing came."""
        if self._expected is None or self._results is None:
            raise AssertionError("a further round is read while it is fetched")
        position = self._expected.position_of_row(row)
        return None if position is None else result_at(self._results, position, self._batch)


class _ShardPart:
    """The rows of one shard of the first round, with their key and kept columns."""

    def __init__(self, origin: _Origin, shard: ShardRecord, batch: MessageBatch, later: Sequence[_LaterShard]) -> None:
        self._origin = origin
        self._shard = shard
        self._later = tuple(later)
        self._expected = origin.expected(shard, range(shard.first_row, shard.first_row + shard.requests))
        self.batch = batch
        self.requests = shard.requests
        self.unusable: UnusableRows | None = None

    def rows(self, spool: Path, tally: Tally) -> Generator[bytes, None, None]:
        origin = self._origin
        encoder = origin.encoder(self.batch)
        sleep = origin.settings.clock.sleep
        reasons = self._reasons(spool)
        with (
            spooled_results(
                origin.source, self.batch, spool / "results", expected=self._expected, sleep=sleep
            ) as first,
            reasons.open("wb", buffering=_READ_BYTES) as unusable,
        ):
            tally.foreign_results += first.foreign
            tally.duplicate_results += first.duplicates
            for position, columns in enumerate(self._columns()):
                found: Result | None = result_at(first, position, self.batch)
                encode: _Encode = encoder.encode
                if self._later and (found is None or found.result_type != "succeeded"):
                    found, encode = self._later_result(position, found, encoder)
                result = found or missing_result(self._expected.custom_id(position))
                tally.add(result)
                if result.result_type != "succeeded":
                    unusable.write(msgspec.json.encode(_reason(self._expected.rows[position], result)) + b"\n")
                yield encode(columns, result)

    def close(self, spool: Path) -> None:
        reasons, kept = self._reasons(spool), spool / "unusable"
        try:
            if not reasons.stat().st_size:
                return
            shard, origin = self._shard, self._origin
            file = f"unusable/{shard.shard:05d}-{origin.attempt}.jsonl"
            is_whole = write_unusable_rows(
                origin.job,
                reasons,
                kept,
                requests_file=shard.requests_file,
                kept_file=lambda: origin.kept_before().get(shard.shard),
            )
            if is_whole:
                origin.job.storage.put_file(kept, f"{origin.job.path}/{file}")
                self.unusable = UnusableRows(shard=shard.shard, file=file)
            elif (before := origin.kept_before().get(shard.shard)) is not None:
                self.unusable = UnusableRows(shard=shard.shard, file=before)
            else:
                log.warning(
                    "The requests of shard %d of %s are gone: its rows without a usable result cannot be sent again.",
                    shard.shard, origin.job.uri,
                )  # fmt: skip
        finally:
            kept.unlink(missing_ok=True)
            reasons.unlink(missing_ok=True)

    def _reasons(self, spool: Path) -> Path:
        return spool / f"reasons-{self._shard.shard}"

    def _later_result(self, position: int, first: Result | None, encoder: RowEncoder) -> tuple[Result | None, _Encode]:
        found, encode = first, encoder.encode
        for later in self._later:
            result = later.result_of(self._expected.rows[position])
            if result is not None and (found is None or found.result_type != "succeeded"):
                found, encode = result, later.encoder.encode
        return found, encode

    def _columns(self) -> Iterator[bytes]:
        """Yield the row's own columns, exactly one line per request."""
        found = 0
        for line in self._origin.lines_of(self._shard.rows_file):
            found += 1
            if found > self.requests or not (line.startswith(b"{") and line.endswith(b"}")):
                break
            yield line
        else:
            if found == self.requests:
                return
        raise CorruptLedgerError(
            f"{self._origin.job.uri}/{self._shard.rows_file} must hold one JSON object for each of {self.requests:,} "
            f"rows, and does not (see its line {found:,}). {_RESULTS_REMAIN} Restore the file, or collect by "
            "batch_ids= instead of job=, without the rows' own columns."
        )


def _reason(row: int, result: Result) -> UnusableReason:
    return UnusableReason(row=row, result_type=result.result_type, error_type=result.error_type)


def _end(shard: ShardRecord, batch: MessageBatch) -> EndRecord:
    return EndRecord(
        shard=shard.shard,
        batch_id=batch.id,
        ended_at=batch.ended_at.to_iso8601_string() if batch.ended_at else None,
        request_counts=batch.request_counts.as_dict(),
    )


_RESULTS_REMAIN = (
    "Nothing was published. The results stay at Anthropic for 29 days after submission, and collecting them again "
    "costs nothing."
)
