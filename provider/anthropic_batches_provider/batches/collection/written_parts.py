"""Which parts of a job's output are written: facts of the ledger, so that an attempt goes on where the last was killed.

Invariant: a part counts as written only for the same destination, format and version, while its file is there, and
while nothing that was written otherwise may have taken its name since.
"""

from __future__ import annotations

import hashlib

import msgspec

from anthropic_batches_provider import __version__
from anthropic_batches_provider.batches.collection.destination import Destination
from anthropic_batches_provider.batches.collection.settings import CollectionSettings
from anthropic_batches_provider.batches.collection.shard_part import ShardPart
from anthropic_batches_provider.batches.ledger import JobFolder, PartRecord


class WrittenParts:
    """The parts of the collection in progress, which is the one after the last whole one."""

    def __init__(self, job: JobFolder, destination: Destination, settings: CollectionSettings) -> None:
        self._job = job
        self._files = set(destination.storage.list(""))
        self._kept = {f"unusable/{name}" for name in job.storage.list(f"{job.path}/unusable")}
        self._known = job.parts()
        written_as = msgspec.json.encode(
            [destination.uri, destination.output_format, settings.include_message, __version__]
        )
        self.written_as = hashlib.blake2b(written_as, digest_size=4).hexdigest()
        self.collection = job.collections + 1
        self.shards = sum(len(seal.shards) for seal in job.rounds())
        self._found = {record.shard: record for record in self._known if self._is_current(record)}

    @property
    def names(self) -> frozenset[str]:
        """Every part file that this job has written anywhere."""
        return frozenset(record.name for record in (*self._known, *self._found.values()))

    @property
    def names_of_others(self) -> set[str]:
        """Part files that were written for another destination, or with another format, columns or version."""
        return {record.name for record in self._known if record.written_as != self.written_as}

    def find(self, shard: int) -> PartRecord | None:
        """Return what is written of a shard for the collection in progress."""
        return self._found.get(shard)

    def find_unchanged(self, part: ShardPart) -> PartRecord | None:
        """Return what an earlier collection wrote of a shard, where further rounds have brought it nothing new.

        A collection of the same rounds as the last one writes all parts anew: perhaps their files are to be mended.
        """
        last = self._job.last_collection()
        if last is None or last.shards == self.shards:
            return None
        earlier = [
            record
            for record in self._known
            if record.shard == part.shard.shard
            and self._is_there(record)
            and not part.was_sent_again_since(record.shards)
        ]
        return max(earlier, key=lambda record: record.collection, default=None)

    def note(self, record: PartRecord) -> PartRecord:
        """Record a part whose file was just put in place; return the record of another attempt that came first."""
        noted = self._job.wrote_part(record)
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
