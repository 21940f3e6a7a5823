"""The context that the shards of a job share while their results are read: job folder, service and settings."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from anthropic_batches_provider.batches.judging import Judge, judge_for, judged_by
from anthropic_batches_provider.batches.ledger import ColumnRecord, JobFolder, JobRecord, SealRecord, ShardRecord
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.column_choice import EVERY_COLUMN
from anthropic_batches_provider.batches.output.columns import FIRST_COLUMNS, RowLayout, check_columns, fields_in_table
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.results import ExpectedRows
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.errors import ConfigurationError, CorruptLedgerError

RESULTS_REMAIN = (
    "Nothing was published. The results stay at Anthropic for 29 days after submission, and collecting them again "
    "costs nothing."
)


@dataclass(slots=True)
class JobContext:
    """The context that the shards of a job share.

    :param attempt: part of the names of the files that this collection keeps.
    :param judge: judges the answers, and makes answered rows of them.
    :param judged_by: names what it judges by, see :func:`judged_by`.
    """

    job: JobFolder
    record: JobRecord
    seal: SealRecord
    source: ResultsSource
    settings: CollectionSettings
    attempt: str
    judge: Judge
    judged_by: str
    _has_looked: bool = False

    def kept_before(self, shard: int) -> str | None:
        """Return the file that holds a shard's rows without a usable result; None if none was written.

        A file of the collection in progress takes precedence over one of the latest complete collection. If neither is
        known, the ledger is listed again, once for all shards: another attempt may have written one just now.
        """
        found = self.known_kept(shard)
        if found is None and not self._has_looked:
            self._has_looked = True
            self.job.parts()
            found = self.known_kept(shard)
        return found

    @property
    def judges_anew(self) -> bool:
        """Whether the latest complete collection was judged by something else."""
        collection = self.job.last_collection()
        return collection is not None and collection.judged_by != self.judged_by

    def known_kept(self, shard: int) -> str | None:
        """Return the same as :meth:`kept_before`, as far as it is known without listing the ledger."""
        number = self.job.collection_count() + 1
        for part in self.job.known_parts_of(shard):
            if part.collection == number and part.unusable_file is not None:
                return part.unusable_file
        collection = self.job.last_collection()
        unusable = collection.unusable if collection is not None else ()
        return next((kept.file for kept in unusable if kept.shard == shard), None)

    def expected(self, shard: ShardRecord, rows: Sequence[int]) -> ExpectedRows:
        return ExpectedRows(
            custom_id_prefix=custom_id_prefix(self.record.nonce, shard.shard),
            rows=rows,
            invalid_rows=shard.unsent_rows,
        )

    @property
    def layout(self) -> RowLayout:
        """Which columns the rows of this job have.

        :raises ConfigurationError: ``columns=`` is given beside the job's ``column_prefix``.
        """
        record, settings = self.record, self.settings
        if record.column_prefix and settings.choice != EVERY_COLUMN:
            raise ConfigurationError(
                f"`columns` cannot be combined with column_prefix={record.column_prefix!r}, which {self.job.uri} was "
                "submitted with. Leave `columns` out. Nothing was written, and nothing is lost."
            )
        return RowLayout(
            column_prefix=record.column_prefix,
            include_message=settings.include_message,
            columns=self.seal.result_columns or FIRST_COLUMNS,
            choice=settings.choice,
            own=self._own_columns() if settings.as_table else (),
            answer_schema=None if record.output_schema is None else msgspec.json.encode(record.output_schema),
        )

    def check_columns(self) -> None:
        """Check the columns of the output, before anything is written.

        :raises ConfigurationError: they are not those of an output; see :func:`.output.columns.check_columns`.
        """
        layout = self.layout
        fields = fields_in_table(layout.answer_schema) if self.settings.as_table else {}
        has_types = bool(self.seal.columns) or self.settings.choice == EVERY_COLUMN
        own = (layout.own or self.seal.columns) if has_types else self._own_columns()
        check_columns(layout, fields, [each.name for each in own] if own else None)

    def _own_columns(self) -> tuple[ColumnRecord, ...]:
        """Return the user's columns; of a job that recorded none, those of its rows files, as text."""
        if self.seal.columns:
            return self.seal.columns
        from anthropic_batches_provider.batches.collection.untyped_columns import untyped_columns

        return untyped_columns(self.job)

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
    record, seal = job.description(), job.first_seal()
    output_schema = output_schema_of(record)
    judge = judge_for(output_schema, structured=seal.structured)
    return JobContext(job, record, seal, source, settings, secrets.token_hex(4), judge, judged_by(output_schema))


def output_schema_of(record: JobRecord) -> OutputSchema | None:
    """Return what the answers of a job must fit; None if nothing judges them."""
    return None if record.output_schema is None else OutputSchema(record.output_schema, record.output_model)
