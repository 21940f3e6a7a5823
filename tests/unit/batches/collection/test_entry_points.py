"""The files that collecting writes when it does not fail, whatever the results hold."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from anthropic_batches_provider.batches.collection import (
    JobCollection,
    collect_batches,
    collect_job,
    rows_for_xcom,
)
from anthropic_batches_provider.batches.collection.unusable_rows import read_unusable_rows
from anthropic_batches_provider.batches.judging import judge, model_checks
from anthropic_batches_provider.batches.ledger import ColumnRecord, EndRecord, LocalStorage, ShardRecord
from anthropic_batches_provider.batches.money.request_costs import MISSING_RESULT, STRAY_RESULT
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import FIRST_COLUMNS, RESULT_COLUMNS
from anthropic_batches_provider.batches.output.destination import (
    MANIFEST_NAME,
    OWNER_NAME,
)
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.errors import ConfigurationError, XComLimitError
from tests.worlds.ended_jobs import (
    NONCE,
    OWNER,
    EndedJob,
    Service,
    StillClock,
    ended,
    ended_job,
    errored,
    succeeded,
)

COLUMNS = [[b'{"id":"a"}', b'{"id":"b"}', b'{"id":"c"}'], [b'{"id":"d"}', b'{"id":"e"}']]
RESULTS = [
    [ended(f"{NONCE}-0-2", "expired"), succeeded(f"{NONCE}-0-0"), errored(f"{NONCE}-0-1")],
    [ended(f"{NONCE}-1-4", "canceled"), ended("foreign", "expired")],
]
ANSWERS = [("a", "succeeded"), ("b", "errored"), ("c", "expired"), ("d", "missing"), ("e", "canceled")]


@pytest.fixture
def job(tmp_path: Path) -> EndedJob:
    return ended_job(tmp_path, RESULTS, COLUMNS)


def collect(job: EndedJob, **changes: Any) -> Manifest:
    return collect_job(job.folder, job.service, job.destination(), replace(job.settings, **changes))


def rows_of(job: EndedJob, manifest: Manifest) -> list[dict[str, Any]]:
    rows = []
    for part in manifest.parts:
        content = job.files()[part.name]
        assert len(content) == part.bytes
        lines = (gzip.decompress(content) if part.name.endswith(".gz") else content).decode().split("\n")
        assert len(lines) == part.rows + 1
        rows += [json.loads(line) for line in lines[:-1]]
    return rows


def answers(rows: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(row["id"], row["result_type"]) for row in rows]


KEPT = [[b'{"id":"a","text":"mine"}'], [b'{"id":"b","text":"mine"}']]
ANSWERED = [[succeeded(f"{NONCE}-0-0", '{"label":"x"}')], [succeeded(f"{NONCE}-1-1", '{"label":"y"}')]]
RECORDED = {
    "columns": (ColumnRecord(name="id", type="string"), ColumnRecord(name="text", type="string")),
    "result_columns": RESULT_COLUMNS,
}
LABEL = OutputSchema(
    {
        "type": "object",
        "properties": {"label": {"type": "string"}},
        "additionalProperties": False,
        "required": ["label"],
    }
)


@pytest.mark.parametrize("sealed", [RECORDED, {}], ids=["recorded", "older"])
@pytest.mark.parametrize(
    ("columns", "output_format", "said"),
    [
        (["verdict", "text"], "jsonl", "both have a column 'text'"),
        ({"text": None, "model": "id"}, "jsonl", "both have a column 'id'"),
        ({"text": None, "parsed": ""}, "jsonl", "gives 'parsed' the empty name"),
        (["parsed_label"], "jsonl", "only in a table"),
        (["parsed_lable"], "csv", "Did you mean 'parsed_label'"),
        ({"parsed_label": "text", "text": None}, "csv", "both have a column 'text'"),
        (["verdikt"], "parquet", "Did you mean 'verdict'"),
    ],
)
def test_columns_that_the_jobs_rows_cannot_have_are_refused_before_anything_is_written(
    tmp_path: Path, columns: Any, output_format: str, said: str, sealed: dict[str, Any]
) -> None:
    job = ended_job(tmp_path, ANSWERED, KEPT, output_schema=LABEL, sealed=sealed)
    settings = replace(job.settings, choice=ColumnChoice.of(columns), as_table=output_format != "jsonl")
    with pytest.raises(ConfigurationError, match=said):
        collect_job(job.folder, job.service, job.destination(output_format=output_format), settings)
    if output_format == "jsonl":
        with pytest.raises(ConfigurationError, match=said):
            rows_for_xcom(job.folder, job.service, settings, max_bytes=1_000)
    assert (job.files(), job.service.fetched) == ({}, [])


def test_a_job_whose_columns_were_chosen_at_its_submission_needs_a_choice_again(tmp_path: Path) -> None:
    job = ended_job(tmp_path, ANSWERED, KEPT, sealed=RECORDED)
    with pytest.raises(ConfigurationError, match=r"both have a column 'text'\. .*columns=\{'text': 'another_name'\}"):
        collect(job)
    assert (job.files(), job.service.fetched) == ({}, [])


def test_chosen_columns_beside_a_prefix_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    job = ended_job(tmp_path, RESULTS, COLUMNS, column_prefix="answer_", sealed=RECORDED)
    for columns in (["text"], []):
        with pytest.raises(ConfigurationError, match="cannot be combined with column_prefix='answer_'"):
            collect(job, choice=ColumnChoice.of(columns))
    assert (job.files(), job.service.fetched) == ({}, [])


@pytest.mark.parametrize("sealed", [RECORDED, {}], ids=["recorded", "older"])
def test_other_columns_are_collected_again_and_replace_the_files(tmp_path: Path, sealed: dict[str, Any]) -> None:
    job = ended_job(tmp_path, ANSWERED, KEPT, output_schema=LABEL, sealed=sealed)
    names: set[str] = set()
    for columns, expected in (
        (["verdict"], {"id": "a", "text": "mine", "verdict": "fits"}),
        ({**dict.fromkeys(FIRST_COLUMNS), "text": "answer", "error_details": None, "cost_usd": None,
          "earlier_rounds": None},
         {"id": "a", "text": "mine", "answer": '{"label":"x"}', **({"verdict": "fits"} if sealed else {})}),
        ([], {"id": "a", "text": "mine"}),
        (["verdict"], {"id": "a", "text": "mine", "verdict": "fits"}),
    ):  # fmt: skip
        manifest = collect(job, choice=ColumnChoice.of(columns))
        assert rows_of(job, manifest)[0] == expected
        parts = {part.name for part in manifest.parts}
        assert set(job.files()) == {MANIFEST_NAME, OWNER_NAME, *parts}
        assert names.isdisjoint(parts)
        names = parts
        assert collect(job, choice=ColumnChoice.of(columns)).counts == manifest.counts


@pytest.mark.parametrize(
    ("columns", "cost"),
    [(RESULT_COLUMNS, b'"cost_usd":0.00000125,'), (tuple(name for name in RESULT_COLUMNS if name != "cost_usd"), b"")],
    ids=["of now", "of before"],
)
def test_without_a_choice_the_files_have_the_columns_of_when_the_job_was_sealed(
    tmp_path: Path, columns: tuple[str, ...], cost: bytes
) -> None:
    """The cost by hand: 10 tokens in at $0.05 for a million in a batch, and 3 out at $0.25."""
    job = ended_job(tmp_path, RESULTS, COLUMNS, sealed={"result_columns": columns})
    manifest = collect(job)
    first = (
        b'{"id":"a","custom_id":"0123456789ab-0-0","batch_id":"msgbatch_0","result_type":"succeeded","text":"yes",'
        b'"parsed":null,"verdict":"fits","stop_reason":"end_turn","error_type":null,"error_message":null,'
        b'"error_details":null,"model":"claude-haiku-5-5","usage":{"input_tokens":10,"output_tokens":3,'
        b'"service_tier":"batch"},' + cost + b'"earlier_rounds":null}\n'
    )
    assert job.files()[manifest.parts[0].name].startswith(first)
    assert [part.name for part in manifest.parts] == ["part-00000-01234567.jsonl", "part-00001-01234567.jsonl"]
    assert manifest.columns == ()


def test_batches_of_others_have_the_chosen_columns_and_at_least_one(tmp_path: Path) -> None:
    job = ended_job(tmp_path, RESULTS, COLUMNS)
    settings = replace(job.settings, choice=ColumnChoice.of(["custom_id", "verdict"]))
    manifest = collect_batches(["msgbatch_0"], job.service, job.destination(), settings)
    assert rows_of(job, manifest)[0] == {"custom_id": f"{NONCE}-0-2", "verdict": None}
    fetched = list(job.service.fetched)
    for columns, said in (([], "would have no column"), (["parsed_label"], "only in a table")):
        with pytest.raises(ConfigurationError, match=said):
            collect_batches(
                ["msgbatch_0"], job.service, job.destination(), replace(settings, choice=ColumnChoice.of(columns))
            )
    assert job.service.fetched == fetched


def test_every_request_gets_one_row_in_input_order(job: EndedJob) -> None:
    rows = rows_of(job, collect(job))
    assert answers(rows) == ANSWERS
    assert [row["batch_id"] for row in rows] == ["msgbatch_0"] * 3 + ["msgbatch_1"] * 2
    assert [row["custom_id"] for row in rows] == [f"{NONCE}-{shard}-{row}" for row, shard in enumerate((0, 0, 0, 1, 1))]
    assert list(job.spool.iterdir()) == []


def test_the_manifest_counts_what_was_written(job: EndedJob) -> None:
    manifest = collect(job)
    assert json.loads(job.files()[MANIFEST_NAME]) == manifest.as_dict()
    assert json.loads(json.dumps(manifest.as_dict())) == manifest.as_dict()
    assert manifest.as_dict() | {"parts": [], "provider_version": ""} == {
        "version": 1,
        "provider_version": "",
        "job": job.folder.uri,
        "owner": OWNER,
        "destination": f"file://{job.output}",
        "output_format": "jsonl",
        "batch_ids": ["msgbatch_0", "msgbatch_1"],
        "parts": [],
        "counts": {
            "rows": 5,
            "succeeded": 1,
            "errored": 1,
            "canceled": 1,
            "expired": 1,
            "missing": 1,
            "unreadable": 0,
            "invalid_row": 0,
        },
        "stop_reasons": {"end_turn": 1},
        "verdicts": {"fits": 1},
        "repairs": {},
        "repair_errors": {},
        "output_schema": None,
        "errors": {"invalid_request_error": 1},
        "error_examples": {"invalid_request_error": manifest.error_examples["invalid_request_error"]},
        "usage": {"claude-haiku-5-5": manifest.usage["claude-haiku-5-5"]},
        "times": {
            "submitted_at": "2026-11-21T04:00:00Z",
            "ended_at": "2026-11-21T05:00:00Z",
            "collected_at": "2026-11-21T06:00:00Z",
        },
        "table": None,
        "columns": [],
        "dead_letters": None,
        "prompt_cache": None,
        "cost": manifest.as_dict()["cost"],
        "foreign_results": 1,
        "duplicate_results": 0,
        "replaced": [],
    }
    assert manifest.usage["claude-haiku-5-5"]["output_tokens"] == 3
    assert manifest.cost is not None
    assert (manifest.cost.requests, manifest.cost.at_least) == (1, True)
    assert manifest.cost.unknown == {MISSING_RESULT: 1, STRAY_RESULT: 1}
    assert manifest.failed_rows == 4
    assert [(part.name, part.rows) for part in manifest.parts] == [
        ("part-00000-01234567.jsonl", 3),
        ("part-00001-01234567.jsonl", 2),
    ]
    assert manifest.parts[1].uri == f"file://{job.output}/part-00001-01234567.jsonl"


def test_gzip_holds_the_same_rows_and_equal_rows_give_equal_files(tmp_path: Path, job: EndedJob) -> None:
    plain = rows_of(job, collect(job))
    contents = []
    for name in ("one", "two"):
        other = ended_job(tmp_path / name, RESULTS, COLUMNS)
        manifest = collect_job(other.folder, other.service, other.destination(output_format="jsonl.gz"), other.settings)
        assert rows_of(other, manifest) == plain
        contents.append({part.name: other.files()[part.name] for part in manifest.parts})
    assert contents[0] == contents[1]


def test_prefix_message_and_parsed_are_as_the_job_and_the_settings_say(tmp_path: Path) -> None:
    lines = [[succeeded(f"{NONCE}-0-0", '{"label":"war"}')]]
    job = ended_job(tmp_path, lines, [[b'{"text":"mine"}']], structured=True, column_prefix="answer_")
    (row,) = rows_of(job, collect(job, include_message=True))
    assert (row["text"], row["answer_text"], row["answer_parsed"]) == ("mine", '{"label":"war"}', {"label": "war"})
    assert row["answer_message"]["role"] == "assistant"


# ------------------------------------------------------------------------------------------------------- the job after


def left_requests(job: EndedJob) -> list[str]:
    return job.folder.storage.list(f"{job.folder.path}/requests")


def test_afterwards_the_ledger_knows_and_only_requests_without_an_answer_are_kept(job: EndedJob) -> None:
    collect(job)
    collection = job.folder.last_collection()
    assert collection is not None
    assert (collection.destination, collection.rows, collection.usable_rows) == (f"file://{job.output}", 5, 1)
    assert {"00000-ended.json", "00001-ended.json"} <= set(job.folder.storage.list(f"{job.folder.path}/ledger"))
    assert left_requests(job) == []
    assert [kept.shard for kept in collection.unusable] == [0, 1]
    rows = list(read_unusable_rows(job.folder, collection.unusable[0].file))
    assert [(row.row, json.loads(bytes(row.params))) for row in rows] == [
        (1, {"prompt": "secret"}),
        (2, {"prompt": "secret"}),
    ]
    assert len(job.folder.storage.list(f"{job.folder.path}/unusable")) == 2


def test_a_second_collection_keeps_the_same_rows_in_place_of_the_first(job: EndedJob) -> None:
    kept = []
    for _ in range(2):
        collect(job)
        collection = job.folder.last_collection()
        assert collection is not None
        kept.append([list(read_unusable_rows(job.folder, shard.file)) for shard in collection.unusable])
    assert kept[0] == kept[1] != []
    assert len(job.folder.storage.list(f"{job.folder.path}/unusable")) == 2


def test_a_shard_whose_requests_all_succeeded_leaves_none_behind(tmp_path: Path) -> None:
    job = ended_job(tmp_path, [[succeeded(f"{NONCE}-0-0")]], [[b'{"id":1}']])
    collect(job)
    assert left_requests(job) == []


def test_requests_stay_when_told_so(job: EndedJob) -> None:
    collect(job, keep_requests=True)
    assert left_requests(job) == ["00000-a.jsonl", "00001-a.jsonl"]


def test_a_collected_job_can_be_collected_again(job: EndedJob) -> None:
    first = collect(job)
    kept = left_requests(job)
    second = collect(job, include_message=True)
    assert answers(rows_of(job, second)) == ANSWERS
    assert left_requests(job) == kept
    assert set(second.replaced) == {part.name for part in first.parts}
    assert set(job.files()) == {MANIFEST_NAME, OWNER_NAME, *(part.name for part in second.parts)}
    third = collect(job)
    assert [part.name for part in third.parts] == [part.name for part in first.parts]
    assert set(job.files()) == {MANIFEST_NAME, OWNER_NAME, *(part.name for part in third.parts)}


def test_another_job_of_the_same_owner_takes_over_and_leaves_other_files_alone(tmp_path: Path, job: EndedJob) -> None:
    collect(job)
    (job.output / "notes.txt").write_text("mine")
    (job.output / "part-00007-ffffffff.jsonl").write_text("of a crash\n")
    successor = ended_job(tmp_path, [[ended("foreign", "expired")]], [[b'{"id":"z"}']], nonce="ba9876543210")
    manifest = collect(successor)
    assert set(successor.files()) == {
        MANIFEST_NAME,
        OWNER_NAME,
        "notes.txt",
        "part-00007-ffffffff.jsonl",
        "part-00000-ba987654.jsonl",
    }
    assert answers(rows_of(successor, manifest)) == [("z", "missing")]


# --------------------------------------------------------------------------------------------------- batches, and XCom


def test_batches_of_others_are_rows_in_the_order_of_their_results(tmp_path: Path) -> None:
    service = Service()
    service.add("msgbatch_x", [succeeded("mine-2"), errored("mine-1")])
    service.add("msgbatch_y", [ended("mine-3", "expired")])
    job = EndedJob(None, service, tmp_path / "out", StillClock(), tmp_path / "spool")  # type: ignore[arg-type]
    ids = ["msgbatch_y", "msgbatch_x", "msgbatch_y"]
    manifest = collect_batches(ids, service, job.destination(), job.settings)
    rows = rows_of(job, manifest)
    assert [(row["custom_id"], row["result_type"]) for row in rows] == [
        ("mine-3", "expired"),
        ("mine-2", "succeeded"),
        ("mine-1", "errored"),
    ]
    assert next(iter(rows[0])) == "custom_id"
    assert (manifest.job, manifest.batch_ids, manifest.counts.rows) == (None, ("msgbatch_y", "msgbatch_x"), 3)
    found = rows_for_xcom(ids, service, job.settings, max_bytes=1_000_000)
    assert (found.rows, found.manifest.counts) == (rows, manifest.counts)


def test_no_batch_ids_are_refused(tmp_path: Path, job: EndedJob) -> None:
    with pytest.raises(ConfigurationError, match="names no batch"):
        collect_batches([], job.service, job.destination(), job.settings)


def test_xcom_gets_the_rows_that_a_file_would_hold(job: EndedJob) -> None:
    found = rows_for_xcom(job.folder, job.service, job.settings, max_bytes=1_000_000)
    assert answers(found.rows) == ANSWERS
    assert (found.manifest.destination, found.manifest.owner, found.manifest.parts) == ("xcom", OWNER, ())
    collection = job.folder.last_collection()
    assert collection is not None
    assert collection.destination == "xcom"
    written = collect(job)
    assert rows_of(job, written) == found.rows
    assert (written.counts, written.usage) == (found.manifest.counts, found.manifest.usage)


def test_too_much_for_xcom_says_how_much_and_where_else_to_and_loses_nothing(job: EndedJob) -> None:
    size = sum(part.bytes for part in collect(job, keep_requests=True).parts)
    assert len(rows_for_xcom(job.folder, job.service, job.settings, max_bytes=size).rows) == 5
    with pytest.raises(XComLimitError) as raised:
        rows_for_xcom(job.folder, job.service, job.settings, max_bytes=size - 1)
    for said in (f"{size:,} bytes", f"{size - 1:,} bytes", "5 of 5 rows", "destination=", "costs nothing"):
        assert said in str(raised.value)
    assert list(job.spool.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------- properties

FATES = ("succeeded", "errored", "canceled", "expired", "missing", "duplicate", "unreadable")


def _lines(nonce: str, shard: int, row: int, fate: str) -> list[bytes]:
    custom_id = f"{nonce}-{shard}-{row}"
    match fate:
        case "missing":
            return [ended(f"instead-of-{row}", "expired")]
        case "unreadable":
            return [ended(custom_id, "expired").replace(b"expired", b"exp\x00red")]
        case "errored":
            return [errored(custom_id)]
        case "canceled" | "expired":
            return [ended(custom_id, fate)]
        case "duplicate":
            return [succeeded(custom_id, str(row)), succeeded(custom_id, str(row))]
    return [succeeded(custom_id, str(row))]


@settings(max_examples=40, deadline=None)
@given(
    fates=st.lists(st.lists(st.sampled_from(FATES), min_size=1, max_size=8), min_size=1, max_size=3),
    strangers=st.integers(0, 2),
    chunk_bytes=st.integers(1, 400),
    seed=st.integers(0, 2**16),
)
def test_whatever_comes_in_any_order_each_request_has_one_row(
    fates: list[list[str]], strangers: int, chunk_bytes: int, seed: int
) -> None:
    shuffle = random.Random(seed).shuffle
    number, columns, results = 0, [], []
    for shard, shard_fates in enumerate(fates):
        lines = [ended(f"stranger-{stranger}", "expired") for stranger in range(strangers)]
        columns.append([b'{"id":%d}' % (number + position) for position in range(len(shard_fates))])
        for fate in shard_fates:
            lines += _lines(NONCE, shard, number, fate)
            number += 1
        shuffle(lines)
        results.append(lines)
    with tempfile.TemporaryDirectory() as folder:
        job = ended_job(Path(folder), results, columns)
        job.service.chunk_bytes = chunk_bytes
        for shard, lines in enumerate(results):
            job.service.add(f"msgbatch_{shard}", lines, requests=len(fates[shard]))
        manifest = collect(job)
        rows = rows_of(job, manifest)
        usable = {shard.shard: _usable_of(job, shard) for shard in job.folder.first_seal().shards}
    flat = [fate for shard_fates in fates for fate in shard_fates]
    expected = ["succeeded" if fate == "duplicate" else fate for fate in flat]
    assert answers(rows) == list(enumerate(expected))
    assert all(row["text"] == (str(row["id"]) if row["result_type"] == "succeeded" else None) for row in rows)
    counted = manifest.as_dict()["counts"]
    assert {name: count for name, count in counted.items() if count} == {"rows": len(flat), **Counter(expected)}
    foreign = strangers * len(fates) + flat.count("missing")
    assert (manifest.foreign_results, manifest.duplicate_results) == (foreign, flat.count("duplicate"))
    assert sum(usable.values()) == manifest.failed_rows


def _usable_of(job: EndedJob, shard: ShardRecord) -> int:
    try:
        collection = job.folder.last_collection()
        assert collection is not None
        (file,) = [kept.file for kept in collection.unusable if kept.shard == shard.shard]
        return job.folder.storage.read(f"{job.folder.path}/{file}").count(b"\n")
    except ValueError:
        return 0


def test_a_destination_may_be_any_folder_of_a_storage(tmp_path: Path, job: EndedJob) -> None:
    destination = replace(job.destination(), storage=LocalStorage(tmp_path / "deep" / "map_index=3"))
    manifest = collect_job(job.folder, job.service, destination, job.settings)
    assert manifest.destination == f"file://{tmp_path}/deep/map_index=3"


class _Strict(BaseModel):
    a: int


@pytest.fixture
def model_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type | None], None]]:
    """Yield a function that says which model a job's name leads to; None for none."""

    def lead_to(model: type | None) -> None:
        monkeypatch.setattr(model_checks, "_model_of", lambda name, schema_hash: model)
        judge._judge_by.cache_clear()

    yield lead_to
    judge._judge_by.cache_clear()


def test_parts_that_something_else_has_judged_are_written_again(
    tmp_path: Path, model_is: Callable[[type | None], None]
) -> None:
    answers = [[succeeded(f"{NONCE}-{number}-{number}", '{"a": "bad"}')] for number in range(2)]
    columns = [[b'{"id":0}'], [b'{"id":1}']]
    schema = OutputSchema({"type": "object", "properties": {"a": {"type": "string"}}}, "gone:Model")
    job = ended_job(tmp_path, answers, columns, structured=True, output_schema=schema)
    job.folder.record_end(EndRecord.of(job.service.batches["msgbatch_0"], shard=0))
    model_is(_Strict)
    assert JobCollection(job.folder, job.service, job.destination(), job.settings).write_next() is not None
    model_is(None)
    manifest = JobCollection(job.folder, job.service, job.destination(), job.settings).publish()
    assert manifest.verdicts == {"fits": 2}, "not one by the model and one by the schema"
    assert (manifest.output_schema, manifest.failed_rows) == (schema.hash, 0)
    assert sorted(job.files()) == sorted([MANIFEST_NAME, "_owner.json", *(part.name for part in manifest.parts)])
