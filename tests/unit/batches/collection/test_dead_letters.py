"""Rows that stay without a usable result, with their requests, in a file beside the output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.collection import collect_batches, collect_job, rows_for_xcom
from anthropic_batches_provider.batches.collection.dead_letters import custom_id_of, dead_letters_of
from anthropic_batches_provider.batches.collection.job_context import job_context_of
from anthropic_batches_provider.batches.ledger import EndRecord, LocalStorage
from anthropic_batches_provider.batches.output.destination import MANIFEST_NAME
from anthropic_batches_provider.batches.output.failed_rows import check_failed_rows
from anthropic_batches_provider.batches.output.manifest import Manifest, decode_manifest, encode_manifest
from anthropic_batches_provider.batches.requests import OutputSchema, decode_ready_line
from anthropic_batches_provider.batches.rows.prepared import prepare_requests
from anthropic_batches_provider.errors import ConfigurationError, CorruptLedgerError, FailedRowsError
from tests.worlds.ended_jobs import NONCE, EndedJob, ended, ended_job, errored, succeeded

NAME = "_dead_letters.jsonl"
PARAMS = {"prompt": "secret"}
COLUMNS = [[b'{"id":"a","year":1}', b'{"id":"b","year":2}'], [b'{"id":3,"year":3}', b'{"id":"3","year":4}']]
FAILED = [
    [succeeded(f"{NONCE}-0-0"), errored(f"{NONCE}-0-1")],
    [ended(f"{NONCE}-1-2", "expired"), ended(f"{NONCE}-1-3", "canceled")],
]
WHOLE = [
    [succeeded(f"{NONCE}-0-0"), succeeded(f"{NONCE}-0-1")],
    [succeeded(f"{NONCE}-1-2"), succeeded(f"{NONCE}-1-3")],
]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def failed_job(root: Path, results: Sequence[Sequence[bytes]] = FAILED, **changes: Any) -> EndedJob:
    return ended_job(root, results, COLUMNS, **{"key_columns": ("id",), **changes})


@pytest.fixture
def job(tmp_path: Path) -> EndedJob:
    return failed_job(tmp_path)


def collect(job: EndedJob, *, dead_letters: bool = True, **changes: Any) -> Manifest:
    settings = replace(job.settings, dead_letters=dead_letters, **changes)
    return collect_job(job.folder, job.service, job.destination(), settings)


def letters_in(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def keys_in(job: EndedJob) -> list[Any]:
    return [letter["custom_id"] for letter in letters_in(job.files()[NAME])]


def answer_all(job: EndedJob) -> None:
    for shard, lines in enumerate(WHOLE):
        job.service.bodies[f"msgbatch_{shard}"] = b"".join(line + b"\n" for line in lines)


# ---------------------------------------------------------------------------------------------------------- which rows


@pytest.mark.parametrize("keep_requests", [False, True])
def test_failed_rows_lie_beside_the_output_with_their_requests_under_their_keys(
    job: EndedJob, *, keep_requests: bool
) -> None:
    manifest = collect(job, keep_requests=keep_requests)
    assert letters_in(job.files()[NAME]) == [{"custom_id": key, "params": PARAMS} for key in ("b", 3, "3")]
    assert manifest.dead_letters is not None
    assert (manifest.dead_letters.uri, manifest.dead_letters.rows) == (f"{job.destination().uri}/{NAME}", 3)
    assert decode_manifest(job.files()[MANIFEST_NAME]) == manifest
    assert manifest.as_dict()["dead_letters"] == {"uri": f"file://{job.output}/{NAME}", "rows": manifest.failed_rows}
    assert NAME not in {part.name for part in manifest.parts}


def test_they_are_not_written_unless_asked_for(job: EndedJob) -> None:
    manifest = collect(job, dead_letters=False)
    assert manifest.dead_letters is None
    assert NAME not in job.files()


def test_no_file_is_written_for_a_job_without_failures(tmp_path: Path) -> None:
    job = failed_job(tmp_path, WHOLE)
    assert collect(job).dead_letters is None
    assert NAME not in job.files()


def test_each_answer_is_a_success_where_no_schema_judges_it(tmp_path: Path) -> None:
    refusal = succeeded(f"{NONCE}-0-1", stop_reason="refusal")
    job = failed_job(tmp_path, [[WHOLE[0][0], refusal], [WHOLE[1][0], errored(f"{NONCE}-1-3")]])
    manifest = collect(job)
    assert manifest.verdicts["refusal"] == 1
    assert keys_in(job) == ["3"]


def test_a_schema_makes_dead_letters_of_answers_that_do_not_fit(tmp_path: Path) -> None:
    results = [
        [succeeded(f"{NONCE}-0-0", '{"n": 1}'), succeeded(f"{NONCE}-0-1", '{"n": "one"}')],
        [succeeded(f"{NONCE}-1-2", stop_reason="refusal"), succeeded(f"{NONCE}-1-3", '{"n": 4}')],
    ]
    job = failed_job(tmp_path, results, structured=True, output_schema=OutputSchema(SCHEMA))
    manifest = collect(job)
    assert keys_in(job) == ["b", 3]
    assert manifest.failed_rows == 2


def test_a_row_that_was_answered_before_a_round_that_left_it_open_is_none(job: EndedJob) -> None:
    collect(job, dead_letters=False)
    collection = job.folder.last_collection()
    assert collection is not None
    kept = Path(str(job.folder.uri).removeprefix("file://"), collection.unusable[0].file)
    answered = {"row": 1, "result_type": "missing", "has_answer": True, "params": PARAMS}
    kept.write_text(json.dumps(answered) + "\n")
    job.folder.storage.remove(f"{job.folder.path}/requests/00000-a.jsonl")
    context = job_context_of(job.folder, job.service, job.settings)
    shard = job.folder.first_seal().shards[0]
    assert list(dead_letters_of(context, shard, collection.unusable[0].file)) == []
    old = {"row": 1, "result_type": "missing", "params": PARAMS}  # as an older version wrote it
    kept.write_text(json.dumps(old) + "\n")
    (line,) = dead_letters_of(context, shard, collection.unusable[0].file)
    assert json.loads(line) == {"custom_id": "b", "params": PARAMS}


def test_rows_whose_requests_are_gone_are_told(job: EndedJob, caplog: pytest.LogCaptureFixture) -> None:
    job.folder.record_end(EndRecord(shard=1, batch_id="msgbatch_1", ended_at=None, request_counts={}))
    job.folder.storage.remove(f"{job.folder.path}/requests/00001-a.jsonl")
    manifest = collect(job)
    assert keys_in(job) == ["b"]
    assert manifest.rows_without_letter == 2
    assert "2 rows without a usable answer cannot be among the dead letters" in caplog.text


def test_a_rows_file_that_is_broken_is_told(job: EndedJob) -> None:
    collect(job, dead_letters=False)
    context = job_context_of(job.folder, job.service, job.settings)
    collection = job.folder.last_collection()
    assert collection is not None
    for content in (b"", b'{"id":"a"}\n{"year":2}\n'):
        Path(job.folder.uri.removeprefix("file://"), "rows/00000-a.jsonl").write_bytes(content)
        with pytest.raises(CorruptLedgerError, match=r"rows/00000-a\.jsonl is broken .*collect without dead_letters"):
            list(dead_letters_of(context, job.folder.first_seal().shards[0], collection.unusable[0].file))


# ------------------------------------------------------------------------------------------------------------ the file


@pytest.mark.parametrize("option", [True, False], ids=["none are left", "the option is off"])
def test_an_older_file_goes_with_a_manifest_that_does_not_name_it(job: EndedJob, *, option: bool) -> None:
    collect(job)
    if option:
        answer_all(job)
    manifest = collect(job, dead_letters=option)
    assert manifest.dead_letters is None
    assert NAME in manifest.replaced
    assert NAME not in job.files()


class _FailsOnce(LocalStorage):
    """A store that fails once, at a name."""

    def __init__(self, root: Path, kind: str, name: str) -> None:
        super().__init__(root)
        self._at: tuple[str, str] | None = (kind, name)

    def put_file(self, source: Path, path: str) -> None:
        self._maybe_fail("put", path)
        super().put_file(source, path)

    def remove(self, path: str) -> None:
        self._maybe_fail("remove", path)
        super().remove(path)

    def _maybe_fail(self, kind: str, path: str) -> None:
        if self._at == (kind, path):
            self._at = None
            raise OSError("the store is having a bad day")


@pytest.mark.parametrize("at", [("put", NAME), ("put", MANIFEST_NAME)], ids=["the letters", "the manifest"])
def test_a_crash_before_the_manifest_leaves_the_rest_to_the_next_attempt(job: EndedJob, at: tuple[str, str]) -> None:
    failing = replace(job.destination(), storage=_FailsOnce(job.output, *at))
    settings = replace(job.settings, dead_letters=True)
    with pytest.raises(OSError, match="bad day"):
        collect_job(job.folder, job.service, failing, settings)
    assert MANIFEST_NAME not in job.files()
    collect_job(job.folder, job.service, failing, settings)
    assert keys_in(job) == ["b", 3, "3"]
    assert list(job.spool.iterdir()) == []


@pytest.mark.parametrize("at", [("put", MANIFEST_NAME), ("remove", NAME)], ids=["the manifest", "the removal"])
def test_a_crash_leaves_no_letters_behind_that_no_manifest_names(job: EndedJob, at: tuple[str, str]) -> None:
    collect(job)
    failing = replace(job.destination(), storage=_FailsOnce(job.output, *at))
    with pytest.raises(OSError, match="bad day"):
        collect_job(job.folder, job.service, failing, job.settings)
    assert NAME in job.files()
    collect(job, dead_letters=False)
    assert NAME not in job.files()


def test_letters_of_a_crash_before_the_first_manifest_go_when_the_option_is_off(job: EndedJob) -> None:
    failing = replace(job.destination(), storage=_FailsOnce(job.output, "put", MANIFEST_NAME))
    with pytest.raises(OSError, match="bad day"):
        collect_job(job.folder, job.service, failing, replace(job.settings, dead_letters=True))
    assert NAME in job.files()
    collect(job, dead_letters=False)
    assert NAME not in job.files()


def test_a_manifest_of_an_older_version_names_none(job: EndedJob) -> None:
    content = json.loads(encode_manifest(collect(job)))
    del content["dead_letters"]
    assert decode_manifest(json.dumps(content).encode()).dead_letters is None


def test_the_error_of_failed_rows_names_the_file(job: EndedJob) -> None:
    manifest = collect(job)
    with pytest.raises(FailedRowsError, match=rf"{NAME} holds 3 failed rows with the whole request: .*requests="):
        check_failed_rows(manifest, 0)


def test_rows_in_xcom_have_their_letters_in_the_job_folder(job: EndedJob) -> None:
    folder = Path(job.folder.uri.removeprefix("file://"))
    settings = replace(job.settings, dead_letters=True)
    found = rows_for_xcom(job.folder, job.service, settings, max_bytes=10_000)
    assert found.manifest.dead_letters is not None
    assert found.manifest.dead_letters.uri == f"{job.folder.uri}/{NAME}"
    assert [letter["custom_id"] for letter in letters_in((folder / NAME).read_bytes())] == ["b", 3, "3"]
    found = rows_for_xcom(job.folder, job.service, job.settings, max_bytes=10_000)
    assert found.manifest.dead_letters is None
    assert not (folder / NAME).exists()


def test_the_requests_of_other_submitters_are_not_known(job: EndedJob) -> None:
    settings = replace(job.settings, dead_letters=True)
    with pytest.raises(ConfigurationError, match="dead_letters=True needs job="):
        collect_batches(["msgbatch_0"], job.service, job.destination(), settings)
    assert job.service.fetched == []


def test_a_hundred_thousand_rows_are_joined_in_order_one_at_a_time(tmp_path: Path) -> None:
    rows = 100_000
    columns = [[b'{"id":%d}' % number for number in range(rows)]]
    results = [[ended(f"{NONCE}-0-{number}", "expired") for number in range(rows)]]
    job = ended_job(tmp_path, results, columns, key_columns=("id",))
    assert collect(job).dead_letters is not None
    with (job.output / NAME).open("rb") as lines:
        assert [json.loads(line)["custom_id"] for line in lines] == list(range(rows))


# ------------------------------------------------------------------------------------------------------- the custom_id

ONE = ("id",)
CUSTOM_IDS: list[tuple[bytes, tuple[str, ...], Any]] = [
    (b'{"id":"a","n":1}', ONE, "a"),
    (b'{"id":7,"n":1}', ONE, 7),
    (b'{"id":-7}', ONE, -7),
    (b'{"id":123456789012345678901234567890}', ONE, 123456789012345678901234567890),
    (b'{"row_number":0}', ("row_number",), 0),
    (b'{"id":"7"}', ONE, "7"),
    (b'{"id":""}', ONE, ""),
    (b'{"id":"\xc3\xa9\\"\\n"}', ONE, 'é"\n'),
    (b'{"id":null}', ONE, '{"id":null}'),
    (b'{"id":"null"}', ONE, "null"),
    (b'{"id":1.5}', ONE, '{"id":1.5}'),
    (b'{"id":"1.5"}', ONE, "1.5"),
    (b'{"id":-0}', ONE, '{"id":-0}'),
    (b'{"id":1e3}', ONE, '{"id":1e3}'),
    (b'{"id":true}', ONE, '{"id":true}'),
    (b'{"id":[1,"x"]}', ONE, '{"id":[1,"x"]}'),
    (b'{"id":{"a":1}}', ONE, '{"id":{"a":1}}'),
    (b'{"id":"{\\"id\\":1.5}"}', ONE, '{"id":"{\\"id\\":1.5}"}'),
    (b'{"id":"{\\"ID\\":1.5}"}', ONE, '{"ID":1.5}'),
    (b'{"year":1790,"id":"a","n":1}', ("year", "id"), '{"year":1790,"id":"a"}'),
    (b'{"year":1790,"id":"a"}', (), '{"year":1790,"id":"a"}'),
    (b'{"id":"a"}', (), "a"),
]


@pytest.mark.parametrize(("columns", "keys", "custom_id"), CUSTOM_IDS)
def test_the_custom_id_is_the_key_or_the_text_of_its_json(
    columns: bytes, keys: tuple[str, ...], custom_id: object
) -> None:
    assert json.loads(custom_id_of(columns, keys)) == custom_id


def test_ready_requests_of_all_kinds_of_keys_are_unique_to_their_reader(tmp_path: Path) -> None:
    kinds = dict.fromkeys(custom_id_of(columns, keys) for columns, keys, _ in CUSTOM_IDS if keys == ONE)
    assert len(kinds) == sum(keys == ONE for _, keys, _ in CUSTOM_IDS)
    params = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}'
    lines = [b'{"custom_id":%b,"params":%b}\n' % (custom_id, params) for custom_id in kinds]
    requests = prepare_requests([decode_ready_line(line) for line in lines], spool_folder=tmp_path)
    assert [json.loads(request.columns)["key"] for request in requests] == [json.loads(key) for key in kinds]
