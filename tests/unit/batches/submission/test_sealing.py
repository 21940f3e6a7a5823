"""The files that sealing keeps on the local disk while it builds."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from anthropic_batches_provider.batches.message_batch import RequestCounts
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import shard_uploads
from anthropic_batches_provider.batches.submission.sealing import seal_job
from anthropic_batches_provider.edge.object_storage import ObjectStorage
from tests.worlds.ended_jobs import ended_batch, opened_job, submit

SHARDS = 5
ROWS_PER_SHARD = 4


class CopyingStore(ObjectStorage):
    """An object store in memory, which copies put objects; records the spool's files at each put, and at the end."""

    def __init__(self, spool: Path) -> None:
        attach("memory", fs=MemoryFileSystem())
        super().__init__(f"memory://{uuid.uuid4().hex}/folder")
        self._spool = spool
        self.names_at_puts: list[set[str]] = []
        self.rows_taken_at_puts: list[int] = []
        self.rows_taken = 0

    def put_file(self, source: Path, path: str) -> None:
        self.names_at_puts.append(names_in(self._spool))
        self.rows_taken_at_puts.append(self.rows_taken)
        super().put_file(source, path)
        assert source.exists(), "it copies"

    def rows(self, count: int) -> Iterator[PreparedRow]:
        for number in range(count):
            self.rows_taken += 1
            yield PreparedRow(number, b'{"key":%d}' % number, b'{"model":"m"}')


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def test_one_shard_at_a_time_lies_on_the_local_disk_where_the_store_copies(spool: Path) -> None:
    store = CopyingStore(spool)
    job = opened_job(store)
    limits = ShardLimits(max_requests=ROWS_PER_SHARD)
    seal = seal_job(job, store.rows(SHARDS * ROWS_PER_SHARD), limits=limits, spool_folder=spool)
    assert [shard.requests for shard in seal.shards] == [ROWS_PER_SHARD] * SHARDS
    assert store.names_at_puts == [
        {f"requests-{shard:05d}.jsonl", f"rows-{shard:05d}.jsonl"}
        for shard in range(SHARDS)
        for _ in ("requests", "rows")
    ]
    assert names_in(spool) == set()
    files = {folder: store.list(f"{job.path}/{folder}") for folder in ("requests", "rows")}
    assert {folder: len(names) for folder, names in files.items()} == {"requests": SHARDS, "rows": SHARDS}


def test_a_shard_is_in_the_store_before_the_rows_of_the_next_are_read(spool: Path) -> None:
    store = CopyingStore(spool)
    limits = ShardLimits(max_requests=ROWS_PER_SHARD)
    seal_job(opened_job(store), store.rows(SHARDS * ROWS_PER_SHARD), limits=limits, spool_folder=spool)
    # One more row than the shard holds is read, to find out that the shard is full.
    assert store.rows_taken_at_puts[::2] == [ROWS_PER_SHARD * shard + 1 for shard in range(1, SHARDS)] + [
        ROWS_PER_SHARD * SHARDS
    ]


def test_a_slower_attempt_removes_what_dead_ones_left_but_no_file_of_a_later_round(spool: Path) -> None:
    store = CopyingStore(spool)
    job = opened_job(store)
    limits = ShardLimits(max_requests=ROWS_PER_SHARD)
    left = f"{job.path}/requests/00000-dead.jsonl"
    store.create(left, b"a prompt")
    first = seal_job(job, store.rows(ROWS_PER_SHARD), limits=limits, spool_folder=spool)
    assert "00000-dead.jsonl" not in store.list(f"{job.path}/requests")
    submit(job, 0, ended_batch("msgbatch_0", RequestCounts(succeeded=ROWS_PER_SHARD)))
    later = f"{job.path}/requests/00001-aaaaaaaa.jsonl"
    store.create(later, b"of the second round, which is about to be sealed")
    # Another first attempt, whose source has more rows by now, reaches its seal.
    assert seal_job(job, store.rows(3 * ROWS_PER_SHARD), limits=limits, spool_folder=spool) == first
    names = store.list(f"{job.path}/requests")
    assert names == sorted([first.shards[0].requests_file.partition("/")[2], "00001-aaaaaaaa.jsonl"])


def test_a_large_shard_is_told_before_it_is_written_to_the_store(
    spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = CopyingStore(spool)
    job = opened_job(store)
    told: list[int] = []
    monkeypatch.setattr(store, "put_file", lambda source, path: told.append(len(caplog.records)))
    limits = ShardLimits(max_requests=ROWS_PER_SHARD)
    with caplog.at_level(logging.INFO):
        small = seal_job(job, store.rows(1), limits=limits, spool_folder=spool)
        assert (told, caplog.records) == ([0, 0], [])
        monkeypatch.setattr(shard_uploads, "_LARGE_SHARD_BYTES", small.shards[0].body_bytes)
        seal_job(opened_job(store), store.rows(ROWS_PER_SHARD), limits=limits, spool_folder=spool)
    assert told == [0, 0, 1, 1]
    (record,) = caplog.records
    assert record.getMessage().startswith("Writing shard 0 with 4 requests and ")
