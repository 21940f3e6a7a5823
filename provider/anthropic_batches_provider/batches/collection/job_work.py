"""The batches of a job: their rows in input order, with the key and kept columns that the job folder holds."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.batches.collection.ended import ended_batches_of
from anthropic_batches_provider.batches.collection.manifest import Manifest, Tally
from anthropic_batches_provider.batches.collection.settings import CollectionSettings
from anthropic_batches_provider.batches.collection.work import SHORT_ID_LENGTH, result_at
from anthropic_batches_provider.batches.ledger import (
    CollectionRecord,
    EndRecord,
    JobFolder,
    JobRecord,
    SealRecord,
    ShardRecord,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.results import (
    ExpectedRows,
    ResultsSource,
    RowEncoder,
    missing_result,
    split_lines,
    spooled_results,
)
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.errors import CorruptLedgerError

_READ_BYTES = 1 << 20


class JobWork:
    """The batches of a job.

    :raises BatchesNotEndedError: a shard has no batch yet, or a batch has not ended.
    :raises ResultsUnavailableError: the API no longer knows a batch.
    """

    def __init__(self, job: JobFolder, source: ResultsSource, settings: CollectionSettings) -> None:
        self._folder = job
        self._settings = settings
        self._record = job.description()
        self._seal = job.sealed()
        batches = ended_batches_of(job, source)
        self.job: str | None = job.uri
        self.owner = self._record.owner
        self.short_id = self._record.nonce[:SHORT_ID_LENGTH]
        origin = _Origin(job, self._record, self._seal, source, settings)
        self.parts = [_ShardPart(origin, *pair) for pair in zip(self._seal.shards, batches, strict=True)]

    def close(self, manifest: Manifest) -> None:
        self._folder.collected(
            CollectionRecord(
                destination=manifest.destination,
                rows=manifest.counts.rows,
                usable_rows=manifest.counts.succeeded,
                at=manifest.times.collected_at,
            )
        )
        if not self._settings.keep_requests:
            for shard in self._seal.shards:
                self._folder.storage.remove(f"{self._folder.path}/{shard.requests_file}")


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the parts of a job share."""

    job: JobFolder
    record: JobRecord
    seal: SealRecord
    source: ResultsSource
    settings: CollectionSettings


class _ShardPart:
    """The rows of one shard, with their key and kept columns."""

    def __init__(self, origin: _Origin, shard: ShardRecord, batch: MessageBatch) -> None:
        self._origin = origin
        self._shard = shard
        self._unusable = bytearray()
        self.batch = batch
        self.requests = shard.requests
        self._expected = ExpectedRows(
            custom_id_prefix=custom_id_prefix(origin.record.nonce, shard.shard),
            first_row=shard.first_row,
            requests=shard.requests,
        )

    def rows(self, spool: Path, tally: Tally) -> Generator[bytes, None, None]:
        origin = self._origin
        encoder = RowEncoder(
            batch_id=self.batch.id,
            column_prefix=origin.record.column_prefix,
            structured=origin.seal.structured,
            include_message=origin.settings.include_message,
        )
        self._unusable = bytearray(self.requests)
        with spooled_results(
            origin.source, self.batch, spool / "results", expected=self._expected, sleep=origin.settings.clock.sleep
        ) as results:
            tally.foreign_results += results.foreign
            tally.duplicate_results += results.duplicates
            for position, columns in enumerate(self._columns()):
                result = result_at(results, position, self.batch) or missing_result(self._expected.custom_id(position))
                tally.add(result)
                if result.result_type != "succeeded":
                    self._unusable[position] = 1
                yield encoder.encode(columns, result)

    def close(self, spool: Path) -> None:
        ended_at = self.batch.ended_at
        self._origin.job.saw_end(
            EndRecord(
                shard=self._shard.shard,
                batch_id=self.batch.id,
                ended_at=ended_at.to_iso8601_string() if ended_at else None,
                request_counts=self.batch.request_counts.as_dict(),
            )
        )
        if not self._origin.settings.keep_requests and any(self._unusable):
            self._keep_unusable_requests(spool)
        self._unusable = bytearray()

    def _columns(self) -> Iterator[bytes]:
        """Yield the row's own columns, exactly one line per request."""
        found = 0
        for line in self._lines_of(self._shard.rows_file):
            found += 1
            if found > self.requests or not (line.startswith(b"{") and line.endswith(b"}")):
                break
            yield line
        else:
            if found == self.requests:
                return
        raise CorruptLedgerError(
            f"{self._uri(self._shard.rows_file)} must hold one JSON object for each of {self.requests:,} rows, and "
            f"does not (see its line {found:,}). {_RESULTS_REMAIN} Restore the file, or collect by batch_ids= instead "
            "of job=, without the rows' own columns."
        )

    def _keep_unusable_requests(self, spool: Path) -> None:
        """Copy the requests of rows without a succeeded result, which a further round may send again."""
        path = spool / "unusable"
        try:
            with path.open("wb", buffering=_READ_BYTES) as file:
                requests = self._lines_of(self._shard.requests_file, removed=True)
                for is_unusable, line in zip(self._unusable, requests, strict=False):
                    if is_unusable:
                        file.write(line + b"\n")
            if path.stat().st_size:
                origin = self._origin
                origin.job.storage.put_file(path, f"{origin.job.path}/requests/{self._shard.shard:05d}-unusable.jsonl")
        finally:
            path.unlink(missing_ok=True)

    def _lines_of(self, name: str, *, removed: bool = False) -> Iterator[bytes]:
        """Yield the lines of a file of the job.

        :param removed: whether an earlier collection may have removed it.
        """
        try:
            with self._origin.job.storage.open(f"{self._origin.job.path}/{name}") as file:
                yield from split_lines(iter(lambda: file.read(_READ_BYTES), b""))
        except FileNotFoundError as error:
            if removed:
                return
            raise CorruptLedgerError(
                f"{self._uri(name)} is not there. {_RESULTS_REMAIN} Restore the file, or collect by batch_ids= instead "
                "of job=, without the rows' own columns."
            ) from error

    def _uri(self, name: str) -> str:
        return f"{self._origin.job.uri}/{name}"


_RESULTS_REMAIN = (
    "Nothing was published. The results stay at Anthropic for 29 days after submission, and collecting them again "
    "costs nothing."
)
