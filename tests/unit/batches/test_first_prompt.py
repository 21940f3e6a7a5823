"""The first prompt of a job is remembered by its seal, and its text only where the task asks for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.first_prompt import first_prompt_of
from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    JobFolder,
    JobRecord,
    LocalStorage,
    UnitJobs,
    create_job,
)
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission.invalid_row_limit import InvalidRowLimit
from anthropic_batches_provider.batches.submission.sealing import seal_job

LONG = "ä" + "x" * 2_999


def row(number: int, prompt: Any) -> PreparedRow:
    params = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": prompt}]}
    return PreparedRow(number, b"{}", json.dumps(params).encode())


def sealed(
    folder: Path, prompts: list[Any], *, show_prompt: bool, max_bytes: int = 256_000_000, shared_blocks: int = 0
) -> JobFolder:
    """Return a job of two rows a shard."""
    record = JobRecord(
        nonce="0123456789ab", owner="o", edition="", account=AccountRecord.of(Account(base_url="http://api")),
        conn_id="c", run_id="r", opened_at="2026-03-14T00:00:00Z", question="q",
    )  # fmt: skip
    job = create_job(LocalStorage(folder), "dag/task/unit/-", record, after=UnitJobs(jobs=(), next_number=1))
    spool = folder / "spool"
    spool.mkdir()
    seal_job(
        job,
        [row(number, prompt) for number, prompt in enumerate(prompts)],
        limits=ShardLimits(max_requests=2, max_bytes=max_bytes),
        spool_folder=spool,
        limit=InvalidRowLimit(1),
        show_prompt=show_prompt,
        shared_blocks=shared_blocks,
    )
    return JobFolder(job.storage, job.path)


def remove_requests(job: JobFolder) -> None:
    for name in job.storage.list(f"{job.path}/requests"):
        job.storage.remove(f"{job.path}/requests/{name}")


def shown(job: JobFolder, *, with_text: bool) -> dict[str, Any]:
    found = first_prompt_of(job, with_text=with_text)
    assert found is not None
    return found.as_dict()


def described(prompt: str) -> dict[str, Any]:
    return {"characters": len(prompt), "sha256": hashlib.sha256(prompt.encode()).hexdigest()}


def test_length_in_characters_and_hash_outlive_the_shards(tmp_path: Path) -> None:
    job = sealed(tmp_path, [LONG, "second", "third"], show_prompt=False)
    remove_requests(job)
    assert shown(job, with_text=False) == shown(job, with_text=True) == described(LONG)


def test_the_text_outlives_the_shards_where_it_was_asked_for(tmp_path: Path) -> None:
    job = sealed(tmp_path, [LONG, "second", "third"], show_prompt=True)
    remove_requests(job)
    assert shown(job, with_text=True) == {**described(LONG), "text": LONG[:2_000], "text_is_cut": True}
    assert shown(job, with_text=False) == described(LONG), "asked for in an earlier try only"


def test_a_text_that_is_asked_for_later_comes_from_the_shard(tmp_path: Path) -> None:
    job = sealed(tmp_path, ["first", "second"], show_prompt=False)
    assert shown(job, with_text=True) == {**described("first"), "text": "first", "text_is_cut": False}


def test_without_show_prompt_no_file_but_the_requests_holds_the_text(tmp_path: Path) -> None:
    for show_prompt, holders in ((False, ["requests"]), (True, ["job-0001", "requests"])):
        job = sealed(tmp_path / str(show_prompt), ["a secret", "second"], show_prompt=show_prompt)
        folder = Path(job.uri.removeprefix("file://"))
        found = [file.parent.name for file in folder.rglob("*") if file.is_file() and b"a secret" in file.read_bytes()]
        assert sorted(found) == holders


def test_a_job_of_an_older_version_is_read_from_its_shard_while_that_is_there(tmp_path: Path) -> None:
    job = sealed(tmp_path, ["first", "second"], show_prompt=True)
    seal = Path(job.uri.removeprefix("file://")) / "sealed.json"
    record = json.loads(seal.read_text())
    del record["first_prompt"]
    seal.write_text(json.dumps(record))
    job = JobFolder(job.storage, job.path)
    assert shown(job, with_text=False) == described("first")
    remove_requests(job)
    assert first_prompt_of(job, with_text=True) is None


def test_the_first_request_counts_and_not_a_row_that_none_is_made_of(tmp_path: Path) -> None:
    job = sealed(tmp_path, ["x" * 1_000, "sent", "sent, too"], show_prompt=False, max_bytes=500)
    assert shown(job, with_text=False) == described("sent")


def test_the_context_that_all_rows_share_is_no_part_of_it_whenever_it_is_asked_for(tmp_path: Path) -> None:
    rows = [[{"type": "text", "text": text} for text in ("guide", "more", own)] for own in ("first", "second")]
    for show_prompt in (False, True):
        job = sealed(tmp_path / str(show_prompt), rows, show_prompt=show_prompt, shared_blocks=2)
        assert shown(job, with_text=False) == described("first")
        assert shown(job, with_text=True) == {**described("first"), "text": "first", "text_is_cut": False}
