"""Writes the results of a job to a destination: one part per shard, as batches end, and the manifest last.

The ledger records each part that is in place, so the attempt after a killed one continues with the next part.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence, Set

from anthropic_batches_provider.batches.collection.ended_batches import batch_of
from anthropic_batches_provider.batches.collection.job_context import JobContext, job_context_of
from anthropic_batches_provider.batches.collection.job_results import JobResults, check_not_replaced
from anthropic_batches_provider.batches.collection.round_results import SentBatch
from anthropic_batches_provider.batches.collection.shard_part import ShardPart
from anthropic_batches_provider.batches.collection.written_parts import WrittenParts
from anthropic_batches_provider.batches.ledger import JobFolder, PartRecord, ShardState, pilots_by_part
from anthropic_batches_provider.batches.output.cache_report import CacheReport
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import (
    Destination,
    check_destination,
    check_writable,
    claim_destination,
)
from anthropic_batches_provider.batches.output.manifest import Manifest, PartFile
from anthropic_batches_provider.batches.output.part_files import part_names, write_part
from anthropic_batches_provider.batches.output.publishing import collection_spool, crash_advice, publish
from anthropic_batches_provider.batches.output.source import SHORT_ID_LENGTH
from anthropic_batches_provider.batches.output.tally import tally_of_parts
from anthropic_batches_provider.batches.output.usage_rows import USAGE_NAME, PublishedUsage, read_usage
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.errors import ApiError, BatchOutcomeError, LedgerError

log = logging.getLogger(__name__)

_MOST_TRIES = 5


class _OvertakenError(LedgerError):
    """Another attempt has published the same results meanwhile."""

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(f"Another attempt has already published {manifest.destination}.")
        self.manifest = manifest


class JobCollection:
    """One collection of a job's results to a destination.

    Creating it claims the destination for its owner, so that no other owner spends money for it.

    :param job: a sealed job.
    :raises DestinationOwnedError: the destination belongs to another owner.
    :raises ConfigurationError: the destination cannot be written.
    """

    def __init__(
        self, job: JobFolder, source: ResultsSource, destination: Destination, settings: CollectionSettings
    ) -> None:
        self._job = job
        self._source = source
        self._destination = destination
        self._settings = settings
        self._failed: set[int] = set()
        self._first = 0  # every shard before it is written or failed
        self._collections = job.collection_count()
        self._cache = CacheReport(job)
        self._pilots = pilots_by_part(job.first_seal())
        context = job_context_of(job, source, settings)
        context.check_columns()
        self._look_at_what_is_there(claim_destination(destination))
        check_writable(destination)
        self._check_table(context)

    def _check_table(self, context: JobContext) -> None:
        """Check, before anything is spent, that the rows fit into the output's columns and into its table.

        :raises ConfigurationError: they do not.
        """
        destination = self._destination
        if not destination.format.is_table:
            return
        from anthropic_batches_provider.batches.output.table_columns import table_columns

        columns = table_columns(context.layout)
        if destination.table is not None and not self._job.has_intents():
            destination.table.check(columns)

    def write_next(self) -> PartRecord | None:
        """Write the part of one shard whose batch was seen to end, and delete its requests unless they are kept.

        This works only in the first round: rows of a further round are spread over all parts, so the parts wait for
        its end; those of a pilot that was sent again belong to one part, which waits alone. If another attempt has
        published meanwhile, nothing is written, because its files must not be touched.

        A shard whose results are not available now does not block the others. :meth:`publish` tries it again, and
        reports the failure.

        :returns: the record of the written part; None if there is nothing to write now.
        :raises LedgerError: another job has replaced this one.
        """
        rounds = self._job.rounds()
        if any(seal.part_shards for seal in rounds[1:]) or self._job.collection_count() != self._collections:
            return None
        check_not_replaced(self._job)
        shards = sum(len(seal.shards) for seal in rounds)
        if self._written.shards != shards:  # a pilot was sent again meanwhile
            self._look_at_what_is_there(check_destination(self._destination))
        if self._written.shards != shards:  # another attempt has begun a further round just now
            return None
        for state in self._unwritten():
            number, batch = state.shard.shard, batch_of(state)
            pilots = None if batch is None else self._pilots_of(number)
            was_sent_again = any(sent.sends_rows_of(state.shard) for seal in rounds[1:] for sent in seal.shards)
            if batch is None or pilots is None or was_sent_again:
                continue
            context = job_context_of(self._job, self._source, self._settings)
            part = ShardPart(context, state.shard, batch, (), pilots)
            try:
                record = self._write(part)
            except _OvertakenError:
                return None
            except (ApiError, BatchOutcomeError) as error:
                log.warning("The results of shard %d are not written yet: %s", number, error)
                self._failed.add(number)
                continue
            if not self._settings.keep_requests:
                for shard in (state.shard, *(pilot for pilot, _ in pilots)):
                    self._job.storage.remove(f"{self._job.path}/{shard.requests_file}")
            return record
        return None

    def _pilots_of(self, number: int) -> list[SentBatch] | None:
        """Return the pilots that send rows of a shard, with their batches; None while one has not been seen to end."""
        pilots = self._pilots.get(number, ())
        states = self._job.known_shards() if pilots else []
        found = [(pilot, batch_of(states[pilot.shard])) for pilot in pilots]
        ended = [(pilot, batch) for pilot, batch in found if batch is not None]
        return ended if len(ended) == len(found) else None

    def _unwritten(self) -> Iterator[ShardState]:
        """Yield the shards that are neither written nor failed; the search begins behind those that are."""
        states = self._job.known_shards()[: len(self._job.first_seal().part_shards)]
        while self._first < len(states) and self._is_done(states[self._first]):
            self._first += 1
        return (state for state in states[self._first :] if not self._is_done(state))

    def _is_done(self, state: ShardState) -> bool:
        number = state.shard.shard
        return number in self._failed or self._written.find(number) is not None

    def publish(self) -> Manifest:
        """Write the missing parts and the manifest, unless another attempt has done so meanwhile.

        Raises the same errors as :func:`collect_job`.
        """
        work = JobResults(self._job, self._source, self._settings)
        try:
            self._check_not_overtaken()
            # If a round was sealed or a collection finished since the last check, parts noted before no longer count.
            self._look_at_what_is_there(check_destination(self._destination))
            # A part is recorded with the rounds of that look: it must not be made of the results of fewer.
            work.check_current()
            manifest = self._published(work)
        except _OvertakenError as overtaken:
            log.info("Another attempt has already published %s. That output stays.", self._destination.uri)
            manifest = overtaken.manifest
            self._tell_usage(work)
        self._collections = self._job.collection_count()
        return manifest

    def _tell_usage(self, work: JobResults) -> None:
        """Tell the usage that another attempt has published, in case that it ended before it could."""
        try:
            used = read_usage(self._destination.storage)
        except (FileNotFoundError, ValueError) as error:
            log.warning("The usage by batch of %s cannot be read from %s: %s", self._job.uri, USAGE_NAME, error)
            return
        self._settings.told_usage(PublishedUsage(used, work.check_current))

    def _published(self, work: JobResults) -> Manifest:
        """Write and publish; begin again if a task that loads the same job into another table removes its parts.

        All tables of a job are loaded from the same parts, so that they outlive a table that cannot be loaded.
        """
        for _ in range(_MOST_TRIES - 1):
            try:
                return self._write_and_publish(work)
            except FileNotFoundError:
                if self._destination.table is None:
                    raise
            log.info("Another task has removed parts of %s after its own load; writing them again", self._job.uri)
            self._look_at_what_is_there(check_destination(self._destination))
        return self._write_and_publish(work)

    def _write_and_publish(self, work: JobResults) -> Manifest:
        tally = tally_of_parts(self._settings.prices)
        parts = []
        with (
            crash_advice(self._destination),
            collection_spool(self._settings) as spool,
            work.opened(spool),
        ):
            for part, written in self._all_written(work.parts):
                part.unusable_file = written.unusable_file
                tally.include(written.tally)
                parts.append(PartFile.at(self._destination.uri, written.name, rows=written.rows, size=written.bytes))
            self._check_not_overtaken()
            return publish(
                work,
                self._destination,
                tuple(parts),
                tally,
                settings=self._settings,
                spool=spool,
                superseded=self._written.names | self._written.names_of_earlier_jobs(),
                check_current=lambda: self._check_current(work),
            )

    def _check_current(self, work: JobResults) -> None:
        work.check_current()
        self._check_not_overtaken()

    def parts_in_place(self) -> Set[int]:
        """Return the shards of the first round whose parts stay as they are if no row of them is sent again."""
        return WrittenParts(self._job, self._destination, self._settings).shards_in_place()

    def finish(self) -> None:
        """Remove the parts that were loaded into a table: the table has them, and nothing will be added."""
        if self._destination.table is None:
            return
        manifest = check_destination(self._destination)
        for part in manifest.parts if manifest is not None else ():
            self._destination.storage.remove(part.name)

    def _check_not_overtaken(self) -> None:
        """Check whether another attempt has published the same shards here since this one began.

        This attempt may be the older one. If it replaced the other's files, readers of the other's manifest would miss
        them.

        :raises _OvertakenError: it has.
        """
        job, destination = self._job, self._destination
        if job.collection_count() == self._collections or not job.is_finished():
            return
        check_not_replaced(job)
        manifest, latest = check_destination(destination), job.last_collection()
        published = None if latest is None else (job.uri, latest.destination)
        # The manifests of all tables lie in one folder; one of another table says nothing about this one.
        is_here = destination.table is None or manifest is None or manifest.destination == destination.published_at
        if manifest is not None and is_here and (manifest.job, manifest.destination) == published:
            raise _OvertakenError(manifest)

    def _all_written(self, parts: Sequence[ShardPart]) -> list[tuple[ShardPart, PartRecord]]:
        """Write the missing parts; one that fails does not block the others, and its error is raised at the end."""
        failure: ApiError | BatchOutcomeError | None = None
        found = []
        for part in parts:
            known = self._written.find(part.shard.shard) or self._written.find_unchanged(part)
            try:
                found.append((part, known or self._write(part)))
            except (ApiError, BatchOutcomeError) as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return found

    def _look_at_what_is_there(self, previous: Manifest | None) -> None:
        job, destination = self._job, self._destination
        short_id = job.description().nonce[:SHORT_ID_LENGTH]
        self._written = WrittenParts(job, destination, self._settings)
        self._first = 0
        taken = self._written.names_of_others | ({part.name for part in previous.parts} if previous else set())
        self._names = part_names(short_id, len(job.first_seal().part_shards), destination.format, taken)

    def _write(self, part: ShardPart) -> PartRecord:
        number = part.shard.shard
        with crash_advice(self._destination), collection_spool(self._settings) as spool:
            written = write_part(
                part,
                self._names[number],
                self._destination,
                spool,
                self._settings.prices,
                before_put=self._check_not_overtaken,
            )
        record = PartRecord(
            shard=number,
            collection=self._written.collection,
            name=written.name,
            rows=written.rows,
            bytes=written.bytes,
            shards=self._written.shards,
            written_as=self._written.written_as,
            tally=written.tally,
            unusable_file=part.unusable_file,
        )
        self._cache.tell_part(record, part.batch.id)  # first: the record is the memory of what was told
        record = self._written.note(record)
        self._settings.moved()
        return record
