"""The batches of a job: their rows in input order, with the key and kept columns that the job folder holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from anthropic_batches_provider.batches.collection.ended_batches import ended_batches_of
from anthropic_batches_provider.batches.collection.job_context import job_context_of
from anthropic_batches_provider.batches.collection.round_results import RoundResults
from anthropic_batches_provider.batches.collection.shard_part import ShardPart
from anthropic_batches_provider.batches.ledger import (
    CollectionRecord,
    JobFolder,
    UnusableRows,
    is_superseded,
    pilots_by_part,
)
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.dead_letters import DEAD_LETTERS_NAME, put_dead_letters
from anthropic_batches_provider.batches.output.manifest import DeadLetters, Manifest
from anthropic_batches_provider.batches.output.source import SHORT_ID_LENGTH
from anthropic_batches_provider.batches.prompt_cache.cache_uses import cache_use_in
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.errors import LedgerError


class JobResults:
    """The batches of a job.

    :raises BatchesNotEndedError: a shard has no batch yet, or a batch has not ended.
    :raises ResultsUnavailableError: the API no longer knows a batch.
    :raises CorruptLedgerError: files of the job are lost.
    :raises ConfigurationError: ``columns=`` names columns that the job's rows do not have.
    """

    def __init__(self, job: JobFolder, source: ResultsSource, settings: CollectionSettings) -> None:
        self._folder = job
        self._settings = settings
        job.check_whole()
        rounds = job.rounds()
        context = job_context_of(job, source, settings)
        context.check_columns()
        self.batches = ended_batches_of(job, source, settings.clock)
        self.job: str | None = job.uri
        self.owner = context.record.owner
        self._judged_by = context.judged_by
        self.layout = context.layout
        self.output_schema = context.record.output_schema_hash or None
        self.prompt_cache = context.seal.prompt_cache
        self.short_id = context.record.nonce[:SHORT_ID_LENGTH]
        self._shards = [shard for seal in rounds for shard in seal.shards]
        sent = zip(self._shards, self.batches, strict=True)
        first, *further = [list(islice(sent, len(seal.shards))) for seal in rounds]
        self._later = [RoundResults(context, shards) for shards in further]
        parts = len(rounds[0].part_shards)
        pilots, batch_of = pilots_by_part(rounds[0]), {shard.shard: batch for shard, batch in first}
        self.parts = [
            ShardPart(
                context, shard, batch, self._later,
                [(pilot, batch_of[pilot.shard]) for pilot in pilots.get(shard.shard, ())],
            )
            for shard, batch in first[:parts]
        ]  # fmt: skip

    @contextmanager
    def opened(self, spool: Path) -> Iterator[None]:
        """Keep the results of further rounds, which are spread over the parts, available while the context lasts."""
        with ExitStack() as stack:
            for later in self._later:
                stack.enter_context(later.opened(spool))
            yield

    def check_current(self) -> None:
        """Check that no other attempt has started a further round meanwhile, and that no other job has taken over.

        :raises LedgerError: one has, so the results that were read are no longer the whole job.
        """
        check_not_replaced(self._folder)
        if is_superseded(self._folder):
            raise _replaced(self._folder)
        if sum(len(seal.shards) for seal in self._folder.rounds()) != len(self._shards):
            raise LedgerError(
                f"Another attempt started a further round while the results of {self.job} were being collected. "
                "Collect again when that round has ended. This attempt published nothing, and nothing is lost."
            )

    def dead_letters(self) -> Iterator[bytes]:
        """Yield the failed rows with their requests, in input order, as lines of ready requests."""
        for part in self.parts:
            yield from part.dead_letters()

    def put_letters_into_job(self, spool: Path) -> DeadLetters | None:
        """Put the dead letters into the job folder if they are asked for; those of an earlier collection go."""
        storage, path = self._folder.storage, f"{self._folder.path}/{DEAD_LETTERS_NAME}"
        letters = put_dead_letters(self.dead_letters(), storage, path, spool) if self._settings.dead_letters else None
        if letters is None:
            storage.remove(path)
        return letters

    def close(self, manifest: Manifest) -> None:
        before = self._folder.last_collection()
        unusable = tuple(
            UnusableRows(shard=part.shard.shard, file=part.unusable_file)
            for part in self.parts
            if part.unusable_file is not None
        )
        self._folder.record_collection(
            CollectionRecord(
                destination=manifest.destination,
                rows=manifest.counts.rows,
                usable_rows=manifest.counts.succeeded,
                at=manifest.times.collected_at,
                shards=len(self._shards),
                unusable=unusable,
                tries=self._settings.tries,
                judged_by=self._judged_by,
                billed_rows=manifest.counts.billed + manifest.foreign_results + manifest.duplicate_results,
                cost_usd=None if manifest.cost is None else manifest.cost.cost_usd,
                cost_is_at_least=manifest.cost is not None and manifest.cost.at_least,
                cache=cache_use_in(manifest.usage) if self.prompt_cache is not None else {},
            )
        )
        written = {part.unusable_file for part in self._folder.parts() if part.unusable_file is not None}
        kept_before = {kept.file for kept in before.unusable} if before is not None else set()
        obsolete = sorted((written | kept_before) - {kept.file for kept in unusable})
        if not self._settings.keep_requests:
            obsolete += [shard.requests_file for shard in self._shards]
        for file in obsolete:
            self._folder.storage.remove(f"{self._folder.path}/{file}")


def check_not_replaced(job: JobFolder) -> None:
    """Check that no other job has replaced this one, because the other job's output must not be touched.

    :raises LedgerError: another job has.
    """
    if job.replacement.is_abandoned():
        raise _replaced(job)


def _replaced(job: JobFolder) -> LedgerError:
    return LedgerError(
        f"{job.uri} was replaced by another job of the same unit. Use the output of the other job: this attempt "
        "published nothing. The results of the replaced job stay at Anthropic for 29 days after submission."
    )
