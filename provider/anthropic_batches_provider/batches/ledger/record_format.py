"""Writes and reads the records of the ledger.

A record that is unreadable, of another kind or of a newer version stops the work: nothing is spent while facts are
uncertain.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec

from anthropic_batches_provider.batches.ledger.storage import Storage
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import CorruptLedgerError

LEDGER_VERSION = 1


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A fact of the ledger; moments are ISO 8601 text in UTC."""

    kind: ClassVar[str]


_Record = TypeVar("_Record", bound=Record)


def encode(record: Record) -> bytes:
    """Return a record as human-readable JSON."""
    body = {"record": type(record).kind, "version": LEDGER_VERSION, **msgspec.to_builtins(record)}
    return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"


def decode(content: bytes, kind: type[_Record], *, where: str) -> _Record:
    """Read a record.

    :param where: the object's URI, for the error message.
    :raises CorruptLedgerError: it is not a record of this kind, or was written by a newer version of this package.
    """
    try:
        body = msgspec.json.decode(content, type=dict)
        if body.pop("record") != kind.kind:
            raise ValueError("it is a record of another kind")
        if body.pop("version") != LEDGER_VERSION:
            raise ValueError("it was written by another version of this package")
        return msgspec.convert(body, kind)
    except (*UNDECODABLE, KeyError, ValueError) as error:
        raise CorruptLedgerError(
            f"{where} cannot be read as a record of kind {kind.kind!r}: {type(error).__name__}: {error}. Restore it, "
            "or look up the job's batches in the Claude Console before you remove the job's folder. Check whether this "
            "record was changed or truncated manually or by another program. Removing the folder deletes the record of "
            "what was paid for. Nothing was spent."
        ) from error


def create_once(storage: Storage, path: str, record: Record) -> bool:
    """Create a record exclusively; return False if another one has its name."""
    try:
        storage.create(path, encode(record))
    except FileExistsError:
        return False
    return True
