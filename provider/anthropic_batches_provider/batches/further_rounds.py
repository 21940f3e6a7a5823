"""Further rounds: which rows of a finished job go again, and as which shards.

Only rows without a usable result go again, chosen by what the error says; the answers that are there are kept. A job
has a bounded number of rounds, the first included. No round is sent whose answers could not be joined with the earlier.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pendulum

from anthropic_batches_provider.batches.collection import retrieve
from anthropic_batches_provider.batches.collection.unusable_rows import UnusableRow, read_unusable_rows
from anthropic_batches_provider.batches.ledger import CollectionRecord, JobFolder, SealRecord
from anthropic_batches_provider.batches.limits import LONGEST_LIFE, RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.row_failures import may_go_again
from anthropic_batches_provider.batches.service import RetrieveService
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards
from anthropic_batches_provider.batches.submission import seal_round, upload_shard
from anthropic_batches_provider.errors import ResultsUnavailableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _GoingAgain:
    """A row as ``cut_shards`` takes it; its columns are its number alone, since the first round holds the rest."""

    number: int
    columns: bytes
    params: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How rows without a usable result go again.

    :param most: rounds of a job, the first included.
    :param limits: how large a shard of a further round may become.
    :param spool_folder: a local folder of this attempt alone.
    """

    most: int
    limits: ShardLimits
    spool_folder: Path


def count_rows_going_again(job: JobFolder, rounds: Rounds) -> int:
    """Return how many rows of a finished job a further round would send."""
    before = job.rounds()
    return _count(job, _whole_collection(job, before), len(before), rounds)


def seal_next_round(
    job: JobFolder, rounds: Rounds, *, service: RetrieveService, now: pendulum.DateTime
) -> SealRecord | None:
    """Seal a further round of a finished job, if there is something to send again; nothing is sent.

    :param service: is asked whether the results of the earlier rounds are still there.
    :param now: the service's time.
    :returns: the round, or None if the job stays as it is.
    :raises ResultsUnavailableError: what a further round brings could not be put together with the earlier results.
    """
    # The rounds first: a collection that is older than a round must not bring forth another.
    before = job.rounds()
    collection = _whole_collection(job, before)
    count = _count(job, collection, len(before), rounds)
    if collection is None or not count:
        return None
    _check_results_remain(job, collection, len(before[0].shards), service=service, now=now)
    attempt = secrets.token_hex(4)
    rows = _going_again(job, collection)
    first_shard = sum(len(seal.shards) for seal in before)
    nonce = job.description().nonce
    shards = tuple(
        upload_shard(job, shard, attempt)
        for shard in cut_shards(
            rows, nonce=nonce, limits=rounds.limits, folder=rounds.spool_folder, first_shard=first_shard
        )
    )
    seal = SealRecord(rows=count, fingerprint="", round=len(before) + 1, structured=before[0].structured, shards=shards)
    log.info("Round %d of %s: %d of %d rows go again.", seal.round, job.uri, count, collection.rows)
    return seal_round(job, seal)


def _whole_collection(job: JobFolder, rounds: Sequence[SealRecord]) -> CollectionRecord | None:
    """Return the last collection, if it holds the results of these rounds, which are all that were sealed."""
    collection = job.last_collection()
    if collection is None or collection.shards != sum(len(seal.shards) for seal in rounds):
        return None
    return collection


def _count(job: JobFolder, collection: CollectionRecord | None, rounds_so_far: int, rounds: Rounds) -> int:
    count = 0 if collection is None else sum(1 for _ in _going_again(job, collection))
    if count and rounds_so_far >= rounds.most:
        log.warning(
            "%d rows of %s could go again, but it has had its %d rounds: raise max_rounds to send them.",
            count, job.uri, rounds.most,
        )  # fmt: skip
        return 0
    return count


def _check_results_remain(
    job: JobFolder,
    collection: CollectionRecord,
    first_shards: int,
    *,
    service: RetrieveService,
    now: pendulum.DateTime,
) -> None:
    """See to it that the parts can be written anew when the round has ended: from results that the service keeps."""
    written_anew = {kept.shard for kept in collection.unusable if any(_rows_of_file(job, kept.file))}
    for state in job.shards():
        number, batch = state.shard.shard, state.batch
        if batch is None or not (number in written_anew or number >= first_shards):
            continue
        seen = retrieve(batch.batch_id, service)
        kept_until = seen.created_at + RESULTS_AVAILABLE_FOR
        if seen.archived_at is not None or now + LONGEST_LIFE > kept_until:
            raise ResultsUnavailableError(
                f"Rows of {job.uri} could go again, but their answers could not be put together with those that are "
                f"there: the results of {batch.batch_id} are kept until {kept_until.to_datetime_string()} UTC, and a "
                "round takes up to a day. Nothing was sent, and the output is as it was. To ask again for all rows, "
                'set edition="2" (or any name not used before for this unit), which pays for all of them; or send '
                "those that failed as a job of their own."
            )


def _going_again(job: JobFolder, collection: CollectionRecord) -> Iterator[_GoingAgain]:
    # In the order of the rows, on which collecting relies: it reads a round's shards one after another.
    for kept in sorted(collection.unusable, key=lambda kept: kept.shard):
        yield from _rows_of_file(job, kept.file)


def _rows_of_file(job: JobFolder, file: str) -> Iterator[_GoingAgain]:
    for row in read_unusable_rows(job, file):
        if may_go_again(row.result_type, row.error_type):
            yield _prepared(row)


def _prepared(row: UnusableRow) -> _GoingAgain:
    return _GoingAgain(number=row.row, columns=b"%d" % row.row, params=bytes(row.params))
