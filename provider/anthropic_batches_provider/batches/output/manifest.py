"""The manifest: the files and counts of a collection; ``docs/output.md`` is the contract.

Invariant: every row has exactly one result type, so that the counts add up to the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.prompt_cache.cache_gains import JobCacheGains
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.batches.verdicts import FITS

MANIFEST_VERSION = 1


class PartFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of output rows.

    :param name: its name in the destination.
    :param uri: where it was written.
    :param bytes: its size as stored, compressed or not.
    """

    name: str
    uri: str
    rows: int
    bytes: int

    @classmethod
    def at(cls, destination: str, name: str, *, rows: int, size: int) -> PartFile:
        """Describe a file of a destination."""
        return cls(name=name, uri=f"{destination}/{name}", rows=rows, bytes=size)


_RESULT_TYPES = ("succeeded", "errored", "canceled", "expired", "missing", "unreadable", "invalid_row")


class RowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows have each type of result.

    :raises ValueError: the types do not add up to the rows.
    """

    rows: int
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0
    missing: int = 0
    unreadable: int = 0
    invalid_row: int = 0

    def __post_init__(self) -> None:
        found = sum(getattr(self, name) for name in _RESULT_TYPES)
        if found != self.rows:
            raise ValueError(f"{found:,} rows have a result type, of {self.rows:,} rows")

    @property
    def billed(self) -> int:
        """Rows that were billed, or may have been."""
        return self.succeeded + self.missing + self.unreadable

    def __str__(self) -> str:
        """Return the counts above 0 in human-readable form: ``58 succeeded, 2 errored``."""
        types = {name: getattr(self, name) for name in _RESULT_TYPES}
        return ", ".join(f"{count:,} {name}" for name, count in types.items() if count) or "no rows"


class OutputColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of an output that is a table.

    :param type: as Arrow writes it; ``json`` for JSON as text.
    """

    name: str
    type: str


class TableRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a database, in the manifest.

    :param conn_id: the Airflow connection of the database.
    :param table: its name, with its schema if the task named one.
    :param owner_column: the column that holds the owner of each row.
    :param owner: the owner of the rows of this output.
    """

    conn_id: str
    table: str
    owner_column: str
    owner: str


class DeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """The file of the rows that stay without a usable result, with their requests.

    :param uri: of the file, for ``requests=``.
    :param rows: how many rows it holds.
    """

    uri: str
    rows: int


class RepairCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the repair of one verdict did.

    :param requests: the requests that were sent to repair such an answer; those that were answered were billed.
    :param fits: rows whose last such request brought an answer that fits.
    """

    requests: int
    fits: int


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """The times of a collection; ISO 8601 in UTC.

    :param submitted_at: when the first batch was created; ``collected_at`` if the API does not say.
    :param ended_at: when the last batch ended; None if the API does not say.
    :param collected_at: when all rows were written.
    """

    submitted_at: str
    ended_at: str | None
    collected_at: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The record of what one collection wrote.

    :param job: URI of the job folder; None for batches that something else submitted.
    :param owner: the owner of the destination.
    :param destination: URI of the folder, or ``xcom``.
    :param table: the table that holds the rows; None for files and XCom.
    :param columns: of a table, Parquet or CSV, the columns of the output; empty for all others.
    :param output_format: the format's name, such as ``jsonl``; None in XCom and for a table.
    :param stop_reasons: the number of succeeded rows by stop reason; ``refusal`` is one of the reasons.
    :param verdicts: the number of succeeded rows by verdict.
    :param repairs: by verdict, what was asked again to repair such answers; paid for again.
    :param repair_errors: rows whose latest request, which was to repair an answer, errored, by error type.
    :param output_schema: hash of the JSON Schema that judged the answers; None if there was none.
    :param errors: the number of errored rows by error type.
    :param error_examples: one error message for each error type, and for ``unreadable``.
    :param usage: per model, the fields of :class:`Usage`; of all rounds, results that do not count included.
    :param foreign_results: results that answer no request of the job; left out of the output.
    :param duplicate_results: further results for a request that has one; left out of the output.
    :param dead_letters: where the failed rows are with their requests; None if none are there, or none were asked for.
    :param prompt_cache: what the prompt cache did; None for a job without one.
    :param cost: what all requests cost, results that do not count included; None if prices are not known.
    :param replaced: files of the previous manifest that this one makes obsolete; removed once it is in place.
    """

    version: int = MANIFEST_VERSION
    provider_version: str
    job: str | None
    owner: str | None
    destination: str
    table: TableRecord | None = None
    columns: tuple[OutputColumn, ...] = ()
    output_format: str | None
    batch_ids: tuple[str, ...]
    parts: tuple[PartFile, ...]
    counts: RowCounts
    stop_reasons: dict[str, int]
    verdicts: dict[str, int] = {}
    repairs: dict[str, RepairCounts] = {}
    repair_errors: dict[str, int] = {}
    output_schema: str | None = None
    errors: dict[str, int]
    error_examples: dict[str, str] = {}
    usage: dict[str, dict[str, int]]
    times: Times
    foreign_results: int = 0
    duplicate_results: int = 0
    dead_letters: DeadLetters | None = None
    prompt_cache: JobCacheGains | None = None
    cost: JobCost | None = None
    replaced: tuple[str, ...] = ()

    @property
    def failed_rows(self) -> int:
        """Rows without a usable answer: those that did not succeed, and with a schema those that do not fit it."""
        usable = self.counts.succeeded if self.output_schema is None else self.verdicts.get(FITS, 0)
        return self.counts.rows - usable

    @property
    def rows_without_letter(self) -> int:
        """Failed rows that had a request but are no dead letter."""
        letters = 0 if self.dead_letters is None else self.dead_letters.rows
        return self.failed_rows - self.counts.invalid_row - letters

    def as_dict(self) -> dict[str, Any]:
        """Return the manifest as plain JSON values, e.g. for XCom; of a table, without the files that were loaded."""
        shown = self if self.table is None else replace(self, parts=(), replaced=(), output_format=None)
        manifest: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
        return manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as human-readable JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    :raises ValueError: the content is not a manifest, or has another version.
    """
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except UNDECODABLE as error:
        raise ValueError(f"it is not a manifest of this package: {error}") from error
    if manifest.version != MANIFEST_VERSION:
        raise ValueError(f"it is of version {manifest.version}, but this package reads version {MANIFEST_VERSION}")
    return manifest


def times_of(batches: Sequence[MessageBatch], collected_at: str) -> Times:
    """Return when the batches were created and ended."""
    births = [batch.created_at for batch in batches if batch.created_at is not None]
    ends = [batch.ended_at for batch in batches]
    known_ends = [end for end in ends if end is not None]
    return Times(
        submitted_at=min(births).to_iso8601_string() if births else collected_at,
        ended_at=max(known_ends).to_iso8601_string() if len(known_ends) == len(ends) else None,
        collected_at=collected_at,
    )
