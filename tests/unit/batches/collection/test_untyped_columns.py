"""A job that recorded no types has the columns of all its rows, as text; each rows file is read once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from anthropic_batches_provider.batches.collection import collect_job, untyped_columns
from anthropic_batches_provider.batches.invalid_rows import invalid_row
from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.errors import ConfigurationError, CorruptLedgerError
from tests.worlds.ended_jobs import NONCE, EndedJob, ended_job, succeeded

ROWS = [[b'{"id":1,"n":1.50}', b'{"id":2,"tags":["a"]}'], [b'{"id":3,"n":"x"}'], [b'{"id":4}']]


def job_of(folder: Path) -> EndedJob:
    numbers = iter(range(9))
    results = [[succeeded(f"{NONCE}-{shard}-{next(numbers)}") for _ in rows] for shard, rows in enumerate(ROWS)]
    return ended_job(folder, results, ROWS)


def collect(job: EndedJob) -> Any:
    settings = replace(job.settings, as_table=True)
    return collect_job(job.folder, job.service, job.destination(output_format="parquet"), settings)


def test_every_part_has_the_columns_of_all_rows_as_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path)
    opened: list[str] = []
    lines_of = JobFolder.lines_of

    def noted(folder: JobFolder, name: str) -> Iterator[bytes]:
        opened.append(name)
        return lines_of(folder, name)

    monkeypatch.setattr(JobFolder, "lines_of", noted)
    with caplog.at_level(logging.WARNING):
        manifest = collect(job)
    tables = [parquet.read_table(job.output / part.name) for part in manifest.parts]
    assert {str(table.schema) for table in tables} == {str(tables[0].schema)}
    assert [row for table in tables for row in table.select(["id", "n", "tags"]).to_pylist()] == [
        {"id": "1", "n": "1.50", "tags": None},
        {"id": "2", "n": None, "tags": '["a"]'},
        {"id": "3", "n": "x", "tags": None},
        {"id": "4", "n": None, "tags": None},
    ]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{job.folder.uri} was sealed before the types of columns were recorded: its own columns are text in this "
        "output."
    )
    rows_files = [name for name in opened if name.startswith("rows/")]
    assert len(rows_files) == 2 * len(ROWS), "once for their names, and once for their part"


def test_names_of_invalid_rows_count(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    shard = job.folder.first_seal().shards[0]
    line = invalid_row(0, "no prompt", b'{"id":1,"late":null}').line()
    (tmp_path / "rows").write_bytes(line + b"\n" + ROWS[0][1] + b"\n")
    job.folder.storage.put_file(tmp_path / "rows", f"{job.folder.path}/{shard.rows_file}")
    assert [column.name for column in untyped_columns.untyped_columns(job.folder)] == ["id", "late", "tags", "n"]


def test_more_columns_than_a_table_can_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untyped_columns, "MOST_COLUMNS", 2)
    job = job_of(tmp_path)
    with pytest.raises(ConfigurationError, match=r"have more than 2 different columns.*output_format='jsonl'.*nothing"):
        collect(job)
    assert not [name for name in job.files() if name.startswith("part")]


@pytest.mark.parametrize("content", [None, b'{"id":1,"n":1.50}\n{"id":2\n'])
def test_a_rows_file_that_is_not_whole_is_named(tmp_path: Path, content: bytes | None) -> None:
    job = job_of(tmp_path)
    path = f"{job.folder.path}/{job.folder.first_seal().shards[0].rows_file}"
    job.folder.storage.remove(path)
    if content is not None:
        (tmp_path / "rows").write_bytes(content)
        job.folder.storage.put_file(tmp_path / "rows", path)
    with pytest.raises(CorruptLedgerError, match=r"rows/00000-a.jsonl is missing, or damaged after its line \d"):
        collect(job)
