"""The records of the ledger about the output: written parts and complete collections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from anthropic_batches_provider.batches.ledger.record_format import Record
from anthropic_batches_provider.batches.money.batch_uses import ModelUse
from anthropic_batches_provider.batches.prompt_cache.cache_uses import CacheUse


class UnusableRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a shard that have no usable result, or an answer that cannot be used, kept to be sent again.

    :param shard: the shard of the first round.
    :param file: path in the job folder; JSON Lines, see :class:`~collection.unusable_rows.UnusableRow`.
    """

    shard: int
    file: str


class TallyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The counts taken while the rows of a part were written.

    :param kinds: result type, stop reason, error type and number of rows of each kind.
    :param error_examples: one message of each error type.
    :param usage: per model, the fields of :class:`Usage`.
    :param verdicts: number of succeeded rows by verdict; empty in parts of before this was recorded.
    :param repairs: by verdict, the requests that were sent to repair such answers, and the rows that then fit.
    :param repair_errors: rows whose latest request, which was to repair an answer, errored, by error type.
    :param foreign_results: results that answered no request of the shard.
    :param duplicate_results: further results for a request that already had one.
    :param cache: by message batch and model, what the answers report of the prompt cache; empty in jobs without one.
    :param costs: by model, the fields of :meth:`.ModelCost.as_dict`; None if prices were not known, and in parts of
        before this was recorded.
    :param batches: what ``usage`` and ``costs`` sum up, by message batch and model; empty in parts of before this was
        recorded.
    """

    kinds: tuple[tuple[str, str | None, str | None, int], ...] = ()
    error_examples: dict[str, str] = {}
    usage: dict[str, dict[str, int]] = {}
    verdicts: dict[str, int] = {}
    repairs: dict[str, tuple[int, int]] = {}
    repair_errors: dict[str, int] = {}
    foreign_results: int = 0
    duplicate_results: int = 0
    cache: dict[str, dict[str, CacheUse]] = {}
    costs: dict[str, dict[str, Any]] | None = None
    batches: dict[str, dict[str, ModelUse]] = {}


class PartRecord(Record, frozen=True, kw_only=True):
    """All rows of a shard are in the destination; the manifest that makes them part of the output may still be missing.

    :param shard: the shard of the first round.
    :param collection: number of the collection that it belongs to, from 1.
    :param name: name of the file in the destination.
    :param bytes: size of the file.
    :param shards: number of shards, of all rounds, whose results it holds.
    :param written_as: 8 hex digits that identify where and how it was written: destination, format, columns, version.
    :param tally: the counts of its rows.
    :param unusable_file: path in the job folder of its rows without a usable result; None if it has none, or if their
        requests are gone.
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
    """All results of the job were written.

    :param destination: URI of the folder, or ``xcom``.
    :param usable_rows: rows with a succeeded result.
    :param shards: number of shards, of all rounds, whose results it holds.
    :param unusable: where the other rows are kept.
    :param tries: identifies the tries of the task that wrote them, if that task also submits; otherwise "".
    :param judged_by: what judged the answers: ``model``, ``schema``, or "" without an ``output_schema``, and in records
        of before this was recorded.
    :param billed_rows: rows that were billed, or may have been: succeeded, missing or unreadable, and results without
        a row of their own; None in records of before this was recorded.
    :param cost_usd: what the requests cost, in dollars to the last digit; None if that is not known, and in records of
        before this was recorded.
    :param cost_is_at_least: whether the cost of some requests is unknown.
    :param cache: by model, what the answers report of the prompt cache; empty in jobs without one.
    """

    kind = "collected"

    destination: str
    rows: int
    usable_rows: int
    at: str
    shards: int
    unusable: tuple[UnusableRows, ...] = ()
    tries: str = ""
    judged_by: str = ""
    billed_rows: int | None = None
    cost_usd: str | None = None
    cost_is_at_least: bool = False
    cache: dict[str, CacheUse] = msgspec.field(default_factory=dict)


def latest_parts(parts: Iterable[PartRecord]) -> dict[int, PartRecord]:
    """Return the part of each shard that holds the most rounds: it is written anew when its rows are sent again."""
    latest: dict[int, PartRecord] = {}
    for part in parts:
        before = latest.get(part.shard)
        if before is None or before.shards <= part.shards:
            latest[part.shard] = part
    return latest
