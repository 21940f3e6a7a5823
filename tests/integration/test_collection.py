"""Collecting over HTTP from the simulator, with the client that tasks use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.collection import (
    collect_batches,
    collect_job,
    rows_for_xcom,
)
from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    JobFolder,
    JobRecord,
    LocalStorage,
    SealRecord,
    UnitJobs,
    create_job,
)
from anthropic_batches_provider.batches.ledger import ShardRecord as LedgerShard
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.sharding import Shard, ShardLimits, body_chunks, cut_shards
from anthropic_batches_provider.errors import (
    BatchesNotEndedError,
    ResultsStreamError,
    ResultsUnavailableError,
    UnexpectedAnswerError,
)
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.worlds.ended_jobs import NONCE, OWNER, EndedJob, StillClock, submit

ROWS = 200
PARAMS = {"model": "claude-haiku-4-5", "max_tokens": 64}


@dataclass(frozen=True)
class Row:
    number: int

    @property
    def columns(self) -> bytes:
        return b'{"id":%d}' % self.number

    @property
    def params(self) -> bytes:
        return json.dumps(PARAMS | {"messages": [{"role": "user", "content": f"Row {self.number}."}]}).encode()


@pytest.fixture
def client(message_batch_simulator: MessageBatchSimulator) -> Iterator[MessageBatchClient]:
    settings = ClientSettings(
        api_key=message_batch_simulator.api_key,
        base_url=message_batch_simulator.base_url,
        client_kwargs={"max_retries": 0},
    )
    with MessageBatchClient(settings) as client:
        yield client


@pytest.fixture
def outcomes(message_batch_simulator: MessageBatchSimulator) -> None:
    """Make rows end in every way; the first matching rule decides."""
    control = message_batch_simulator.control
    control.add_outcome("errored", custom_id="[05]$", error_type="overloaded_error", times=10)
    control.add_outcome("expired", custom_id="1$", times=2)
    control.add_outcome("refusal", custom_id="2$", times=3)
    control.add_outcome("thinking", custom_id="3$")


def submitted(root: Path, client: MessageBatchClient) -> EndedJob:
    """Send a job of 200 rows in several shards, without the safeguards of a submission."""
    storage = LocalStorage(root / "jobs")
    record = JobRecord(
        nonce=NONCE,
        owner=OWNER,
        edition="",
        account=AccountRecord(base_url=client.settings.base_url),
        conn_id="anthropic_default",
        run_id="manual",
        opened_at="2026-11-21T06:00:00Z",
        question="q",
        key_columns=("id",),
    )
    folder = create_job(storage, "dag/task/unit/-", record, after=UnitJobs(jobs=(), next_number=1))
    (root / "shards").mkdir()
    rows = (Row(number) for number in range(ROWS))
    shards = list(cut_shards(rows, nonce=NONCE, limits=ShardLimits(max_requests=90), folder=root / "shards"))
    sealed = tuple(_sealed(storage, folder, shard) for shard in shards)
    folder.create_seal(SealRecord(rows=ROWS, fingerprint="f", shards=sealed))
    for shard in sealed:
        with storage.open(f"{folder.path}/{shard.requests_file}") as lines:
            submit(folder, shard.shard, client.create(body_chunks(lines), content_length=shard.body_bytes))
    return EndedJob(folder, None, root / "output", StillClock(), root / "spool")  # type: ignore[arg-type]


def _sealed(storage: LocalStorage, folder: JobFolder, shard: Shard) -> LedgerShard:
    requests_file, rows_file = f"requests/{shard.number:05d}-a.jsonl", f"rows/{shard.number:05d}-a.jsonl"
    storage.put_file(shard.requests_path, f"{folder.path}/{requests_file}")
    storage.put_file(shard.rows_path, f"{folder.path}/{rows_file}")
    return LedgerShard(
        shard=shard.number,
        requests=shard.requests,
        first_row=shard.first_row,
        body_bytes=shard.body_bytes,
        requests_file=requests_file,
        rows_file=rows_file,
    )


def collect(job: EndedJob, client: MessageBatchClient, **changes: Any) -> Manifest:
    return collect_job(job.folder, client, job.destination(), replace(job.settings, **changes))


def rows_of(job: EndedJob, manifest: Manifest) -> list[dict[str, Any]]:
    files = job.files()
    return [json.loads(line) for part in manifest.parts for line in files[part.name].split(b"\n") if line]


@pytest.mark.usefixtures("outcomes")
def test_every_row_arrives_once_in_order_and_what_was_billed_is_counted(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator
) -> None:
    job = submitted(tmp_path, client)
    message_batch_simulator.control.end_batches()
    manifest = collect(job, client)
    rows = rows_of(job, manifest)
    assert [row["id"] for row in rows] == list(range(ROWS))
    assert len(manifest.parts) >= 3
    assert manifest.as_dict()["counts"] == {
        "rows": ROWS,
        "succeeded": ROWS - 12,
        "errored": 10,
        "canceled": 0,
        "expired": 2,
        "missing": 0,
        "unreadable": 0,
        "invalid_row": 0,
    }
    assert (manifest.errors, manifest.stop_reasons["refusal"]) == ({"overloaded_error": 10}, 3)
    assert sum(usage["requests"] for usage in manifest.usage.values()) == ROWS - 12
    assert all(row["text"] for row in rows if row["stop_reason"] == "end_turn")


def test_a_job_can_be_collected_only_once_all_batches_have_ended(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.change_settings(batch_duration=3600.0)
    job = submitted(tmp_path, client)
    with pytest.raises(BatchesNotEndedError) as raised:
        collect(job, client)
    assert len(raised.value.batch_ids) == len(job.folder.batches())


@pytest.mark.parametrize(
    "fault", [{"action": "cut_after_lines", "lines": 20}, {"action": "cut_after_bytes", "bytes": 999}]
)
def test_a_stream_cut_once_is_fetched_again(
    tmp_path: Path,
    client: MessageBatchClient,
    message_batch_simulator: MessageBatchSimulator,
    fault: dict[str, Any],
) -> None:
    job = submitted(tmp_path, client)
    message_batch_simulator.control.end_batches()
    message_batch_simulator.control.add_fault("results", nth=2, **fault)
    assert [row["id"] for row in rows_of(job, collect(job, client))] == list(range(ROWS))
    assert job.clock.slept == [2.0]


def test_a_stream_that_is_always_cut_publishes_nothing_and_a_later_run_completes_without_paying_again(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator
) -> None:
    control = message_batch_simulator.control
    job = submitted(tmp_path, client)
    control.end_batches()
    billed = control.billing()
    control.add_fault("results", "cut_after_lines", lines=5, nth=2, times=None)
    with pytest.raises(ResultsStreamError, match="nothing is paid for again"):
        collect(job, client)
    assert "_manifest.json" not in job.files()
    control.clear_faults()
    assert [row["id"] for row in rows_of(job, collect(job, client))] == list(range(ROWS))
    assert control.billing() == billed


def test_results_that_lack_rows_which_were_counted_are_not_taken_for_whole(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.add_outcome("missing", custom_id="-7$")
    job = submitted(tmp_path, client)
    message_batch_simulator.control.end_batches()
    with pytest.raises(ResultsStreamError, match=r"results? arrived for"):
        collect(job, client)


def test_a_page_in_place_of_results_is_named_as_such(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator
) -> None:
    job = submitted(tmp_path, client)
    message_batch_simulator.control.end_batches()
    message_batch_simulator.control.add_fault("results", "html_200", times=None)
    with pytest.raises(UnexpectedAnswerError):
        collect(job, client)
    assert "_manifest.json" not in job.files()


def test_archived_results_are_told_with_likely_causes(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator
) -> None:
    job = submitted(tmp_path, client)
    message_batch_simulator.control.end_batches()
    message_batch_simulator.control.archive_batches()
    with pytest.raises(ResultsUnavailableError, match="29 days"):
        collect(job, client)


def test_plain_batch_ids_and_xcom_hold_the_same_answers(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator
) -> None:
    job = submitted(tmp_path, client)
    message_batch_simulator.control.end_batches()
    in_memory = rows_for_xcom(job.folder, client, replace(job.settings, keep_requests=True), max_bytes=1_000_000).rows
    batch_ids = [batch.batch_id for batch in job.folder.batches()]
    plain = rows_of(job, collect_batches(batch_ids, client, job.destination(), job.settings))
    assert [row["id"] for row in in_memory] == list(range(ROWS))
    assert sorted((row["custom_id"], row["text"]) for row in plain) == sorted(
        (row["custom_id"], row["text"]) for row in in_memory
    )
