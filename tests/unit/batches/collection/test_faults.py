"""The files that collecting leaves behind when it fails; running it again completes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.collection import (
    collect_batches,
    collect_job,
    rows_for_xcom,
)
from anthropic_batches_provider.batches.ledger import CollectionRecord, LocalStorage
from anthropic_batches_provider.batches.output.destination import (
    MANIFEST_NAME,
    Destination,
    check_destination,
    check_writable,
)
from anthropic_batches_provider.batches.output.failed_rows import check_failed_rows
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.output.usage_rows import USAGE_NAME, decode_usage
from anthropic_batches_provider.errors import (
    BatchesNotEndedError,
    ConfigurationError,
    CorruptLedgerError,
    DestinationOwnedError,
    FailedRowsError,
    ResultsStreamError,
    ResultsUnavailableError,
)
from tests.worlds.ended_jobs import NONCE, OWNER, EndedJob, ended_job, errored, succeeded

COLUMNS = [[b'{"id":"a"}', b'{"id":"b"}'], [b'{"id":"c"}', b'{"id":"d"}']]
RESULTS = [
    [succeeded(f"{NONCE}-0-1"), succeeded(f"{NONCE}-0-0")],
    [errored(f"{NONCE}-1-3"), succeeded(f"{NONCE}-1-2")],
]


@pytest.fixture
def job(tmp_path: Path) -> EndedJob:
    return ended_job(tmp_path, RESULTS, COLUMNS)


class FailingStorage(LocalStorage):
    """A store that fails once, at a chosen call.

    :param fails: decides whether a call fails, from its kind, its path and the number of earlier calls of its kind.
    """

    def __init__(self, root: Path, fails: Callable[[str, str, int], bool]) -> None:
        super().__init__(root)
        self._fails = fails
        self._calls: dict[str, int] = {}
        self._failed = False

    def put_file(self, source: Path, path: str) -> None:
        self._maybe_fail("put", path)
        super().put_file(source, path)

    def remove(self, path: str) -> None:
        self._maybe_fail("remove", path)
        super().remove(path)

    def _maybe_fail(self, kind: str, path: str) -> None:
        before = self._calls.get(kind, 0)
        self._calls[kind] = before + 1
        if not self._failed and self._fails(kind, path, before):
            self._failed = True
            raise OSError("the store is having a bad day")


def collect(job: EndedJob) -> Manifest:
    return collect_job(job.folder, job.service, job.destination(), job.settings)


def ids_in(job: EndedJob) -> list[str]:
    """Return the ids that a reader of the manifest finds."""
    files = job.files()
    parts = json.loads(files[MANIFEST_NAME])["parts"]
    return [json.loads(line)["id"] for part in parts for line in files[part["name"]].splitlines()]


def is_clean(job: EndedJob) -> bool:
    return not job.spool.exists() or list(job.spool.iterdir()) == []


# ----------------------------------------------------------------------------------------------------------- the stream


def test_a_stream_cut_once_costs_a_pause_and_nothing_else(job: EndedJob) -> None:
    job.service.faults = {"msgbatch_0": [300], "msgbatch_1": [-10]}
    collect(job)
    assert ids_in(job) == ["a", "b", "c", "d"]
    assert job.clock.slept == [2.0, 2.0]


def test_a_stream_that_is_always_cut_publishes_nothing_and_a_later_run_completes(job: EndedJob) -> None:
    job.service.faults = {"msgbatch_1": [300] * 4}
    with pytest.raises(ResultsStreamError):
        collect(job)
    assert MANIFEST_NAME not in job.files()
    assert job.folder.last_collection() is None
    assert is_clean(job)
    collect(job)
    assert ids_in(job) == ["a", "b", "c", "d"]
    assert len(job.files()) == 5


@pytest.mark.parametrize("tries", [1, 2], ids=["once", "collected again"])
def test_an_answer_of_an_unknown_type_is_a_row_of_its_own_kind_and_is_kept_whole(job: EndedJob, tries: int) -> None:
    odd = job.service.bodies["msgbatch_1"].replace(b'"errored"', b'"throttled"')
    job.service.bodies["msgbatch_1"] = odd
    manifest = [collect(job) for _ in range(tries)][-1]
    assert ids_in(job) == ["a", "b", "c", "d"]
    assert (manifest.counts.succeeded, manifest.counts.unreadable, manifest.failed_rows) == (3, 1, 1)
    assert manifest.usage["unknown"]["unreported_requests"] == 1
    assert "throttled" in manifest.error_examples["unreadable"]
    kept = job.folder.storage.read(f"{job.folder.path}/unreadable/00001.jsonl")
    (line,) = [line for line in odd.splitlines(keepends=True) if b"throttled" in line]
    assert kept == line
    with pytest.raises(FailedRowsError, match=r"1 unreadable.*throttled.*were billed.*/unreadable/"):
        check_failed_rows(manifest, 0)
    assert is_clean(job)


def test_a_line_that_names_no_request_is_kept_whole_while_its_row_is_missing(job: EndedJob) -> None:
    body = job.service.bodies["msgbatch_1"]
    (errored_line,) = [line for line in body.splitlines() if b'"errored"' in line]
    job.service.bodies["msgbatch_1"] = body.replace(errored_line, b'{"result":{"type":"succeeded"}}')
    manifest = collect(job)
    assert (manifest.counts.succeeded, manifest.counts.missing, manifest.foreign_results) == (3, 1, 1)
    kept = job.folder.storage.read(f"{job.folder.path}/unreadable/00001.jsonl")
    assert kept == b'{"result":{"type":"succeeded"}}\n'


def test_rows_for_xcom_hold_an_unreadable_answer_too(job: EndedJob) -> None:
    job.service.bodies["msgbatch_1"] = job.service.bodies["msgbatch_1"].replace(b'"errored"', b'"throttled"')
    found = rows_for_xcom(job.folder, job.service, job.settings, max_bytes=10_000)
    assert [row["result_type"] for row in found.rows].count("unreadable") == 1


# ------------------------------------------------------------------------------------------------------------ the store


@pytest.mark.parametrize(
    "fails",
    [
        pytest.param(lambda kind, path, before: kind == "put" and before == 0, id="the first part"),
        pytest.param(lambda kind, path, before: kind == "put" and before == 1, id="the second part"),
        pytest.param(lambda kind, path, before: path == USAGE_NAME, id="the usage"),
        pytest.param(lambda kind, path, before: path == MANIFEST_NAME, id="the manifest"),
    ],
)
def test_a_store_that_fails_leaves_the_previous_output_as_it_was(
    job: EndedJob, fails: Callable[[str, str, int], bool]
) -> None:
    collect(job)
    before = job.files()
    failing = replace(job.destination(), storage=FailingStorage(job.output, fails))
    with pytest.raises(OSError, match="bad day") as raised:
        collect_job(job.folder, job.service, failing, replace(job.settings, include_message=True))
    assert "nothing is paid for again" in raised.value.__notes__[0]
    assert before.items() <= job.files().items()
    assert is_clean(job)
    collect_job(job.folder, job.service, failing, replace(job.settings, include_message=True))
    assert ids_in(job) == ["a", "b", "c", "d"]
    assert len(job.files()) == 5


@pytest.mark.parametrize(("fails", "found"), [(USAGE_NAME, set()), (MANIFEST_NAME, {USAGE_NAME})])
def test_no_manifest_is_there_without_its_usage(job: EndedJob, fails: str, found: set[str]) -> None:
    failing = replace(job.destination(), storage=FailingStorage(job.output, lambda kind, path, before: path == fails))
    with pytest.raises(OSError, match="bad day"):
        collect_job(job.folder, job.service, failing, job.settings)
    assert job.files().keys() & {USAGE_NAME, MANIFEST_NAME} == found
    manifest = collect(job)
    usage = decode_usage(job.files()[USAGE_NAME])
    assert {row.model for row in usage} == {"claude-haiku-5-5"}
    assert sum(row.requests for row in usage) == manifest.counts.succeeded


def test_files_that_a_crash_kept_from_being_removed_go_with_the_next_collection(job: EndedJob) -> None:
    collect(job)
    failing = FailingStorage(job.output, lambda kind, path, before: kind == "remove" and before == 2)
    with pytest.raises(OSError, match="bad day"):
        collect_job(job.folder, job.service, replace(job.destination(), storage=failing), job.settings)
    assert ids_in(job) == ["a", "b", "c", "d"]
    assert len(job.files()) == 6
    collect(job)
    assert ids_in(job) == ["a", "b", "c", "d"]
    assert len(job.files()) == 5


def test_a_job_that_fails_to_note_its_end_is_collected_again(job: EndedJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(record: CollectionRecord) -> None:
        raise OSError("bad day")

    with monkeypatch.context() as patch:
        patch.setattr(job.folder, "record_collection", refuse)
        with pytest.raises(OSError, match="bad day"):
            collect(job)
    assert "00000-a.jsonl" in job.folder.storage.list(f"{job.folder.path}/requests")
    collect(job)
    assert ids_in(job) == ["a", "b", "c", "d"]
    assert len(job.files()) == 5


def test_a_destination_that_cannot_be_written_is_told_before_anything_is_fetched(job: EndedJob, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    destination = Destination(storage=LocalStorage(tmp_path / "file" / "folder"), owner=OWNER)
    for attempt in (
        lambda: check_writable(destination),
        lambda: collect_job(job.folder, job.service, destination, job.settings),
        lambda: collect_batches(["msgbatch_0"], job.service, destination, job.settings),
    ):
        with pytest.raises(ConfigurationError, match=r"file/folder cannot be .*29 days.*costs nothing"):
            attempt()
    assert job.service.fetched == []


def test_the_check_leaves_nothing_behind(job: EndedJob) -> None:
    check_writable(job.destination())
    check_writable(job.destination())
    assert job.files() == {}


# ------------------------------------------------------------------------------------------------------------ the owner


def test_a_destination_of_nobody_is_fine_and_of_the_same_owner_tells_what_is_there(job: EndedJob) -> None:
    assert check_destination(job.destination()) is None
    manifest = collect(job)
    assert check_destination(job.destination()) == manifest


def test_another_owners_destination_is_refused_and_left_alone(job: EndedJob) -> None:
    collect(job)
    before, fetched = job.files(), list(job.service.fetched)
    other = job.destination(owner="dag/other/2026-11-21/-")
    attempts: list[Callable[[], object]] = [
        lambda: check_destination(other),
        lambda: collect_job(job.folder, job.service, other, job.settings),
    ]
    for attempt in attempts:
        with pytest.raises(DestinationOwnedError) as raised:
            attempt()
        assert OWNER in str(raised.value)
        assert other.owner in str(raised.value)
    assert job.files() == before
    assert job.service.fetched == fetched


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b"\xff", b'{"version": 1}'])
def test_a_manifest_that_cannot_be_read_counts_as_anothers(job: EndedJob, content: bytes) -> None:
    job.output.mkdir()
    (job.output / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(DestinationOwnedError, match=r"cannot be read.*another folder"):
        collect(job)
    assert job.files() == {MANIFEST_NAME: content}


def test_a_manifest_of_a_newer_version_counts_as_anothers(job: EndedJob) -> None:
    collect(job)
    path = job.output / MANIFEST_NAME
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(DestinationOwnedError, match="of version 2"):
        collect(job)


def test_an_unknown_output_format_is_refused(job: EndedJob) -> None:
    with pytest.raises(ConfigurationError, match=r"'jsonl' or .*'csv', not 'tsv'"):
        job.destination(output_format="tsv")


# --------------------------------------------------------------------------------------------- the batches and the job


def test_batches_that_have_not_ended_are_named_and_nothing_is_fetched(job: EndedJob) -> None:
    service = job.service
    service.batches["msgbatch_1"] = replace(service.batches["msgbatch_1"], processing_status="canceling")
    for attempt in (
        lambda: collect(job),
        lambda: rows_for_xcom(job.folder, service, job.settings, max_bytes=1_000_000),
        lambda: collect_batches(["msgbatch_0", "msgbatch_1"], service, job.destination(), job.settings),
    ):
        with pytest.raises(BatchesNotEndedError, match=r"1 of 2 batches.*msgbatch_1 \(canceling\)") as raised:
            attempt()
        assert raised.value.batch_ids == ("msgbatch_1",)
    assert service.fetched == []


def test_shards_that_were_not_submitted_are_named(job: EndedJob) -> None:
    for name in ("intent", "outcome"):
        job.folder.storage.remove(f"{job.folder.path}/ledger/00001-01-{name}.json")
    with pytest.raises(BatchesNotEndedError, match=r"of 2 shards, 1 had no batch yet \(shard 1\)"):
        collect(job)


def test_a_batch_that_the_api_does_not_know_is_told_with_likely_causes(job: EndedJob) -> None:
    del job.service.batches["msgbatch_1"]
    with pytest.raises(ResultsUnavailableError, match=r"msgbatch_1.*another workspace.*deleted"):
        collect(job)


def test_many_names_are_cut_short(job: EndedJob) -> None:
    ids = []
    for number in range(12):
        batch = job.service.add(f"msgbatch_x{number:02d}", [], processing_status="in_progress")
        ids.append(batch.id)
    with pytest.raises(BatchesNotEndedError, match=r"msgbatch_x09 \(in_progress\) and 2 more"):
        collect_batches(ids, job.service, job.destination(), job.settings)


@pytest.mark.parametrize(
    "rows",
    [b"", b'{"id":"a"}\n', b'{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n', b'{"id":"a"}\n["b"]\n', b'{"id":"a"}\n{"id":"b\n'],
)
def test_rows_that_do_not_fit_the_requests_stop_the_collection(job: EndedJob, tmp_path: Path, rows: bytes) -> None:
    local = tmp_path / "rows"
    local.write_bytes(rows)
    job.folder.storage.put_file(local, f"{job.folder.path}/rows/00000-a.jsonl")
    with pytest.raises(CorruptLedgerError, match=r"00000-a.jsonl does not hold .* 2 rows"):
        collect(job)
    assert MANIFEST_NAME not in job.files()


def test_rows_that_are_gone_are_told_and_batches_can_be_collected_without_them(job: EndedJob) -> None:
    job.folder.storage.remove(f"{job.folder.path}/rows/00001-a.jsonl")
    with pytest.raises(CorruptLedgerError, match=r"rows/00001-a.jsonl of .* is lost.*batch_ids="):
        collect(job)
    batches = [batch.batch_id for batch in job.folder.batches()]
    assert collect_batches(batches, job.service, job.destination(), job.settings).counts.rows == 4
