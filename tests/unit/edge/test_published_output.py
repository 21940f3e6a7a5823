"""The rows of a published output: exactly the parts that its manifest lists, and an error for any that differs."""

from __future__ import annotations

import datetime
import gzip
import json
import tracemalloc
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import parquet

from anthropic_batches_provider.batches.output.manifest import Manifest, PartFile, RowCounts, Times, encode_manifest
from anthropic_batches_provider.errors import ConfigurationError, LedgerError
from anthropic_batches_provider.sources import read_rows

LINES = [[b'{"id":1,"price":12.10}', b'{"id":2,"price":1}'], [b'{"id":3,"price":0.5}']]
ROWS = [{"id": 1, "price": 12.1}, {"id": 2, "price": 1}, {"id": 3, "price": 0.5}]


def written(folder: Any, *, suffix: str = ".jsonl", uri: str | None = None) -> dict[str, Any]:
    """Write an output of two parts, and return its manifest."""
    parts = []
    for number, lines in enumerate(LINES):
        content = b"".join(line + b"\n" for line in lines)
        stored = gzip.compress(content) if suffix.endswith(".gz") else content
        name = f"part-{number:05d}-k3v9c2m1{suffix}"
        (folder / name).write_bytes(stored)
        parts.append(PartFile.at(uri or str(folder), name, rows=len(lines), size=len(stored)))
    manifest = Manifest(
        provider_version="0.1.0", job=None, owner="d/t/u/-", destination=uri or str(folder), output_format="jsonl",
        batch_ids=("msgbatch_1", "msgbatch_2"), parts=tuple(parts), counts=RowCounts(rows=3, succeeded=3),
        stop_reasons={}, errors={}, usage={}, times=Times(submitted_at="", ended_at=None, collected_at=""),
    )  # fmt: skip
    (folder / "_manifest.json").write_bytes(encode_manifest(manifest))
    (folder / "part-00000-of-an-attempt-that-crashed.jsonl").write_bytes(b'{"id":9}\n')
    return manifest.as_dict()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    return folder


@pytest.fixture
def store() -> Iterator[ObjectStoragePath]:
    attach("memory", fs=MemoryFileSystem())
    folder = ObjectStoragePath(f"memory://lake/{uuid.uuid4().hex}")
    folder.mkdir(parents=True)
    yield folder
    folder.rmdir(recursive=True)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_an_output_is_named_by_its_manifest_its_folder_or_the_file_of_the_manifest(folder: Path, suffix: str) -> None:
    manifest = written(folder, suffix=suffix)
    for output in (
        manifest, str(folder), f"file://{folder}", f"{folder}/", f"file://{folder}/_manifest.json", folder,
        folder / "_manifest.json",
    ):  # fmt: skip
        assert list(read_rows(output)) == ROWS


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_an_output_in_an_object_store_is_read_as_well(store: ObjectStoragePath, suffix: str) -> None:
    manifest = written(store, suffix=suffix, uri=str(store))
    for output in (manifest, str(store), f"{store}/_manifest.json"):
        assert list(read_rows(output)) == ROWS
    (store / manifest["parts"][1]["name"]).unlink()
    rows = read_rows(str(store))
    assert [next(rows), next(rows)] == ROWS[:2]
    with pytest.raises(LedgerError, match=r"part-00001-k3v9c2m1\.jsonl(\.gz)? is missing"):
        next(rows)


def published(folder: Path, output_format: str, name: str, rows: int, **changes: Any) -> dict[str, Any]:
    """Return the manifest of one part that lies in a folder."""
    part = PartFile.at(str(folder), name, rows=rows, size=(folder / name).stat().st_size)
    manifest = Manifest(
        provider_version="0.1.0", job=None, owner="d/t/u/-", destination=str(folder), output_format=output_format,
        batch_ids=("msgbatch_1",), parts=(part,), counts=RowCounts(rows=rows, succeeded=rows),
        stop_reasons={}, errors={}, usage={}, times=Times(submitted_at="", ended_at=None, collected_at=""), **changes,
    )  # fmt: skip
    (folder / "_manifest.json").write_bytes(encode_manifest(manifest))
    return manifest.as_dict()


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """Return a folder whose name would add a column to the rows of a table that is an input."""
    folder = tmp_path / "dt=2026-11-21"
    folder.mkdir()
    return folder


def test_rows_of_parquet_have_typed_values_and_no_more_columns_than_the_file(day: Path) -> None:
    table = pyarrow.table({
        "id": pyarrow.array([1, 2], pyarrow.int64()),
        "price": pyarrow.array([Decimal("12.10"), None], pyarrow.decimal128(5, 2)),
        "day": pyarrow.array([datetime.date(2026, 1, 2), None], pyarrow.date32()),
        "tags": pyarrow.array([["a"], []], pyarrow.list_(pyarrow.string())),
        "parsed": pyarrow.array(['{"a":1}', None]),
    })  # fmt: skip
    parquet.write_table(table, day / "part-00000-a.parquet")
    manifest = published(day, "parquet", "part-00000-a.parquet", 2)
    rows = [
        {"id": 1, "price": Decimal("12.10"), "day": datetime.date(2026, 1, 2), "tags": ["a"], "parsed": '{"a":1}'},
        {"id": 2, "price": None, "day": None, "tags": [], "parsed": None},
    ]
    for output in (manifest, str(day), day / "_manifest.json"):
        assert list(read_rows(output)) == rows
    assert list(read_rows([manifest, None, manifest])) == rows * 2
    assert [row["id"] for row in read_rows({**manifest, "parts": [{**manifest["parts"][0], "rows": 2}]})] == [1, 2]


CSV = b'id,text,label\n1,"",\n2,"a ""b""\n, c",x\n'


def test_rows_of_csv_are_texts_and_tell_null_from_empty_text(day: Path) -> None:
    (day / "part-00000-a.csv").write_bytes(CSV)
    manifest = published(day, "csv", "part-00000-a.csv", 2)
    for output in (manifest, day):
        assert list(read_rows(output)) == [
            {"id": "1", "text": "", "label": None},
            {"id": "2", "text": 'a "b"\n, c', "label": "x"},
        ]


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("csv", lambda data: data.replace(b'c"', b"c;"), r"is damaged \(a cell that begins in line 3 does not end"),
        ("csv", lambda data: data.replace(b'1,"",', b'1,"a"'), r"is damaged \(line 2 has 2 cells"),
        ("csv", lambda data: data.replace(b'1,"",', b'1,""x'), r"is damaged \(the record in line 2"),
        ("csv", lambda data: data.replace(b",x\n", b",\xff\n"), r"is damaged \(line 3 is no UTF-8"),
        ("csv", lambda data: data[1:], "has 37 bytes, but the manifest says 38"),
        ("parquet", lambda data: data[:-4] + b"PAR2", "is damaged"),
        ("parquet", lambda data: b"X" + data[1:], "is damaged"),
        ("parquet", lambda data: data[1:], "has [0-9]+ bytes, but the manifest says"),
    ],
)  # fmt: skip
def test_a_damaged_part_of_each_format_is_named(day: Path, name: str, damage: Any, said: str) -> None:
    part = day / f"part-00000-a.{name}"
    if name == "csv":
        part.write_bytes(CSV)
    else:
        parquet.write_table(pyarrow.table({"id": [1, 2]}), part)
    manifest = published(day, name, part.name, 2)
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(LedgerError, match=rf"part-00000-a\.{name} {said}.* Restore the file, or clear the task"):
        list(read_rows(manifest))


def test_more_rows_in_the_manifest_than_in_a_part_of_a_table_are_named(day: Path) -> None:
    (day / "part.csv").write_bytes(CSV)
    with pytest.raises(LedgerError, match="has 2 rows, but the manifest says 3"):
        list(read_rows(published(day, "csv", "part.csv", 3)))
    parquet.write_table(pyarrow.table({"id": [1, 2]}), day / "part.parquet")
    with pytest.raises(LedgerError, match="has 2 rows, but the manifest says 1"):
        list(read_rows(published(day, "parquet", "part.parquet", 1)))


def test_a_format_of_a_later_version_is_refused(day: Path) -> None:
    (day / "part.orc").write_bytes(b"ORC")
    manifest = published(day, "orc", "part.orc", 1)
    for output in (manifest, day):
        with pytest.raises(ConfigurationError, match=r"output_format 'orc', but this version reads 'jsonl', .*'csv'"):
            read_rows(output)


def test_rows_that_came_through_xcom_are_taken_as_they_are() -> None:
    assert list(read_rows(ROWS)) == ROWS
    assert list(read_rows([])) == []


def test_the_outputs_of_a_mapped_task_follow_one_another(folder: Path) -> None:
    manifest = written(folder)
    assert list(read_rows([manifest, None, manifest])) == ROWS * 2
    assert list(read_rows([ROWS, ROWS])) == ROWS * 2


def test_a_manifest_of_a_later_version_with_more_fields_is_read(folder: Path) -> None:
    manifest = {**written(folder), "cost_usd": 1.5}
    assert list(read_rows(json.loads(json.dumps(manifest)))) == ROWS


def test_numbers_keep_the_digits_of_the_file(folder: Path) -> None:
    assert str(next(read_rows(written(folder)))["price"]) == "12.10"


def test_a_copy_of_a_folder_is_read_where_it_is(folder: Path, tmp_path: Path) -> None:
    written(folder)
    copy = folder.rename(tmp_path / "copy")
    assert list(read_rows(str(copy))) == ROWS


def other_bytes(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-10])


def no_json(part: Path) -> None:
    part.write_bytes(b"\xff" * len(part.read_bytes()))


def fewer_lines(part: Path) -> None:
    first, second, _ = part.read_bytes().split(b"\n")
    part.write_bytes(first + b" " * (len(second) + 1) + b"\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "is missing"),
        (other_bytes, "has 32 bytes, but the manifest says 42"),
        (fewer_lines, "has 1 rows, but the manifest says 2"),
        (no_json, "is damaged"),
    ],
)
def test_a_part_that_differs_from_the_manifest_is_named(folder: Path, damage: Any, said: str) -> None:
    manifest = written(folder)
    part = folder / manifest["parts"][0]["name"]
    damage(part)
    with pytest.raises(LedgerError, match=rf"The part file://{part} {said}.* Restore the file, or clear the task"):
        list(read_rows(manifest))


def test_a_folder_without_a_manifest_is_an_error_and_no_empty_output(folder: Path) -> None:
    (folder / "part-00000.jsonl").write_bytes(b'{"id":1}\n')
    for output in (folder, folder / "none", folder / "part-00000.jsonl"):
        with pytest.raises(LedgerError, match=r"no _manifest\.json in .*Check whether the job has finished"):
            read_rows(str(output))


def test_a_manifest_of_something_else_is_an_error(folder: Path) -> None:
    (folder / "_manifest.json").write_text('{"files": []}')
    with pytest.raises(LedgerError, match="cannot be used: it is not a manifest of this package"):
        read_rows(folder)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (None, "the value is None"),
        ({"job": "file:///d/t/u/-/job-0001", "batch_ids": []}, "a job reference, which submitting tasks return"),
        ({"rows": 3}, "no manifest"),
        (3, "a value of type int"),
        (b"{}", "a value of type bytes"),
        ("labels", "'labels' is not an absolute path"),
        ("sql://warehouse@labels", "'sql://warehouse@labels' is a table, .* Give the return value of the task"),
        (Path("labels"), "relative path 'labels'"),
    ],
)
def test_what_is_no_output_is_refused_with_the_way_in(output: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_rows(output)


def test_manifests_that_list_no_files_or_are_broken_are_refused(folder: Path) -> None:
    manifest = written(folder)
    for changed, said in (
        ({"destination": "xcom", "parts": []}, "Pull the task's return value"),
        ({"version": 2}, "has version 2"),
        ({"parts": [{}]}, "no whole manifest"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            read_rows({**manifest, **changed})


def test_memory_does_not_grow_with_the_rows(folder: Path) -> None:
    manifest = written(folder)
    part = folder / manifest["parts"][0]["name"]
    lines = 40_000
    part.write_bytes((b'{"id":1,"text":"' + b"a" * 1000 + b'"}\n') * lines)
    manifest["parts"] = [{**manifest["parts"][0], "rows": lines, "bytes": part.stat().st_size}]
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows(manifest)) == lines
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
