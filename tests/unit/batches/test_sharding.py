"""Shards are cut by exact bytes and count, and the API accepts the body."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row, read_invalid_row
from anthropic_batches_provider.batches.limits import CUSTOM_ID_PATTERN
from anthropic_batches_provider.batches.sharding import Shard, ShardLimits, body_chunks, custom_id, cut_shards
from anthropic_batches_provider.errors import InvalidRowError

NONCE = "0123456789ab"


@dataclass(frozen=True)
class Row:
    number: int
    columns: bytes
    params: bytes


def rows_of(texts: list[str]) -> list[Row]:
    return [
        Row(number, json.dumps({"key": number}).encode(), json.dumps({"text": text}, ensure_ascii=False).encode())
        for number, text in enumerate(texts)
    ]


def body_of(shard: Shard) -> bytes:
    with shard.requests_path.open("rb") as lines:
        return b"".join(body_chunks(lines))


def test_a_body_holds_the_requests_in_order_under_our_custom_ids(tmp_path: Path) -> None:
    (shard,) = cut_shards(rows_of(["one", "two\u2028three", "é"]), nonce=NONCE, limits=ShardLimits(), folder=tmp_path)
    requests = json.loads(body_of(shard))["requests"]
    assert [request["custom_id"] for request in requests] == [f"{NONCE}-0-0", f"{NONCE}-0-1", f"{NONCE}-0-2"]
    assert [request["params"]["text"] for request in requests] == ["one", "two\u2028three", "é"]
    assert shard.rows_path.read_bytes().splitlines() == [b'{"key": 0}', b'{"key": 1}', b'{"key": 2}']


def test_rows_go_on_counting_over_shards(tmp_path: Path) -> None:
    shards = list(cut_shards(rows_of(["x"] * 7), nonce=NONCE, limits=ShardLimits(max_requests=3), folder=tmp_path))
    assert [(shard.number, shard.first_row, shard.requests) for shard in shards] == [(0, 0, 3), (1, 3, 3), (2, 6, 1)]


def test_no_rows_make_no_shard(tmp_path: Path) -> None:
    assert list(cut_shards([], nonce=NONCE, limits=ShardLimits(), folder=tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


@given(
    texts=st.lists(st.text(max_size=200), min_size=1, max_size=60),
    max_requests=st.integers(1, 20),
    max_bytes=st.integers(1400, 5000),
)
def test_every_shard_keeps_both_limits_and_its_announced_length(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], max_requests: int, max_bytes: int
) -> None:
    limits = ShardLimits(max_requests=max_requests, max_bytes=max_bytes)
    shards = list(cut_shards(rows_of(texts), nonce=NONCE, limits=limits, folder=tmp_path_factory.mktemp("shards")))
    sent = []
    for shard in shards:
        body = body_of(shard)
        requests = json.loads(body)["requests"]
        assert len(body) == shard.body_bytes
        assert len(requests) == shard.requests <= max_requests
        assert len(body) <= max_bytes
        sent += [request["params"]["text"] for request in requests]
    assert sent == texts


def test_a_shard_is_filled_to_the_last_byte_that_fits(tmp_path: Path) -> None:
    (whole,) = cut_shards(rows_of(["abc", "def"]), nonce=NONCE, limits=ShardLimits(), folder=tmp_path)
    exact = ShardLimits(max_bytes=whole.body_bytes)
    short = ShardLimits(max_bytes=whole.body_bytes - 1)
    assert len(list(cut_shards(rows_of(["abc", "def"]), nonce=NONCE, limits=exact, folder=tmp_path))) == 1
    assert len(list(cut_shards(rows_of(["abc", "def"]), nonce=NONCE, limits=short, folder=tmp_path))) == 2


def test_a_request_that_fits_no_batch_is_refused_by_name(tmp_path: Path) -> None:
    limits = ShardLimits(max_bytes=500)
    with pytest.raises(InvalidRowError, match=r"Row 1 \(the first is 0\) is too long: its request alone") as refused:
        list(cut_shards(rows_of(["short", "x" * 500]), nonce=NONCE, limits=limits, folder=tmp_path))
    assert refused.value.row_number == 1
    assert "at most 500. Raise max_bytes_per_shard=, or shorten the row." in str(refused.value)


def test_custom_ids_of_the_largest_numbers_are_legal() -> None:
    assert CUSTOM_ID_PATTERN.match(custom_id(NONCE, 99_999, 10**12))


def test_shards_differ_in_size_from_job_to_job_but_never_exceed_the_limit() -> None:
    limits = ShardLimits()
    sizes = {limits.requests_in(shard, f"{job:012x}") for shard in range(20) for job in range(20)}
    assert len(sizes) > 300
    assert 98_000 < min(sizes) <= max(sizes) <= 100_000
    assert limits.requests_in(3, NONCE) == limits.requests_in(3, NONCE)


@pytest.mark.parametrize("limits", [{"max_requests": 0}, {"max_requests": 100_001}, {"max_bytes": 256_000_001}])
def test_limits_beyond_the_apis_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1 to"):
        ShardLimits(**limits)


def test_the_body_of_a_file_larger_than_one_read_is_joined_seamlessly() -> None:
    line = json.dumps({"custom_id": "x", "params": {"text": "y" * 1000}}).encode() + b"\n"
    body = b"".join(body_chunks(io.BytesIO(line * 3000)))
    assert len(json.loads(body)["requests"]) == 3000


def test_an_invalid_row_stands_in_the_rows_file_of_the_request_before_it(tmp_path: Path) -> None:
    taken: list[InvalidRow] = []
    given: list[Row | InvalidRow] = [*rows_of(["x"] * 6)]
    for number in (0, 3, 5):
        given[number] = invalid_row(number, f"bad \ud800 {number}", b'{"key":null}')
    limits = ShardLimits(max_requests=2)
    shards = list(cut_shards(given, nonce=NONCE, limits=limits, folder=tmp_path, on_invalid=taken.append))
    assert [(shard.first_row, shard.requests, shard.invalid_rows) for shard in shards] == [(0, 2, 2), (4, 1, 1)]
    assert [row.number for row in taken] == [0, 3, 5]
    lines = [line for shard in shards for line in shard.rows_path.read_bytes().splitlines()]
    assert [read_invalid_row(line) is not None for line in lines] == [True, False, False, True, False, True]
    assert lines[0] == b'[0,"bad ? 0",{"key":null}]'
    assert [request["custom_id"] for request in json.loads(body_of(shards[0]))["requests"]] == [
        f"{NONCE}-0-1",
        f"{NONCE}-0-2",
    ]


def test_a_row_that_is_too_long_alone_is_invalid_wherever_it_stands(tmp_path: Path) -> None:
    taken: list[InvalidRow] = []
    limits = ShardLimits(max_bytes=200)
    texts = ["x" * 500, "a", "y" * 500, "b"]
    (shard,) = cut_shards(rows_of(texts), nonce=NONCE, limits=limits, folder=tmp_path, on_invalid=taken.append)
    assert (shard.requests, shard.invalid_rows) == (2, 2)
    assert [row.reason.partition(":")[0] for row in taken] == [
        f"Row {number} (the first is 0) is too long" for number in (0, 2)
    ]
    assert bytes(taken[1].columns) == b'{"key": 2}'


def test_invalid_rows_alone_make_no_shard_and_leave_no_file(tmp_path: Path) -> None:
    rows = [invalid_row(number, "bad", b"{}") for number in range(3)]
    assert list(cut_shards(rows, nonce=NONCE, limits=ShardLimits(), folder=tmp_path, on_invalid=lambda _: None)) == []
    assert list(tmp_path.iterdir()) == []
