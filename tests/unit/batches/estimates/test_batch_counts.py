"""Batches are counted as they would be cut, to the byte."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.estimates.batch_counts import BatchCounts
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards
from anthropic_batches_provider.batches.submission.pilot_choice import Pilot

NONCE = "0" * 12


@pytest.mark.parametrize("seed", range(40))
def test_they_are_those_that_are_cut(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    limits = ShardLimits(max_requests=draw.choice([1, 3, 100, 100_000]), max_bytes=draw.choice([300, 2_000, 50_000]))
    rows = [PreparedRow(number, b"{}", b"x" * draw.randrange(1, 400)) for number in range(draw.randrange(1, 300))]
    invalid: list[InvalidRow] = []
    shards = list(cut_shards(rows, nonce=NONCE, limits=limits, folder=tmp_path, on_invalid=invalid.append))
    counts = BatchCounts(limits)
    too_long = [row.number for row in rows if not counts.add(row.number, len(row.params))]
    assert too_long == [row.number for row in invalid]
    assert counts.shards == len(shards)
    assert counts.request_bytes == sum(shard.body_bytes for shard in shards)


def counted(rows: int) -> BatchCounts:
    counts = BatchCounts(ShardLimits(max_requests=1_000))
    for number in range(rows):
        counts.add(number, 100)
    return counts


@pytest.mark.parametrize(
    ("rows", "pilot", "is_primed", "batches"),
    [
        (0, "auto", False, 0),
        (900, "auto", False, 1),
        (5_900, "auto", False, 6 + 1),
        (5_900, 0, False, 6),
        (900, 400, False, 1 + 1),
        (5_900, "auto", True, 6 + 6 + 2),  # a primer for each, and two spare ones
        (5_900, 400, True, 6 + 6 + 2 + 1),
        (5_900, 0, True, 6),
    ],
)
def test_pilots_and_primers_are_batches_too(rows: int, pilot: Pilot, is_primed: bool, batches: int) -> None:
    assert counted(rows).batches(pilot, is_primed=is_primed) == batches
