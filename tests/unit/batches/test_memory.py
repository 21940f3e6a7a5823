"""A job's memory depends neither on the number of its rows nor on their size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.collection import JobCollection
from anthropic_batches_provider.batches.ledger import EndRecord, JobFolder, LocalStorage, SealRecord
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns, prepare_requests, prepare_rows
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission.sealing import seal_job
from tests.worlds.ended_jobs import (
    NONCE,
    OWNER,
    StillClock,
    ended_batch,
    errored,
    opened_job,
    submit,
    succeeded,
)
from tests.worlds.strict_rows import valid_rows

pytestmark = pytest.mark.heavy

ROWS = 20_000
TEXT = "A passage of a book. " * 100
SHARDS = 2
MOST_BYTES = 12_000_000
"""Twice what is needed, and little more than half of what the texts of one shard take, or its answers."""


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES


def rows_for_a_prompt(spool: Path) -> Iterator[PreparedRow]:
    question = Question(
        prompt=PromptTemplate("Label: {{ row.text }}", SandboxedEnvironment(), {}), model="m", max_tokens=8
    )
    rows = ({"id": f"passage-{number}", "text": f"{TEXT}{number}"} for number in range(ROWS))
    prepared = prepare_rows(rows, columns=RowColumns(key="id"), encode=question.encode_params, spool_folder=spool)
    return valid_rows(prepared)


def ready_requests(spool: Path) -> Iterator[PreparedRow]:
    requests = ({"custom_id": f"passage-{number}", "params": params(number)} for number in range(ROWS))
    return valid_rows(prepare_requests(requests, spool_folder=spool))


def params(number: int) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": f"{TEXT}{number}"}]}


class Results:
    """Ended batches whose results are made while they are read; every tenth row errored.

    They come in another order than the rows.
    """

    def __init__(self, seal: SealRecord) -> None:
        self._shards = {f"msgbatch_{shard.shard}": shard for shard in seal.shards}

    def retrieve(self, batch_id: str, /) -> MessageBatch:
        return ended_batch(batch_id, RequestCounts(succeeded=self._shards[batch_id].requests))

    @contextmanager
    def results(self, batch_id: str, /) -> Iterator[Iterator[bytes]]:
        yield self._lines(batch_id)

    def _lines(self, batch_id: str) -> Iterator[bytes]:
        shard = self._shards[batch_id]
        answer, error = succeeded("CUSTOM-ID", TEXT), errored("CUSTOM-ID")
        for step in range(shard.requests):
            row = shard.first_row + step * 7919 % shard.requests  # a prime, so that no row is left out
            line = error if row % 10 == 0 else answer
            yield line.replace(b"CUSTOM-ID", b"%b-%d-%d" % (NONCE.encode(), shard.shard, row)) + b"\n"


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    return opened_job(LocalStorage(tmp_path / "jobs"))


def sealed(job: JobFolder, rows: Iterator[PreparedRow], spool: Path) -> SealRecord:
    return seal_job(job, rows, limits=ShardLimits(max_requests=ROWS // SHARDS + ROWS // 50), spool_folder=spool)


@pytest.mark.parametrize("rows", [rows_for_a_prompt, ready_requests])
def test_the_rows_of_a_job_are_never_all_in_memory(
    job: JobFolder, tmp_path: Path, rows: Callable[[Path], Iterator[PreparedRow]]
) -> None:
    with little_memory():
        seal = sealed(job, rows(tmp_path), tmp_path)
    assert (seal.rows, len(seal.shards)) == (ROWS, SHARDS)


def test_the_results_of_a_job_are_never_all_in_memory(job: JobFolder, tmp_path: Path) -> None:
    seal = sealed(job, rows_for_a_prompt(tmp_path), tmp_path)
    source = Results(seal)
    for shard in seal.shards:
        batch = source.retrieve(f"msgbatch_{shard.shard}")
        submit(job, shard.shard, batch)
        job.record_end(EndRecord.of(batch, shard=shard.shard))
    destination = Destination(storage=LocalStorage(tmp_path / "output"), owner=OWNER)
    settings = CollectionSettings(spool_folder=tmp_path / "spool", clock=StillClock())
    with little_memory():
        collection = JobCollection(job, source, destination, settings)
        while collection.write_next():
            pass
        manifest = collection.publish()
    assert (manifest.counts.rows, manifest.counts.errored) == (ROWS, ROWS // 10)
