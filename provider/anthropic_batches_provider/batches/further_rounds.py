"""Further rounds: which rows of a finished job are sent again, and in which shards.

Only rows without a usable result are sent again, and only if their error allows it. Existing answers are kept. A job
has a limited number of rounds, including the first. A round is not sent if its answers could not be joined with the
earlier ones.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pendulum

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.collection import retrieve
from anthropic_batches_provider.batches.collection.unusable_rows import UnusableRow, read_unusable_rows
from anthropic_batches_provider.batches.ledger import CollectionRecord, JobFolder, SealRecord
from anthropic_batches_provider.batches.limits import LONGEST_LIFE, RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.row_failures import may_go_again
from anthropic_batches_provider.batches.service import RetrieveService
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards
from anthropic_batches_provider.batches.submission import seal_round, upload_shard
from anthropic_batches_provider.errors import ResultsUnavailableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _GoingAgain:
    """A row in the form that ``cut_shards`` takes. Its columns hold only its number; the first round holds the rest."""

    number: int
    columns: bytes
    params: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How rows without a usable result are sent again.

    :param most: the maximum number of rounds of a job, including the first.
    :param limits: how large a shard of a further round may become.
    :param spool_folder: a local folder for this attempt only.
    """

    most: int
    limits: ShardLimits
    spool_folder: Path


def count_rows_going_again(job: JobFolder, rounds: Rounds) -> int:
    """Return how many rows of a finished job a further round would send."""
    before = job.rounds()
    return _count(job, _whole_collection(job, before), len(before), rounds)


def seal_next_round(
    job: JobFolder, rounds: Rounds, *, service: RetrieveService, clock: Clock, now: pendulum.DateTime
) -> SealRecord | None:
    """Seal a further round of a finished job if rows can be sent again; nothing is sent yet.

    :param service: reports whether the results of the earlier rounds are still available.
    :param clock: the local clock.
    :param now: the service's time.
    :returns: the round, or None if the job stays as it is.
    :raises ResultsUnavailableError: the results of a further round could not be joined with the earlier ones.
    """
    # Read the rounds first: a collection that is older than a round must not produce another round.
    before = job.rounds()
    collection = _whole_collection(job, before)
    count = _count(job, collection, len(before), rounds)
    if collection is None or not count:
        return None
    _check_results_remain(job, collection, len(before[0].shards), service=service, clock=clock, now=now)
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
    log.info("Round %d of %s sends rows again: %d of %d.", seal.round, job.uri, count, collection.rows)
    return seal_round(job, seal)


def _whole_collection(job: JobFolder, rounds: Sequence[SealRecord]) -> CollectionRecord | None:
    """Return the last collection if it covers these rounds, which are all sealed rounds; else None."""
    collection = job.last_collection()
    if collection is None or collection.shards != sum(len(seal.shards) for seal in rounds):
        return None
    return collection


def _count(job: JobFolder, collection: CollectionRecord | None, rounds_so_far: int, rounds: Rounds) -> int:
    count = 0 if collection is None else sum(1 for _ in _going_again(job, collection))
    if count and rounds_so_far >= rounds.most:
        log.warning(
            "%s of %s can be sent again, but the job has used its %s. Raise max_rounds for another round.",
            counted(count, "row"), job.uri, counted(rounds.most, "round"),
        )  # fmt: skip
        return 0
    return count


def _check_results_remain(
    job: JobFolder,
    collection: CollectionRecord,
    first_shards: int,
    *,
    service: RetrieveService,
    clock: Clock,
    now: pendulum.DateTime,
) -> None:
    """Check that the parts can be written again when the round has ended, from results that the service still keeps."""
    written_anew = {kept.shard for kept in collection.unusable if any(_rows_of_file(job, kept.file))}
    for state in job.shards():
        number, batch = state.shard.shard, state.batch
        if batch is None or not (number in written_anew or number >= first_shards):
            continue
        seen = retrieve(batch.batch_id, service, clock)
        created_at = seen.created_at or moment(batch.created_at)
        kept_until = created_at.add(seconds=RESULTS_AVAILABLE_FOR.total_seconds())
        if seen.archived_at is not None or now + LONGEST_LIFE > kept_until:
            raise ResultsUnavailableError(
                f"Failed rows of {job.uri} cannot be sent again: the results of {batch.batch_id} are kept until "
                f"{kept_until.to_datetime_string()} UTC, and a round takes up to a day. To ask and pay for all rows "
                'again, set edition="2" (or any name not yet used for this unit). Or send the failed rows as a job of '
                "their own. Nothing was sent, and the output is unchanged. The new answers could not be joined with "
                "the existing ones."
            )


def _going_again(job: JobFolder, collection: CollectionRecord) -> Iterator[_GoingAgain]:
    # In row order: collecting relies on it, because it reads the shards of a round one after another.
    for kept in sorted(collection.unusable, key=lambda kept: kept.shard):
        yield from _rows_of_file(job, kept.file)


def _rows_of_file(job: JobFolder, file: str) -> Iterator[_GoingAgain]:
    for row in read_unusable_rows(job, file):
        if may_go_again(row.result_type, row.error_type):
            yield _prepared(row)


def _prepared(row: UnusableRow) -> _GoingAgain:
    return _GoingAgain(number=row.row, columns=b"%d" % row.row, params=bytes(row.params))
