"""Which rows go first: a pure choice, and files of which each request is in exactly one."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import Shard, ShardLimits, body_chunks, cut_shards
from anthropic_batches_provider.batches.submission.pilot_choice import (
    FEWEST_ROWS,
    Pilot,
    TakenRows,
    chosen_positions,
    chosen_rows,
    pilot_rows,
    settled_from,
    take_rows,
)
from anthropic_batches_provider.errors import InvalidRowError

NONCE = "0123456789ab"
SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=120)


@contextmanager
def first_shard(sizes: list[int], invalid: frozenset[int] = frozenset()) -> Iterator[Shard]:
    """Yield a shard with requests of about these sizes, some of whose rows cannot be sent."""

    def rows() -> Iterator[PreparedRow | InvalidRow]:
        for number, size in enumerate(sizes):
            if number in invalid:
                yield invalid_row(number, InvalidRowError("bad", row_number=number), b'{"key":%d}' % number)
            else:
                yield PreparedRow(number, b'{"key":%d}' % number, b'{"text":"%b"}' % (b"x" * size))

    with tempfile.TemporaryDirectory() as folder:
        shards = cut_shards(
            rows(), nonce=NONCE, limits=ShardLimits(max_requests=10_000), folder=Path(folder), on_invalid=lambda _: None
        )
        yield next(iter(shards))


def split_pilot(shard: Shard, count: int, *, max_bytes: int = 10**9) -> tuple[Shard, TakenRows | None]:
    rest, taken = take_rows(shard, chosen_rows(shard, pilot=count, nonce=NONCE, max_bytes=max_bytes).groups)
    return rest, taken[0] if taken else None


def requests_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def body_of(shard: Shard) -> bytes:
    with shard.requests_path.open("rb") as lines:
        return b"".join(body_chunks(lines))


def rows_of(path: Path) -> list[int]:
    return [int(request["custom_id"].rpartition("-")[2]) for request in requests_in(path)]


@pytest.mark.parametrize(
    ("pilot", "rows", "expected"),
    [(0, 10, 0), (1, 1, 0), (1, 2, 1), (5, 5, 0), (5, 6, 5), (5, 10**6, 5), ("auto", FEWEST_ROWS, 0), ("auto", 0, 0)],
)
def test_a_job_that_is_larger_than_its_pilot_has_one(pilot: Pilot, rows: int, expected: int) -> None:
    assert pilot_rows(pilot, rows=rows, nonce=NONCE) == expected
    assert (rows > settled_from(pilot)) == (expected > 0 or pilot == 0)


def test_sizes_vary_by_job_within_bounds() -> None:
    found = {pilot_rows("auto", rows=FEWEST_ROWS + 1, nonce=f"{number}") for number in range(500)}
    assert found == set(range(16, 32))
    assert pilot_rows("auto", rows=10**7, nonce=NONCE) == pilot_rows("auto", rows=FEWEST_ROWS + 1, nonce=NONCE)


@given(SIZES, st.integers(0, 130))
def test_positions_are_distinct_without_the_first_and_with_the_longest(sizes: list[int], count: int) -> None:
    found = chosen_positions(sizes, count, nonce=NONCE)
    assert found == sorted(set(found))
    assert len(found) == min(count, len(sizes) - 1)
    assert 0 not in found
    if found:
        assert max(sizes[1:]) in [sizes[position] for position in found]
    assert found == chosen_positions(sizes, count, nonce=NONCE)


@given(st.integers(2, 16), st.integers(0, 2**32))
def test_positions_are_spread_by_size(count: int, seed: int) -> None:
    sizes = [0, *range(1, 16 * 15 + 2)]
    random.Random(seed).shuffle(sizes)
    others = sorted(sizes[1:])[:-1]
    found = sorted(sizes[position] for position in chosen_positions(sizes, count, nonce=f"{seed}"))[:-1]
    parts = count - 1
    for part, size in enumerate(found):
        assert part * len(others) // parts <= others.index(size) < (part + 1) * len(others) // parts
    assert len(found) == parts


def test_another_job_draws_other_rows() -> None:
    sizes = [10] * 500
    assert len({tuple(chosen_positions(sizes, 8, nonce=f"{number}")) for number in range(20)}) == 20


@given(SIZES, st.integers(0, 130), st.data())
def test_each_request_is_in_one_file_under_the_number_of_its_shard(
    sizes: list[int], count: int, data: st.DataObject
) -> None:
    invalid = data.draw(st.frozensets(st.integers(1, len(sizes)), max_size=5))
    with first_shard(sizes, invalid) as shard:
        whole, columns = requests_in(shard.requests_path), shard.rows_path.read_bytes()
        rest, file = split_pilot(shard, count)
        assert rest.rows_path.read_bytes() == columns
        assert (rest.requests + rest.piloted_rows, rest.invalid_rows) == (shard.requests, shard.invalid_rows)
        assert requests_in(rest.requests_path)[0] == whole[0]
        assert rest.body_bytes == len(body_of(rest))
        if file is None:
            assert rest == shard
            assert count == 0 or shard.requests == 1
            return
        pilot = file.numbered(7, NONCE)
        assert not file.path.exists()
        sent = requests_in(pilot.requests_path)
        assert [request["custom_id"] for request in sent] == [f"{NONCE}-7-{row}" for row in file.rows]
        assert sorted(file.rows) == list(file.rows) == list(map(int, pilot.rows_path.read_bytes().split()))
        assert (pilot.number, pilot.requests, pilot.first_row) == (7, len(file.rows), file.rows[0])
        assert pilot.body_bytes == len(body_of(pilot))
        assert json.loads(body_of(pilot)) == {"requests": sent}
        both = rows_of(rest.requests_path) + rows_of(pilot.requests_path)
        assert sorted(both) == [int(request["custom_id"].rpartition("-")[2]) for request in whole]
        params = {int(request["custom_id"].rpartition("-")[2]): request["params"] for request in whole}
        assert all(request["params"] == params[row] for request, row in zip(sent, file.rows, strict=True))


@given(SIZES, st.integers(1, 130), st.integers(0, 40_000), st.integers(1, 99_999))
def test_the_body_of_a_pilot_keeps_within_its_bound_under_any_number_of_a_shard(
    sizes: list[int], count: int, most: int, number: int
) -> None:
    with first_shard(sizes, frozenset()) as shard:
        rest, file = split_pilot(shard, count, max_bytes=most)
        assert rest.requests + rest.piloted_rows == shard.requests
        assert (file is None) == (rest.piloted_rows == 0)
        if file is not None:
            assert file.numbered(number, NONCE).body_bytes <= most


@given(SIZES, st.integers(0, 4), st.integers(0, 130))
def test_primers_go_alone_and_are_of_middle_length(sizes: list[int], primers: int, count: int) -> None:
    with first_shard(sizes) as shard:
        whole = {int(each["custom_id"].rpartition("-")[2]): each["params"] for each in requests_in(shard.requests_path)}
        lengths = [len(line) for line in shard.requests_path.read_bytes().splitlines(keepends=True)]
        chosen = chosen_rows(shard, primers=primers, pilot=count, nonce=NONCE)
        others, outer = sorted(lengths[1:]), (len(sizes) - 1) // 4
        middle = others[outer : len(others) - outer]
        assert len(chosen.primers) == min(primers, len(middle))
        assert all(middle[0] <= lengths[position] <= middle[-1] for position in chosen.primers)
        assert len(chosen.pilot) == min(count, len(sizes) - 1 - len(chosen.primers))
        rest, taken = take_rows(shard, chosen.groups)
        sent = [
            each
            for number, group in enumerate(taken, 3)
            for each in requests_in(group.numbered(number, NONCE).requests_path)
        ]
        assert [len(group.rows) for group in taken[: len(chosen.primers)]] == [1] * len(chosen.primers)
        sent += requests_in(rest.requests_path)
        assert {int(each["custom_id"].rpartition("-")[2]): each["params"] for each in sent} == whole
        assert len(sent) == len(sizes) == rest.requests + rest.piloted_rows
