"""Further rounds: which rows of a finished job are sent again, and in which shards.

Rows without a result are sent again if their error allows it. Rows whose answer was paid for and cannot be used are
sent again only if a :class:`Repair` asks for it; they are the only rows that are paid for twice. Existing answers are
kept. A job has a limited number of rounds, including the first. A round is not sent if its answers could not be joined
with the earlier ones.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import pendulum

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.collection import retrieve
from anthropic_batches_provider.batches.collection.unusable_rows import (
    UnusableRow,
    digest_of_turns,
    read_unusable_rows,
)
from anthropic_batches_provider.batches.ledger import CollectionRecord, JobFolder, SealRecord, rounds_of_all
from anthropic_batches_provider.batches.limits import LONGEST_LIFE, RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.repairs import NO_REPAIR, Repair
from anthropic_batches_provider.batches.row_failures import may_go_again
from anthropic_batches_provider.batches.service import ModelService, RetrieveService
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards, fits_alone
from anthropic_batches_provider.batches.submission import check_repair_models, seal_round, upload_shard
from anthropic_batches_provider.errors import ResultsUnavailableError

log = logging.getLogger(__name__)

_WITHOUT_FILES = ("xcom", "sql://")
"""How the name of an output begins that leaves no parts behind: a further round reads all of its results again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _GoingAgain:
    """A row in the form that ``cut_shards`` takes. Its columns hold only its number; the first round holds the rest.

    :param repairs: the verdict of the answer that it repairs; "" if it has none.
    :param is_sendable: whether its request fits into a shard.
    """

    number: int
    columns: bytes
    params: bytes
    repairs: str
    is_sendable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How rows without a usable answer are sent again.

    :param most: the maximum number of rounds of a job, including the first.
    :param limits: how large a shard of a further round may become.
    :param spool_folder: a local folder for this attempt only.
    :param repair: which answers are asked for again, and pay again.
    :param models: looks up the models that a repair asks; None for none to be looked up.
    :param judged_by: what must have judged the answers that are repaired, see :func:`judging.judged_by`; None if
        whatever judged them last decides.
    """

    most: int
    limits: ShardLimits
    spool_folder: Path
    repair: Repair = NO_REPAIR
    models: ModelService | None = None
    judged_by: str | None = None


def count_rows_going_again(job: JobFolder, rounds: Rounds) -> int:
    """Return how many rows of a finished job a further round would send."""
    before = job.rounds()
    collection = _whole_collection(job, before, rounds)
    return 0 if collection is None else _count(_RowsAgain.of(job, collection, before, rounds)).total()


def seal_next_round(
    job: JobFolder,
    rounds: Rounds,
    *,
    service: RetrieveService,
    clock: Clock,
    now: pendulum.DateTime,
    in_place: Callable[[], Set[int]] | None = None,
) -> SealRecord | None:
    """Seal a further round of a finished job if rows can be sent again; nothing is sent yet.

    :param service: reports whether the results of the earlier rounds are still available.
    :param clock: the local clock.
    :param now: the service's time.
    :param in_place: returns the shards of the first round whose parts the output can take as they are, if no row of
        them is sent again; None if another task writes the output: then those of a folder are taken to be in place.
    :returns: the round, or None if the job stays as it is.
    :raises ResultsUnavailableError: the results of a further round could not be joined with the earlier ones.
    :raises ConfigurationError: the API does not know a model that a repair asks.
    """
    # Read the rounds first: a collection that is older than a round must not produce another round.
    before = job.rounds()
    collection = _whole_collection(job, before, rounds)
    if collection is None:
        return None
    rows = _RowsAgain.of(job, collection, before, rounds)
    found = _count(rows)
    if not found:
        return None
    _check_results_remain(rows, in_place and in_place(), service=service, clock=clock, now=now)
    repaired = {verdict: number for verdict, number in sorted(found.items()) if verdict}
    if rounds.models is not None:
        for verdict in repaired:
            check_repair_models(rounds.models, rounds.repair, verdict, now=now)
    attempt = secrets.token_hex(4)
    first_shard = sum(len(seal.shards) for seal in before)
    nonce = job.description().nonce
    is_primed = any(shard.is_primer for shard in before[0].shards)
    shards = tuple(
        upload_shard(job, shard, attempt, is_primer=is_primed and index % 2 == 0)
        for index, shard in enumerate(
            cut_shards(
                rows,
                nonce=nonce,
                limits=rounds.limits,
                folder=rounds.spool_folder,
                first_shard=first_shard,
                is_primed=is_primed,
            )
        )
    )
    seal = SealRecord(
        rows=found.total(),
        fingerprint="",
        round=len(before) + 1,
        structured=before[0].structured,
        repair={verdict: dict(changes) for verdict, changes in rounds.repair.changes.items()},
        repaired=repaired,
        shards=shards,
    )
    log.info("Round %d of %s sends rows again: %d of %d.", seal.round, job.uri, seal.rows, collection.rows)
    if repaired:
        by_verdict = ", ".join(f"{number:,} {verdict}" for verdict, number in repaired.items())
        log.info(
            "Of these, %s were answered and paid for, and are paid for again, as repair= asks: %s.",
            counted(sum(repaired.values()), "row"), by_verdict,
        )  # fmt: skip
    return seal_round(job, seal)


def request_again(row: UnusableRow, repair: Repair, rounds: Sequence[SealRecord]) -> bytes | None:
    """Return the Messages params with which a row is sent again; None if it is not.

    :param repair: which answers are asked for again.
    :param rounds: those so far.
    """
    if not row.verdicts:
        return bytes(row.params) if may_go_again(row.result_type, row.error_type) else None
    if row.verdicts[-1] not in repair:
        return None
    now = repair.after(_asked_until(rounds))
    params, turns = now.params_after(row.params, row.verdicts), digest_of_turns(row.turns, row.container)
    for sent in row.sent:
        then = _asked_until(rounds[: sent.round])
        if sent.turns == turns and then.params_after(row.params, row.verdicts[: sent.verdicts]) == params:
            return None  # it would only bring the same again
    return now.params_after(row.params, row.verdicts, row.turns, row.container)


def _asked_until(rounds: Sequence[SealRecord]) -> Repair:
    """Return what the repairs of so many rounds have asked in all: what a later one does not name stays."""
    return reduce(lambda earlier, seal: Repair(seal.repair).after(earlier), rounds, NO_REPAIR)


@dataclass(frozen=True, slots=True)
class _RowsAgain:
    """The rows of a finished job that a further round sends.

    :param collection: the last one, which covers all rounds.
    :param before: the rounds so far.
    :param used_up: rows that a pilot has sent again so often that they have had all their rounds.
    """

    job: JobFolder
    collection: CollectionRecord
    before: Sequence[SealRecord]
    rounds: Rounds
    used_up: frozenset[int]

    @classmethod
    def of(
        cls, job: JobFolder, collection: CollectionRecord, before: Sequence[SealRecord], rounds: Rounds
    ) -> _RowsAgain:
        """Find which rows a further round sends."""
        return cls(job, collection, before, rounds, _used_up(job, before, rounds.most))

    def __iter__(self) -> Iterator[_GoingAgain]:
        # In row order: collecting relies on it, because it reads the shards of a round one after another.
        for kept in sorted(self.collection.unusable, key=lambda kept: kept.shard):
            yield from (row for row in self.of_file(kept.file) if row.is_sendable)

    def of_file(self, file: str) -> Iterator[_GoingAgain]:
        """Yield the rows of one file, those that are too long to be sent included."""
        for row in read_unusable_rows(self.job, file):
            params = None if row.row in self.used_up else request_again(row, self.rounds.repair, self.before)
            if params is not None:
                is_sendable = params == bytes(row.params) or fits_alone(len(params), self.rounds.limits)
                yield _GoingAgain(
                    number=row.row,
                    columns=b"%d" % row.row,
                    params=params,
                    repairs=row.verdicts[-1] if row.verdicts else "",
                    is_sendable=is_sendable,
                )

    def shards_written_anew(self, in_place: Set[int] | None) -> set[int]:
        """Return the shards of the first round whose parts are written again, from their results.

        :param in_place: those whose parts stay as they are if they do not change; None if that is not known here.
        """
        every = {shard.shard for shard in self.before[0].part_shards}
        if in_place is None:
            in_place = set() if self.collection.destination.startswith(_WITHOUT_FILES) else every
        changed = {
            kept.shard for kept in self.collection.unusable if any(r.is_sendable for r in self.of_file(kept.file))
        }
        return changed | (every - in_place)


def _used_up(job: JobFolder, before: Sequence[SealRecord], most: int) -> frozenset[int]:
    """Return the rows that pilots have sent again so often that they have had all their rounds."""
    sent_again = Counter(
        int(line)
        for seal in before
        if not seal.part_shards
        for shard in seal.pilot_shards
        for line in job.lines_of(shard.rows_file)
    )
    rounds = rounds_of_all(before)
    return frozenset(row for row, times in sent_again.items() if rounds + times >= most)


def _whole_collection(job: JobFolder, before: Sequence[SealRecord], rounds: Rounds) -> CollectionRecord | None:
    """Return the last collection if it covers these rounds, which are all sealed rounds; else None.

    One that was judged by something else does not say which answers to repair.

    :param before: the rounds so far.
    """
    collection = job.last_collection()
    if collection is None or collection.shards != sum(len(seal.shards) for seal in before):
        return None
    if rounds.repair.changes and rounds.judged_by not in (None, collection.judged_by):
        return None
    return collection


def _count(rows: _RowsAgain) -> Counter[str]:
    """Return how many rows are sent again, by what they repair, and say which are not although they could be."""
    found: Counter[str] = Counter()
    too_long = 0
    for kept in rows.collection.unusable:
        for row in rows.of_file(kept.file):
            found[row.repairs] += row.is_sendable
            too_long += not row.is_sendable
    if too_long:
        log.warning(
            "%s of %s cannot be repaired: with what the repair changes and the answer that it goes on from, the "
            "request is larger than a batch may be here (max_bytes_per_shard).",
            counted(too_long, "row"), rows.job.uri,
        )  # fmt: skip
    if found.total() and rounds_of_all(rows.before) >= rows.rounds.most:
        log.warning(
            "%s of %s can be sent again, but the job has used its %s. Raise max_rounds for another round.",
            counted(found.total(), "row"), rows.job.uri, counted(rows.rounds.most, "round"),
        )  # fmt: skip
        return Counter()
    return +found


def _check_results_remain(
    rows: _RowsAgain, in_place: Set[int] | None, *, service: RetrieveService, clock: Clock, now: pendulum.DateTime
) -> None:
    """Check that the parts can be written again when the round has ended, from results that the service still keeps."""
    job, first_shards = rows.job, len(rows.before[0].part_shards)
    written_anew = rows.shards_written_anew(in_place)
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
