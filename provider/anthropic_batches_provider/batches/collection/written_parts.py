"""Which parts of a job's output are written. The ledger records them, so an attempt resumes where the last was killed.

Invariant: a part counts as written only for the same destination, format, judge and version, and only while its file is
there.
Nothing that was written in another way may have taken its name since.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator

import msgspec

from anthropic_batches_provider import __version__
from anthropic_batches_provider.batches.collection.job_context import output_schema_of
from anthropic_batches_provider.batches.collection.shard_part import ShardPart
from anthropic_batches_provider.batches.judging import judged_by
from anthropic_batches_provider.batches.ledger import JobFolder, PartRecord, jobs_of
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.column_choice import EVERY_COLUMN, ColumnChoice
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.formats import format_names
from anthropic_batches_provider.batches.output.source import SHORT_ID_LENGTH
from anthropic_batches_provider.errors import LedgerError

log = logging.getLogger(__name__)


class WrittenParts:
    """The parts of the collection in progress, which follows the last complete one."""

    def __init__(self, job: JobFolder, destination: Destination, settings: CollectionSettings) -> None:
        self._job = job
        self._files = set(destination.storage.list(""))
        self._kept = {f"unusable/{name}" for name in job.storage.list(f"{job.path}/unusable")}
        self._known = job.parts()
        how = judged_by(output_schema_of(job.description()))
        self._choice = settings.choice
        self.written_as = _written_as(
            destination.uri, destination.output_format, settings.include_message, how, settings.choice
        )
        self._destination = destination
        self.collection = job.collection_count() + 1
        self.shards = sum(len(seal.shards) for seal in job.rounds())
        self._found = {record.shard: record for record in self._known if self._is_current(record)}

    @property
    def names(self) -> frozenset[str]:
        """Names of all part files that this job has written, at any destination."""
        return frozenset(record.name for record in (*self._known, *self._found.values()))

    @property
    def names_of_others(self) -> set[str]:
        """Names of part files that were written for another destination, or with another format, columns or version."""
        return {record.name for record in self._known if record.written_as != self.written_as}

    def names_of_earlier_jobs(self) -> set[str]:
        """Return part files here of jobs that this one has replaced; perhaps no manifest ever listed them.

        The files of a job that cannot be read stay: that is no reason to withhold an output.
        """
        ways = {
            _written_as(self._destination.uri, format_name, include_message, how, choice)
            for choice in {EVERY_COLUMN, self._choice}
            for format_name in format_names()
            for include_message in (False, True)
            for how in ("", "model", "schema")
        }
        try:
            return {
                part.name
                for job in self._earlier_jobs()
                for part in job.parts()
                if part.written_as in ways and part.name in self._files
            }
        except LedgerError as error:
            log.warning("Files of earlier jobs may remain at %s: %s", self._destination.uri, error)
            return set()

    def _earlier_jobs(self) -> Iterator[JobFolder]:
        """Yield the earlier jobs of the same unit that have left files with their names here."""
        owner = self._job.description().owner
        for job in jobs_of(self._job.storage, self._job.unit_folder).jobs:
            if job.path == self._job.path:
                return
            record = job.description()
            short_id = record.nonce[:SHORT_ID_LENGTH]
            if record.owner == owner and any(short_id in name for name in self._files):
                yield job

    def find(self, shard: int) -> PartRecord | None:
        """Return the part of a shard that is written for the collection in progress."""
        return self._found.get(shard)

    def find_unchanged(self, part: ShardPart) -> PartRecord | None:
        """Return the part of a shard that an earlier collection wrote, if further rounds brought nothing new for it.

        A collection of the same rounds as the last one writes all parts again, because their files may need repair.
        """
        last = self._job.last_collection()
        if last is None or last.shards == self.shards:
            return None
        earlier = [
            record
            for record in self._job.known_parts_of(part.shard.shard)
            if self._is_there(record) and not part.was_sent_again_since(record.shards)
        ]
        return max(earlier, key=lambda record: record.collection, default=None)

    def shards_in_place(self) -> frozenset[int]:
        """Return the shards of which a part is there that was written in the same way."""
        return frozenset(record.shard for record in self._known if self._is_there(record))

    def note(self, record: PartRecord) -> PartRecord:
        """Record a part whose file was just put in place; if another attempt came first, return its record."""
        noted = self._job.record_part(record)
        self._files.add(noted.name)
        self._found[noted.shard] = noted
        if noted.unusable_file != record.unusable_file and record.unusable_file is not None:
            self._job.storage.remove(f"{self._job.path}/{record.unusable_file}")
        return noted

    def _is_current(self, record: PartRecord) -> bool:
        return (record.collection, record.shards) == (self.collection, self.shards) and self._is_there(record)

    def _is_there(self, record: PartRecord) -> bool:
        return (
            record.written_as == self.written_as
            and record.name in self._files
            and (record.unusable_file is None or record.unusable_file in self._kept)
        )


def _written_as(uri: str, format_name: str, include_message: bool, how: str, choice: ColumnChoice) -> str:
    """Return a name for how a part is written.

    :param how: what judges the answers; "" for parts whose answers nothing judges.
    """
    chosen = [] if choice == EVERY_COLUMN else [choice.names, choice.is_whole]
    described = msgspec.json.encode([uri, format_name, include_message, __version__, *([how] if how else []), *chosen])
    return hashlib.blake2b(described, digest_size=4).hexdigest()
