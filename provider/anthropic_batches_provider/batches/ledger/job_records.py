"""Reads and creates the records in one job's folder; a record is read only once, because none is ever rewritten."""

from __future__ import annotations

from typing import TypeVar

from anthropic_batches_provider.batches.ledger.record_format import Record, create_once, decode
from anthropic_batches_provider.batches.ledger.storage import Storage

_Record = TypeVar("_Record", bound=Record)


class JobRecords:
    """The records in a job's folder.

    :param storage: the storage that holds all jobs and claims.
    :param path: the job's folder in it.
    """

    def __init__(self, storage: Storage, path: str) -> None:
        self.storage = storage
        self.path = path
        self._known: dict[str, Record] = {}

    def create(self, name: str, record: Record) -> bool:
        """Create a record; return False if another one has its name.

        :param name: path in the job folder.
        """
        is_ours = create_once(self.storage, f"{self.path}/{name}", record)
        if is_ours:
            self._known[name] = record
        return is_ours

    def read(self, name: str, kind: type[_Record]) -> _Record | None:
        """Return a record, or None if there is none; a missing record is looked for again each time.

        :raises CorruptLedgerError: it cannot be read as a record of this kind.
        """
        known = self._known.get(name)
        if isinstance(known, kind):
            return known
        path = f"{self.path}/{name}"
        try:
            content = self.storage.read(path)
        except FileNotFoundError:
            return None
        record = self._known[name] = decode(content, kind, where=f"{self.storage.uri}/{path}")
        return record

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder of the job."""
        return self.storage.list(f"{self.path}/{folder}")
