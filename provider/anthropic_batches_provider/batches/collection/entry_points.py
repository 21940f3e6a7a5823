"""Collects ended batches to a destination or into memory. The order of the steps makes it safe to repeat.

The steps: check the owner, try to write, check the batches' state, write the parts, write the manifest, remove files
that it makes obsolete, write the ledger's record, and remove the requests. After a crash between two steps, either the
old or the new output is there, complete, and a re-run finishes the work.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from anthropic_batches_provider.batches.collection.job_collection import JobCollection
from anthropic_batches_provider.batches.collection.job_results import JobResults
from anthropic_batches_provider.batches.collection.plain_batches import PlainBatches
from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.batches.output.cache_report import CacheReport, tell_of_job
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.cost_report import tell_cost
from anthropic_batches_provider.batches.output.dead_letters import tell_dead_letters
from anthropic_batches_provider.batches.output.destination import (
    Destination,
    check_destination,
    check_writable,
    claim_destination,
)
from anthropic_batches_provider.batches.output.manifest import Manifest, PartFile
from anthropic_batches_provider.batches.output.memory import RowsInMemory
from anthropic_batches_provider.batches.output.part_files import part_names, write_part
from anthropic_batches_provider.batches.output.publishing import (
    collection_spool,
    crash_advice,
    manifest_of,
    publish,
)
from anthropic_batches_provider.batches.output.row_sink import CountedRows
from anthropic_batches_provider.batches.output.tally import tally_of, tally_of_parts
from anthropic_batches_provider.batches.output.usage_rows import PublishedUsage, usage_rows
from anthropic_batches_provider.batches.service import ResultsSource

_XCOM = "xcom"


@dataclass(frozen=True, slots=True, kw_only=True)
class XComRows:
    """Rows in memory.

    :param rows: in input order, with the same columns as in a file.
    :param manifest: as for a file, without parts.
    """

    rows: list[dict[str, Any]]
    manifest: Manifest


def collect_job(
    job: JobFolder, source: ResultsSource, destination: Destination, settings: CollectionSettings
) -> Manifest:
    """Write the results of a job, one row per request in input order, one part file per shard.

    A new attempt resumes where a killed one stopped.

    :raises DestinationOwnedError: the destination belongs to another owner.
    :raises ConfigurationError: the destination cannot be written.
    :raises BatchesNotEndedError: a shard has no batch yet, or a batch has not ended.
    :raises ResultsUnavailableError: a batch or its results are gone.
    :raises ResultsStreamError: the results broke off each time they were fetched.
    """
    collection = JobCollection(job, source, destination, settings)
    manifest = collection.publish()
    collection.finish()
    return manifest


def collect_batches(
    batch_ids: Sequence[str], source: ResultsSource, destination: Destination, settings: CollectionSettings
) -> Manifest:
    """Write the results of batches that something else submitted: one part file per batch, in the order given.

    The rows of a part are in the order of the API's results, which is arbitrary; their key is the ``custom_id``.

    Raises the same errors as :func:`collect_job`.
    """
    check_destination(destination)
    check_writable(destination)
    work = PlainBatches(batch_ids, source, settings)
    if destination.table is not None:
        from anthropic_batches_provider.batches.output.table_columns import table_columns

        destination.table.check(table_columns(work.layout))
    previous = claim_destination(destination)
    taken = {part.name for part in previous.parts} if previous else set()
    names = part_names(work.short_id, len(work.parts), destination.format, taken)
    tally = tally_of_parts(settings.prices)
    parts = []
    with crash_advice(destination), collection_spool(settings) as spool:
        for name, part in zip(names, work.parts, strict=True):
            written = write_part(part, name, destination, spool, settings.prices)
            tally.include(written.tally)
            parts.append(PartFile.at(destination.uri, written.name, rows=written.rows, size=written.bytes))
        return publish(work, destination, tuple(parts), tally, settings=settings, spool=spool)


def rows_for_xcom(
    work: JobFolder | Sequence[str],
    source: ResultsSource,
    settings: CollectionSettings,
    *,
    max_bytes: int,
) -> XComRows:
    """Return the rows that a file would hold, as dicts.

    :param work: a job, or the ids of batches that something else submitted.
    :param max_bytes: the most bytes that the rows may take as JSON Lines.
    :raises XComLimitError: they take more.

    Otherwise raises the same errors as :func:`collect_job`.
    """
    found = JobResults(work, source, settings) if isinstance(work, JobFolder) else PlainBatches(work, source, settings)
    born = {batch.id: batch.created_at for batch in found.batches}
    tally = tally_of(found.prompt_cache, settings.prices, born.get)
    sink = RowsInMemory(found.layout, max_bytes=max_bytes, total_rows=sum(part.rows for part in found.parts))
    rows = CountedRows(sink, tally)
    with collection_spool(settings) as spool, found.opened(spool):
        for part in found.parts:
            part.write_to(rows, spool)
        for part in found.parts:
            part.close(spool)
        letters = found.put_letters_into_job(spool) if isinstance(found, JobResults) else None
    manifest = manifest_of(found, tally, settings, destination=_XCOM, owner=found.owner, dead_letters=letters)
    if settings.dead_letters:
        tell_dead_letters(manifest)
    tell_of_job(manifest)
    if isinstance(work, JobFolder):
        CacheReport(work).tell_all(manifest)
    found.close(manifest)
    tell_cost(manifest)
    used = usage_rows(found.job, tally.by_batch(), found.batches)
    settings.told_usage(PublishedUsage(used, found.check_current))
    return XComRows(rows=sink.rows, manifest=manifest)


class XComCollection:
    """Collects a job into memory, in place of a :class:`JobCollection`.

    :param max_bytes: the most bytes that the rows may take as JSON Lines.
    """

    def __init__(self, job: JobFolder, source: ResultsSource, settings: CollectionSettings, *, max_bytes: int) -> None:
        self._job = job
        self._source = source
        self._settings = settings
        self._max_bytes = max_bytes
        self.rows: list[dict[str, Any]] = []

    def write_next(self) -> None:
        """Do nothing: :meth:`publish` reads all rows at once."""

    def publish(self) -> Manifest:
        """Read all rows.

        Raises the same errors as :func:`rows_for_xcom`.
        """
        found = rows_for_xcom(self._job, self._source, self._settings, max_bytes=self._max_bytes)
        self.rows = found.rows
        return found.manifest

    def parts_in_place(self) -> Set[int]:
        """Return none: all rows are read again after a further round."""
        return frozenset()

    def finish(self) -> None:
        """Do nothing: nothing was written."""
