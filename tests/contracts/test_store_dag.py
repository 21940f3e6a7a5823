"""The main job as a DAG, with its rows, its ledger and its output on an object store."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import zstandard
from openpyxl import Workbook
from pyarrow import ipc, parquet

from anthropic_batches_provider.edge.cell_files import read_cell_file
from anthropic_batches_provider.edge.object_storage import object_path, open_storage
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.contracts.store_servers import Store
from tests.dags.conftest import ROOT, DagRunner
from tests.worlds.pictures import jpeg, png

PASSAGES = (ROOT / "dags/data/sotu_passages.jsonl").read_bytes().splitlines(keepends=True)[:30]


def test_a_dag_reads_keeps_its_ledger_and_writes_on_s3_and_a_second_run_pays_nothing(
    store: Store,
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    lake, jobs = store.folder(), store.folder()
    for number in range(3):
        (tmp_path / "file").write_bytes(gzip.compress(b"".join(PASSAGES[number * 10 : (number + 1) * 10])))
        open_storage(lake, holds_ledger=False).put_file(tmp_path / "file", f"passages/{number}.jsonl.gz")
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", jobs)
    conf = {"rows": f"{lake}/passages/*.jsonl.gz", "destination": f"{lake}/labels"}
    assert dags.run("main_job", conf).state == "success"
    assert dags.run("main_job", conf).state == "success"
    output = open_storage(f"{lake}/labels")
    parts = [output.read(name) for name in output.list("") if name.startswith("part-")]
    found = [json.loads(line)["passage_id"] for part in parts for line in part.splitlines()]
    assert found == [json.loads(passage)["passage_id"] for passage in PASSAGES]
    assert open_storage(jobs).list("") == ["claims", "main_job"]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (30, 1)


def test_a_dag_reads_a_lake_of_all_formats_and_each_row_is_billed_once(
    store: Store,
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    lake, jobs = store.folder(), store.folder()
    rows = [json.loads(passage) for passage in PASSAGES]
    for number, (suffix, write) in enumerate(WRITERS.items()):
        write(tmp_path / "file", rows[number * 5 : (number + 1) * 5])
        open_storage(lake, holds_ledger=False).put_file(tmp_path / "file", f"passages/{number}{suffix}")
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", jobs)
    conf = {"rows": f"{lake}/passages/*", "destination": f"{lake}/labels"}
    assert dags.run("main_job", conf).state == "success"
    output = open_storage(f"{lake}/labels")
    parts = [output.read(name) for name in output.list("") if name.startswith("part-")]
    found = [json.loads(line) for part in parts for line in part.splitlines()]
    assert [row["passage_id"] for row in found] == [row["passage_id"] for row in rows]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (30, 1)


def write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_packed_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    write_csv(file, rows)
    file.write_bytes(zstandard.ZstdCompressor().compress(file.read_bytes()))


def write_array(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def write_parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=2)


def write_arrow(file: Path, rows: list[dict[str, Any]]) -> None:
    table = pyarrow.Table.from_pylist(rows)
    with ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)


def write_workbook(file: Path, rows: list[dict[str, Any]]) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Passages")
    for cells in (list(rows[0]), *(list(row.values()) for row in rows)):
        sheet.append(cells)
    book.save(file)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    ".csv": write_csv,
    ".csv.zst": write_packed_csv,
    ".json": write_array,
    ".parquet": write_parquet,
    ".arrow": write_arrow,
    ".xlsx": write_workbook,
}


def test_images_are_read_from_the_store_and_one_that_is_missing_or_no_image_is_a_bad_row(
    store: Store,
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    lake, jobs = store.folder(), store.folder()
    photos = {"one.png": png(30, 20), "scan.jpg": b"II*\0\x08\0\0\0", "two.jpg": jpeg()}
    for name, content in photos.items():
        (tmp_path / "file").write_bytes(content)
        open_storage(lake, holds_ledger=False).put_file(tmp_path / "file", f"photos/{name}")
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", jobs)
    run = dags.run("pictures", {"folder": lake})
    assert (run.tasks["one_task"], run.tasks["mapped"]) == ("success", "success")
    output = open_storage(f"{lake}/one_task")
    (part,) = (output.read(name) for name in output.list("") if name.startswith("part-"))
    rows = [json.loads(line) for line in part.splitlines()]
    assert [(row["name"], row["size"]) for row in rows] == [(name, len(content)) for name, content in photos.items()]
    assert [row["error_message"] is None for row in rows] == [True, False, True]
    assert f"column 'path' ({lake}/photos/scan.jpg) seems to be a TIFF image" in rows[1]["error_message"]
    assert message_batch_simulator.control.billing().rows_billed == 2 + 2
    with pytest.raises(FileNotFoundError):
        read_cell_file(f"{lake}/photos/none.png", 100)
    assert read_cell_file(object_path(f"{lake}/photos/two.jpg"), 20) == jpeg()[:20]
