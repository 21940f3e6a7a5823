"""Collects ended batches to a destination or to memory; the order of the steps is what makes it safe to repeat.

Owner, then write check, then the batches' state, then the parts, then the manifest, then what the new manifest makes
obsolete, then the ledger's record, and last the requests. A crash between any two leaves either the old output or the
new one, whole, and a re-run completes.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic_batches_provider import __version__
from anthropic_batches_provider.batches.collection.destination import (
    MANIFEST_NAME,
    Destination,
    check_destination,
    check_writable,
)
from anthropic_batches_provider.batches.collection.foreign_work import BatchesWork
from anthropic_batches_provider.batches.collection.job_work import JobWork
from anthropic_batches_provider.batches.collection.manifest import Manifest, PartFile, Tally, encode_manifest, times_of
from anthropic_batches_provider.batches.collection.settings import CollectionSettings
from anthropic_batches_provider.batches.collection.sinks import part_names, rows_in_memory, write_parts
from anthropic_batches_provider.batches.collection.work import Work
from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.batches.results import ResultsSource
from anthropic_batches_provider.errors import LedgerError, MessageBatchesError

log = logging.getLogger(__name__)

DEFAULT_XCOM_MAX_BYTES = 1_000_000

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

    :raises DestinationOwnedError: the destination is another owner's.
    :raises ConfigurationError: the destination cannot be written.
    :raises BatchesNotEndedError: a shard has no batch yet, or a batch has not ended.
    :raises ResultsUnavailableError: a batch or its results are gone.
    :raises ResultsStreamError: the results broke off each time they were fetched.
    """
    return _collect_to(destination, settings, lambda: JobWork(job, source, settings))


def collect_batches(
    batch_ids: Sequence[str], source: ResultsSource, destination: Destination, settings: CollectionSettings
) -> Manifest:
    """Write the results of batches that something else submitted: one part file per batch, in the order given.

    The rows of a part are in the order of the API's results, which is arbitrary; their key is the ``custom_id``.

    Raises as :func:`collect_job` does.
    """
    return _collect_to(destination, settings, lambda: BatchesWork(batch_ids, source, settings))


def rows_for_xcom(
    work: JobFolder | Sequence[str],
    source: ResultsSource,
    settings: CollectionSettings,
    *,
    max_bytes: int = DEFAULT_XCOM_MAX_BYTES,
) -> XComRows:
    """Return the rows that a file would hold, as dicts.

    :param work: a job, or the ids of batches that something else submitted.
    :param max_bytes: how much they may take as JSON Lines.
    :raises XComLimitError: they take more.

    Raises as :func:`collect_job` does otherwise.
    """
    tally = Tally()
    found = JobWork(work, source, settings) if isinstance(work, JobFolder) else BatchesWork(work, source, settings)
    with _spool(settings) as spool, found.opened(spool, tally):
        rows = rows_in_memory(found, spool, tally, max_bytes=max_bytes)
    manifest = _manifest(found, tally, settings, destination=_XCOM, owner=found.owner)
    found.close(manifest)
    return XComRows(rows=rows, manifest=manifest)


def _collect_to(destination: Destination, settings: CollectionSettings, find_work: Callable[[], Work]) -> Manifest:
    previous = check_destination(destination)
    check_writable(destination)
    work = find_work()
    tally = Tally()
    with _advice_for_a_crash(destination), _spool(settings) as spool:
        names = part_names(work, destination.output_format, previous)
        with work.opened(spool, tally):
            parts = write_parts(work, destination, names, spool, tally)
        # Looked at again: another owner, or another attempt of this one, may have published meanwhile.
        replaced = _replaced(destination, check_destination(destination), parts)
        manifest = _manifest(
            work,
            tally,
            settings,
            destination=destination.uri,
            owner=destination.owner,
            output_format=destination.output_format,
            parts=parts,
            replaced=replaced,
        )
        work.check_current()
        _publish(manifest, destination, spool)
        work.close(manifest)
    log.info("Collected %d rows to %s: %s", manifest.counts.rows, manifest.destination, manifest.counts)
    return manifest


def _replaced(destination: Destination, previous: Manifest | None, parts: tuple[PartFile, ...]) -> tuple[str, ...]:
    """Return which files of the previous manifest are to go; also those that a crash kept it from removing."""
    if previous is None:
        return ()
    obsolete = {part.name for part in previous.parts}.union(previous.replaced) - {part.name for part in parts}
    return tuple(name for name in destination.storage.list("") if name in obsolete)


def _publish(manifest: Manifest, destination: Destination, spool: Path) -> None:
    path = spool / "manifest"
    path.write_bytes(encode_manifest(manifest))
    destination.storage.put_file(path, MANIFEST_NAME)
    for name in manifest.replaced:
        destination.storage.remove(name)


def _manifest(work: Work, tally: Tally, settings: CollectionSettings, **written: Any) -> Manifest:
    """Return the manifest of rows that were all written."""
    expected = sum(part.requests for part in work.parts)
    try:
        counts = tally.counts(expected)
    except ValueError as error:
        raise LedgerError(
            f"The rows of {work.job or 'the batches'} do not add up: {error}. No manifest was written, and the "
            "previous output is as it was. This is a fault of this package: please report it."
        ) from error
    if tally.foreign_results or tally.duplicate_results or counts.missing:
        log.warning(
            "Of the results, %d answer no request and %d repeat one that was answered; %d requests have none",
            tally.foreign_results,
            tally.duplicate_results,
            counts.missing,
        )
    return Manifest(
        **{"output_format": None, "parts": (), **written},
        provider_version=__version__,
        job=work.job,
        batch_ids=tuple(batch.id for batch in work.batches),
        counts=counts,
        stop_reasons=tally.stop_reasons(),
        errors=tally.errors(),
        error_examples=dict(sorted(tally.error_examples.items())),
        usage=tally.usage.as_dict(),
        times=times_of(work.batches, settings.clock.now().to_iso8601_string()),
        foreign_results=tally.foreign_results,
        duplicate_results=tally.duplicate_results,
    )


@contextmanager
def _spool(settings: CollectionSettings) -> Iterator[Path]:
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="collect-", dir=settings.spool_folder) as folder:
        yield Path(folder)


@contextmanager
def _advice_for_a_crash(destination: Destination) -> Iterator[None]:
    try:
        yield
    except MessageBatchesError:
        raise
    except Exception as error:
        error.add_note(
            f"Writing to {destination.uri} stopped here. Either the previous output or the new one is there, whole, "
            f"as {MANIFEST_NAME} tells. The results stay at Anthropic for 29 days after submission: run the task "
            "again, and nothing is paid again."
        )
        raise
