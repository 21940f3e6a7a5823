"""The context that the shards of a job share while their results are read: job folder, service and settings."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anthropic_batches_provider.batches.ledger import JobFolder, JobRecord, SealRecord, ShardRecord
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.results import ExpectedRows
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.errors import CorruptLedgerError

RESULTS_REMAIN = (
    "Nothing was published. The results stay at Anthropic for 29 days after submission, and collecting them again "
    "costs nothing."
)


@dataclass(frozen=True, slots=True)
class JobContext:
    """The context that the shards of a job share.

    :param attempt: part of the names of the files that this collection keeps.
    """

    job: JobFolder
    record: JobRecord
    seal: SealRecord
    source: ResultsSource
    settings: CollectionSettings
    attempt: str

    def kept_before(self) -> dict[int, str]:
        """Return, by shard, the file that holds its rows without a usable result, if one was written.

        Files of the collection in progress, perhaps written by another attempt just now, take precedence over files of
        the latest complete collection.
        """
        collection = self.job.last_collection()
        kept = {kept.shard: kept.file for kept in collection.unusable} if collection is not None else {}
        number = self.job.collection_count() + 1
        written = [part for part in self.job.known_parts() if part.collection == number]
        return kept | {part.shard: part.unusable_file for part in written if part.unusable_file is not None}

    def expected(self, shard: ShardRecord, rows: Sequence[int]) -> ExpectedRows:
        return ExpectedRows(custom_id_prefix=custom_id_prefix(self.record.nonce, shard.shard), rows=rows)

    @property
    def layout(self) -> RowLayout:
        """Which columns of the result the rows of this job have."""
        return RowLayout(
            column_prefix=self.record.column_prefix,
            structured=self.seal.structured,
            include_message=self.settings.include_message,
        )

    def lines_of(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file of the job."""
        try:
            yield from self.job.lines_of(name)
        except FileNotFoundError as error:
            raise CorruptLedgerError(
                f"{self.job.uri}/{name} is not there. Restore the file, or collect with batch_ids= instead of job=, "
                f"without the rows' own columns. {RESULTS_REMAIN}"
            ) from error


def job_context_of(job: JobFolder, source: ResultsSource, settings: CollectionSettings) -> JobContext:
    """Return the context that the shards of a job share."""
    return JobContext(job, job.description(), job.first_seal(), source, settings, secrets.token_hex(4))
