"""The order in which the shards of a job are sent, and which of them primes the prompt cache for which. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from anthropic_batches_provider.batches.ledger import SealRecord, ShardState


@dataclass(frozen=True, slots=True)
class SendingOrder:
    """The shards of a job in the order in which they are sent, and which of them primes which.

    :param states: each primer follows the shard that it primes, since both go at once while the entry lives; in further
        rounds it precedes it. Spare primers and pilots come last.
    :param primer_of: by the number of a shard, that of its primer.
    :param primed_by: by the number of a primer, that of its shard.
    :param first_round: how many of the shards are of the first round.
    """

    states: tuple[ShardState, ...] = ()
    primer_of: dict[int, int] = field(default_factory=dict)
    primed_by: dict[int, int] = field(default_factory=dict)
    first_round: int = 0

    @classmethod
    def of(cls, rounds: Sequence[SealRecord], states: Sequence[ShardState]) -> SendingOrder:
        """Order the shards.

        :param states: those of all rounds, in the order of their numbers.
        """
        first_round, parts = len(rounds[0].shards), len(rounds[0].part_shards)
        first, later = states[:first_round], states[first_round:]
        primer_of = dict(_pairs(first[:parts], first[parts:]))
        for before, after in pairwise(later):
            if before.shard.is_primer and not after.shard.is_primer:
                primer_of[after.shard.shard] = before.shard.shard
        primed_by = {primer: shard for shard, primer in primer_of.items()}
        by_number = {state.shard.shard: state for state in first}
        ordered = []
        for part in first[:parts]:
            primer = primer_of.get(part.shard.shard)
            ordered += [part] if primer is None else [part, by_number[primer]]
        ordered += [state for state in first[parts:] if state.shard.shard not in primed_by]
        return cls((*ordered, *later), primer_of, primed_by, first_round)


def _pairs(parts: Iterable[ShardState], pilots: Sequence[ShardState]) -> Iterator[tuple[int, int]]:
    """Yield the number of each shard of the first round that has a primer, and that of the primer."""
    primers = iter([state.shard for state in pilots if state.shard.is_primer])
    primer = next(primers, None)
    for part in parts:
        rows = range(part.shard.first_row, part.shard.first_row + part.shard.rows)
        if primer is not None and primer.first_row in rows:
            yield part.shard.shard, primer.shard
            primer = next(primers, None)
