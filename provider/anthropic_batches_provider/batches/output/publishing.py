"""The last steps of a collection: write the manifest, remove obsolete files, and write the ledger's record.

After a crash between two steps, either the old or the new output is there, complete, and a re-run finishes the work.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from anthropic_batches_provider import __version__
from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.output.cache_report import job_gains, tell_of_job
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.cost_report import tell_cost
from anthropic_batches_provider.batches.output.dead_letters import (
    DEAD_LETTERS_NAME,
    put_dead_letters,
    tell_dead_letters,
)
from anthropic_batches_provider.batches.output.destination import MANIFEST_NAME, Destination, check_destination
from anthropic_batches_provider.batches.output.manifest import (
    Manifest,
    OutputColumn,
    PartFile,
    encode_manifest,
    times_of,
)
from anthropic_batches_provider.batches.output.source import OutputSource
from anthropic_batches_provider.batches.output.tally import Tally
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import CorruptLedgerError, LedgerError, MessageBatchesError

if TYPE_CHECKING:  # for tables alone
    from anthropic_batches_provider.batches.output.target_table import TargetTable

log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20


def publish(
    work: OutputSource,
    destination: Destination,
    parts: tuple[PartFile, ...],
    tally: Tally,
    *,
    settings: CollectionSettings,
    spool: Path,
    superseded: Set[str] = frozenset(),
    check_current: Callable[[], None] | None = None,
) -> Manifest:
    """Write the manifest of parts that are all in place, remove files that it makes obsolete, and record the end.

    :param superseded: names of further files that the same job has written; those that are no part are removed.
    :param check_current: called while a table is locked, and raises if another attempt has gone on; by default what the
        source itself can tell.
    :raises DestinationOwnedError: another owner has published there meanwhile.
    :raises LedgerError: the rows do not add up, or another attempt has started a further round meanwhile.
    :raises CorruptLedgerError: the output in place knows more about the same rows.
    """
    # Checked again: another owner, or another attempt of this one, may have published meanwhile.
    previous = check_destination(destination)
    replaced = _replaced(destination, previous, parts, superseded)
    manifest = manifest_of(
        work,
        tally,
        settings,
        destination=destination.published_at,
        table=None if destination.table is None else destination.table.record,
        columns=_columns(work, destination),
        owner=destination.owner,
        output_format=destination.output_format,
        parts=parts,
        replaced=replaced,
    )
    work.check_current()  # first: if another attempt has begun a further round, that explains what is missing
    _check_not_poorer(manifest, previous)
    check_current = check_current or work.check_current
    if destination.table is not None:
        _load(destination.table, work, destination, parts, check_current)
    manifest = _with_dead_letters(manifest, work, destination, settings, spool, check_current)
    _put(manifest, destination, spool)
    work.close(manifest)
    log.info("Published %s at %s: %s", counted(manifest.counts.rows, "row"), manifest.destination, manifest.counts)
    tell_of_job(manifest)
    tell_cost(manifest)
    return manifest


def _with_dead_letters(
    manifest: Manifest,
    work: OutputSource,
    destination: Destination,
    settings: CollectionSettings,
    spool: Path,
    check_current: Callable[[], None],
) -> Manifest:
    """Put the dead letters in place if they are asked for, and return the manifest that names them.

    Loading a table and finding the letters may have taken long, so it is checked once more whether to go on.
    """
    if not settings.dead_letters:
        if destination.table is not None:
            check_current()
        return manifest
    try:
        letters = put_dead_letters(
            work.dead_letters(), destination.storage, DEAD_LETTERS_NAME, spool, before_put=check_current
        )
    except CorruptLedgerError:
        check_current()  # an attempt that has gone on has removed what they are made of
        raise
    replaced = tuple(name for name in manifest.replaced if letters is None or name != DEAD_LETTERS_NAME)
    manifest = replace(manifest, dead_letters=letters, replaced=replaced)
    tell_dead_letters(manifest)
    return manifest


def _columns(work: OutputSource, destination: Destination) -> tuple[OutputColumn, ...]:
    if not destination.format.is_table:
        return ()
    from anthropic_batches_provider.batches.output.table_columns import table_columns

    return tuple(OutputColumn(name=each.name, type=each.type) for each in table_columns(work.layout))


def _load(
    table: TargetTable,
    work: OutputSource,
    destination: Destination,
    parts: Sequence[PartFile],
    check_current: Callable[[], None],
) -> None:
    """Load the parts in the folder of a destination into its table."""
    from anthropic_batches_provider.batches.output.staged_rows import read_staged
    from anthropic_batches_provider.batches.output.table_columns import table_columns
    from anthropic_batches_provider.batches.output.target_table import StagedPart

    columns = table_columns(work.layout)

    @contextmanager
    def rows_of(name: str) -> Iterator[Iterator[list[Any]]]:
        with destination.storage.open(name) as file:
            lines = split_lines(iter(lambda: file.read(_READ_BYTES), b""))
            yield read_staged(lines, columns, uri=f"{destination.uri}/{name}")

    staged = [StagedPart(name=part.name, rows=part.rows, open=partial(rows_of, part.name)) for part in parts]
    table.publish(staged, columns, check_current, kept=_where_kept(work, destination))


def _where_kept(work: OutputSource, destination: Destination) -> str:
    if work.job is None:
        return "The results stay at Anthropic for 29 days after submission: collecting them again costs nothing."
    return f"The answers are collected and kept in {destination.uri}: nothing is paid again."


def _check_not_poorer(manifest: Manifest, previous: Manifest | None) -> None:
    """Check that an output does not replace one that has more answers of the same job, or of the same batches.

    :raises CorruptLedgerError: it would.
    """
    if previous is None or previous.job != manifest.job:
        return
    is_of_the_same = manifest.job is not None or previous.batch_ids == manifest.batch_ids
    if is_of_the_same and manifest.counts.succeeded < previous.counts.succeeded:
        raise CorruptLedgerError(
            f"The output at {manifest.destination} has more answers of {manifest.job or 'the same batches'} than were "
            f"found now: there {previous.counts}, now {manifest.counts}. Check whether files of the job's folder were "
            "removed or replaced, or whether another account answers. To write what was found now, set destination= to "
            "another folder. The output in place stays as it is, and nothing was spent."
        )


def _replaced(
    destination: Destination, previous: Manifest | None, parts: tuple[PartFile, ...], superseded: Set[str]
) -> tuple[str, ...]:
    """Return the files to remove: those of the previous manifest, those that a crash left over, and our own.

    Dead letters are among them, until others take their place.
    """
    listed = {part.name for part in previous.parts}.union(previous.replaced) if previous is not None else set()
    obsolete = listed.union(superseded, (DEAD_LETTERS_NAME,)) - {part.name for part in parts}
    return tuple(name for name in destination.storage.list("") if name in obsolete)


def _put(manifest: Manifest, destination: Destination, spool: Path) -> None:
    path = spool / "manifest"
    path.write_bytes(encode_manifest(manifest))
    destination.storage.put_file(path, MANIFEST_NAME)
    for name in manifest.replaced:
        destination.storage.remove(name)


def manifest_of(work: OutputSource, tally: Tally, settings: CollectionSettings, **written: Any) -> Manifest:
    """Return the manifest, after all rows were written."""
    expected = sum(part.rows for part in work.parts)
    try:
        counts = tally.counts(expected)
    except ValueError as error:
        raise LedgerError(
            f"The rows of {work.job or 'the batches'} do not add up: {error}. This is a bug in this package: please "
            "report it. No manifest was written, and the previous output is unchanged."
        ) from error
    if tally.foreign_results or tally.duplicate_results or counts.missing or counts.unreadable:
        log.warning(
            "Results and requests do not match: %d results answer no request, %d repeat an answer, %d cannot be "
            "decoded; requests without a result: %d",
            tally.foreign_results,
            tally.duplicate_results,
            counts.unreadable,
            counts.missing,
        )
    return Manifest(
        **{"output_format": None, "parts": (), **written},
        provider_version=__version__,
        job=work.job,
        batch_ids=tuple(batch.id for batch in work.batches),
        counts=counts,
        stop_reasons=tally.stop_reasons(),
        verdicts=tally.verdicts(),
        repairs=tally.repairs(),
        repair_errors=tally.repair_errors(),
        output_schema=work.output_schema,
        errors=tally.errors(),
        error_examples=dict(sorted(tally.error_examples.items())),
        usage=tally.usage(),
        times=times_of(work.batches, settings.clock.now().to_iso8601_string()),
        foreign_results=tally.foreign_results,
        duplicate_results=tally.duplicate_results,
        prompt_cache=job_gains(work, tally),
        cost=tally.cost(),
    )


@contextmanager
def collection_spool(settings: CollectionSettings) -> Iterator[Path]:
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="collect-", dir=settings.spool_folder) as folder:
        yield Path(folder)


@contextmanager
def crash_advice(destination: Destination) -> Iterator[None]:
    try:
        yield
    except MessageBatchesError:
        raise
    except Exception as error:
        error.add_note(
            f"Writing to {destination.uri} was interrupted. Run the task again: nothing is paid for again, because the "
            "results stay at Anthropic for 29 days after submission. Either the previous output or the new one is "
            f"there, complete; {MANIFEST_NAME} shows which."
        )
        raise
