"""Which pilots a job has, and which round holds the latest of each."""

from __future__ import annotations

import msgspec

from anthropic_batches_provider.batches.ledger import SealRecord, ShardRecord, pilots_by_part, sent_pilots


def shard(number: int, requests: int = 1, *, primer: bool = False) -> ShardRecord:
    return ShardRecord(
        shard=number, requests=requests, first_row=0, body_bytes=1, requests_file="", rows_file="", is_primer=primer
    )


PART, PRIMER, SPARE, PILOT = shard(0, 9), shard(1, primer=True), shard(2, primer=True), shard(3, 5)


def seal(*shards: ShardRecord, number: int = 1, pilots: int = 0, step: int = 0) -> SealRecord:
    return SealRecord(rows=9, fingerprint="", round=number, shards=shards, pilots=pilots, pilot_step=step)


def shown(*rounds: SealRecord) -> list[tuple[int, int, int, int, int]]:
    return [(each.step, each.round, each.place, each.requests, each.times) for each in sent_pilots(rounds)]


def test_a_job_without_pilots_has_none() -> None:
    assert shown(seal(PART)) == []


def test_the_first_primer_is_judged_before_the_rows_that_are_sent_together() -> None:
    assert shown(seal(PART, PILOT, pilots=1)) == [(0, 1, 0, 5, 1)]
    assert shown(seal(PART, PRIMER, SPARE, pilots=2)) == [(0, 1, 0, 1, 1)]
    both = sent_pilots([seal(PART, PRIMER, SPARE, PILOT, pilots=3)])
    assert [each.shards for each in both] == [(PRIMER,), (PILOT,)]
    assert [each.is_primer for each in both] == [True, False]


def test_each_goes_again_in_a_round_of_its_own() -> None:
    first = seal(PART, PRIMER, PILOT, pilots=2)
    primer_again = seal(shard(4, primer=True), number=2, pilots=1)
    pilot_again = seal(shard(5, 5), number=3, pilots=1, step=1)
    assert shown(first, primer_again) == [(0, 2, 0, 1, 2), (1, 1, 1, 5, 1)]
    assert shown(first, primer_again, pilot_again) == [(0, 2, 0, 1, 2), (1, 3, 0, 5, 2)]
    assert {each.rounds for each in sent_pilots([first, primer_again, pilot_again])} == {3}


def test_a_further_round_of_failed_rows_is_none() -> None:
    assert shown(seal(PART, PILOT, pilots=1), seal(shard(4, 2), number=2)) == [(0, 1, 0, 5, 1)]


def test_each_pilot_and_primer_belongs_to_the_shard_that_holds_its_row() -> None:
    def at(number: int, first_row: int, requests: int, piloted: int = 0) -> ShardRecord:
        return msgspec.structs.replace(shard(number, requests), first_row=first_row, piloted_rows=piloted)

    parts = [at(0, 0, 7, piloted=3), at(1, 10, 1), at(2, 11, 9, piloted=1)]
    pilots = [at(3, 4, 1), at(4, 20, 1), at(5, 6, 1), at(6, 9, 1)]
    found = pilots_by_part(seal(*parts, *pilots, pilots=4))
    assert {part: [pilot.shard for pilot in sent] for part, sent in found.items()} == {0: [3, 5, 6], 2: [4]}
