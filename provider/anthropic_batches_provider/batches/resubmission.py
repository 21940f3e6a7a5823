"""Further rounds: which rows of a finished job go again, and as which shards.

Only rows without a usable result go again, chosen by what the error says; the answers that are there are kept. A job
has at most ``max_rounds`` rounds, the first included.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.batches.collection.unusable import UnusableRow, read_unusable_rows
from anthropic_batches_provider.batches.ledger import CollectionRecord, JobFolder, SealRecord
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards
from anthropic_batches_provider.batches.submission import seal_round, upload_shard

log = logging.getLogger(__name__)

DEFAULT_MAX_ROUNDS = 3

# Errors that the same request would meet again. Source: https://platform.claude.com/docs/en/api/errors (2026-08-22)
_REPEATING_ERRORS = frozenset(("invalid_request_error", "not_found_error", "request_too_large"))


@dataclass(frozen=True, slots=True)
class _GoingAgain:
    """A row as ``cut_shards`` takes it; its columns are its number alone, since the first round holds the rest."""

    number: int
    columns: bytes
    params: bytes


def may_go_again(result_type: str, error_type: str | None) -> bool:
    """Return whether a row without a usable result may be sent again.

    Canceled and expired rows may, and errored ones whose error may pass (overload, a server's error, a limit, an
    exhausted credit or a key that was mended since). A bad request never: it would fail again. Nor a missing result:
    it may have been billed.
    """
    if result_type == "errored":
        return error_type not in _REPEATING_ERRORS
    return result_type in ("canceled", "expired")


def seal_next_round(job: JobFolder, *, max_rounds: int, limits: ShardLimits, spool_folder: Path) -> SealRecord | None:
    """Seal a further round of a finished job, if there is something to send again; nothing is sent.

    :param max_rounds: the most rounds of a job, the first included.
    :param spool_folder: a local folder of this attempt alone.
    :returns: the round, or None if the job stays as it is.
    """
    # The rounds first: a collection that is older than a round must not bring forth another.
    rounds = job.rounds()
    collection = job.last_collection()
    if collection is None or collection.shards != sum(len(seal.shards) for seal in rounds):
        return None
    count = sum(1 for _ in _going_again(job, collection))
    if not count:
        return None
    if len(rounds) >= max_rounds:
        log.warning(
            "%d rows of %s could go again, but it has had its %d rounds: raise max_rounds to send them.",
            count, job.uri, max_rounds,
        )  # fmt: skip
        return None
    attempt = secrets.token_hex(4)
    rows = _going_again(job, collection)
    first_shard = sum(len(seal.shards) for seal in rounds)
    nonce = job.description().nonce
    shards = tuple(
        upload_shard(job, shard, attempt)
        for shard in cut_shards(rows, nonce=nonce, limits=limits, folder=spool_folder, first_shard=first_shard)
    )
    seal = SealRecord(rows=count, fingerprint="", round=len(rounds) + 1, structured=rounds[0].structured, shards=shards)
    log.info("Round %d of %s: %d of %d rows go again.", seal.round, job.uri, count, collection.rows)
    return seal_round(job, seal)


def _going_again(job: JobFolder, collection: CollectionRecord) -> Iterator[_GoingAgain]:
    for kept in collection.unusable:
        for row in read_unusable_rows(job, kept.file):
            if may_go_again(row.result_type, row.error_type):
                yield _prepared(row)


def _prepared(row: UnusableRow) -> _GoingAgain:
    return _GoingAgain(number=row.row, columns=b"%d" % row.row, params=bytes(row.params))
