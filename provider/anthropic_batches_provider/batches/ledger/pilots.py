"""The pilots of a job: which of its shards are judged before the rest is sent, and in which order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from anthropic_batches_provider.batches.ledger.records import SealRecord, ShardRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPilot:
    """A pilot, as the latest round that holds it sends it.

    :param step: its place among the pilots, which are judged one after another, from 0.
    :param round: that round.
    :param place: its place among the pilots of that round, from 0.
    :param shards: its shards there.
    :param times: how many rounds hold it.
    :param rounds: how many rounds the job has.
    """

    step: int
    round: int
    place: int
    shards: tuple[ShardRecord, ...]
    times: int
    rounds: int

    @property
    def requests(self) -> int:
        """Number of its requests."""
        return sum(shard.requests for shard in self.shards)

    @property
    def is_primer(self) -> bool:
        """Whether it primes the prompt cache, too."""
        return all(shard.is_primer for shard in self.shards)


def sent_pilots(rounds: Sequence[SealRecord]) -> tuple[SentPilot, ...]:
    """Return the pilots of a job in their order: the first primer, and the rows that are sent together.

    :param rounds: the seals of the job so far.
    """
    first, *later = rounds
    primers = [shard for shard in first.pilot_shards if shard.is_primer]
    together = tuple(shard for shard in first.pilot_shards if not shard.is_primer)
    steps = [step for step in (tuple(primers[:1]), together) if step]
    return tuple(_latest(step, shards, later, len(rounds)) for step, shards in enumerate(steps))


def pilots_by_part(seal: SealRecord) -> dict[int, tuple[ShardRecord, ...]]:
    """Return the pilots and primers of the first round by the number of the shard whose rows they send.

    The shards hold consecutive rows, so that this takes no longer for each of thousands of them.

    :param seal: the first round.
    """
    parts = seal.part_shards
    first_rows = [part.first_row for part in parts]
    found: dict[int, tuple[ShardRecord, ...]] = {}
    for pilot in seal.pilot_shards:
        part = parts[bisect_right(first_rows, pilot.first_row) - 1]
        if pilot.sends_rows_of(part):
            found[part.shard] = (*found.get(part.shard, ()), pilot)
    return found


def _latest(step: int, shards: tuple[ShardRecord, ...], later: Sequence[SealRecord], rounds: int) -> SentPilot:
    again = [seal for seal in later if not seal.part_shards and seal.pilot_step == step]
    if not again:
        return SentPilot(step=step, round=1, place=step, shards=shards, times=1, rounds=rounds)
    latest = again[-1]
    return SentPilot(
        step=step, round=latest.round, place=0, shards=latest.pilot_shards, times=1 + len(again), rounds=rounds
    )
