"""The facts of the ledger about the output: parts that are written, and collections that are whole."""

from __future__ import annotations

import msgspec

from anthropic_batches_provider.batches.ledger.record_format import Record


class UnusableRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a shard that have no usable result, kept so that they can be sent again.

    :param shard: the shard of the first round.
    :param file: path in the job folder; JSON Lines with number, result type, error type and params of each row.
    """

    shard: int
    file: str


class TallyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted while the rows of a part were written.

    :param kinds: result type, stop reason, error type and number of rows of each kind.
    :param error_examples: one message of each error type.
    :param usage: per model, the fields of :class:`Usage`.
    :param foreign_results: results that answered no request of the shard.
    :param duplicate_results: further results for a request that had one.
    """

    kinds: tuple[tuple[str, str | None, str | None, int], ...] = ()
    error_examples: dict[str, str] = {}
    usage: dict[str, dict[str, int]] = {}
    foreign_results: int = 0
    duplicate_results: int = 0


class PartRecord(Record, frozen=True, kw_only=True):
    """The rows of a shard are in the destination, whole; the manifest that makes them count may still be missing.

    :param shard: the shard of the first round.
    :param collection: number of the collection that it belongs to, from 1.
    :param name: of the file, in the destination.
    :param bytes: size of the file.
    :param shards: number of shards, of all rounds, whose results it holds.
    :param written_as: 8 hex digits of where and how it was written: destination, format, columns, version.
    :param tally: what was counted in it.
    :param unusable_file: where its rows without a usable result are kept, in the job folder; None if it has none, or if
        their requests are gone.
    """

    kind = "part"

    shard: int
    collection: int
    name: str
    rows: int
    bytes: int
    shards: int
    written_as: str
    tally: TallyRecord
    unusable_file: str | None = None


class CollectionRecord(Record, frozen=True, kw_only=True):
    """The results of the job were written whole.

    :param destination: URI of the folder, or ``xcom``.
    :param usable_rows: rows with a succeeded result.
    :param shards: number of shards, of all rounds, whose results it holds.
    :param unusable: where the other rows are kept.
    :param tries: names the tries of the task that wrote them, where that task submits, too; else "".
    """

    kind = "collected"

    destination: str
    rows: int
    usable_rows: int
    at: str
    shards: int
    unusable: tuple[UnusableRows, ...] = ()
    tries: str = ""
