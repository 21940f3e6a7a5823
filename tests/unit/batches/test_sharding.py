"""Shards are cut by exact bytes and count, and the API accepts the body."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
