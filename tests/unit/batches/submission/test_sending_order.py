"""In which order the shards of a job go, and which of them primes which."""

from __future__ import annotations

from anthropic_batches_provider.batches.ledger import SealRecord, ShardRecord, ShardState
from anthropic_batches_provider.batches.submission.sending_order import SendingOrder


def shard(number: int, first_row: int = 0, *, requests: int = 1, piloted: int = 0, primer: bool = False) -> ShardRecord:
    return ShardRecord(
        shard=number, requests=requests, first_row=first_row, body_bytes=1, requests_file="", rows_file="",
        piloted_rows=piloted, is_primer=primer,
    )  # fmt: skip


def seal(number: int, *shards: ShardRecord, pilots: int = 0) -> SealRecord:
    return SealRecord(rows=1, fingerprint="", round=number, shards=shards, pilots=pilots)


def test_each_primer_follows_its_shard_and_spare_ones_come_last() -> None:
    first = seal(
        1,
        shard(0, 0, requests=7, piloted=3),
        shard(1, 10, requests=1),  # too small for a primer
        shard(2, 11, requests=9, piloted=1),
        shard(3, 4, primer=True),
        shard(4, 15, primer=True),
        shard(5, 6, primer=True),
        pilots=3,
    )
    second = seal(2, shard(6, 2, primer=True), shard(7, 3, requests=4), shard(8, 12, primer=True))
    states = [ShardState(shard=each) for each in (*first.shards, *second.shards)]
    order = SendingOrder.of([first, second], states)
    assert [each.shard.shard for each in order.states] == [0, 3, 1, 2, 4, 5, 6, 7, 8]
    assert order.primer_of == {0: 3, 2: 4, 7: 6}


def test_the_order_of_a_job_without_primers_is_that_of_its_numbers() -> None:
    sealed = seal(1, shard(0, 0, requests=2, piloted=1), shard(1, 3, requests=2), shard(2, 1), pilots=1)
    order = SendingOrder.of([sealed], [ShardState(shard=each) for each in sealed.shards])
    assert [each.shard.shard for each in order.states] == [0, 1, 2]
    assert order.primer_of == {}
