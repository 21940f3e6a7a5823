"""Folders named ``name=value`` are columns of tables; the file's own column wins."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from anthropic_batches_provider.batches.rows import Reading, read_row_file
from anthropic_batches_provider.batches.rows.partitions import Partitions, partition_columns
from anthropic_batches_provider.edge.row_files import read_row_files
from anthropic_batches_provider.errors import InvalidRowError


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("/lake/rows.csv", {}),
        ("rows.csv", {}),
        ("/lake/dt=2026-11-28/rows.csv", {"dt": "2026-11-28"}),
        ("s3://conn@bucket/t/year=2026/month=01/a.csv.gz", {"year": "2026", "month": "01"}),
        ("/lake/dt=1/x/dt=2/a.csv", {"dt": "2"}),
        ("/lake/a%3Ab=c%2Fd%20e/a.csv", {"a:b": "c/d e"}),
        ("/lake/a=b=c/a.csv", {"a": "b=c"}),
        ("/lake/a=/a.csv", {"a": ""}),
        ("/lake/=a/a.csv", {}),
        ("/lake/country=__HIVE_DEFAULT_PARTITION__/a.csv", {"country": None}),
        ("/lake/a=%FF/a.csv", {"a": "%FF"}),
        ("/lake/dt=1.csv", {}),
    ],
)
def test_folders_are_columns_and_the_name_of_the_file_is_none(name: str, columns: dict[str, str | None]) -> None:
    assert partition_columns(name) == columns


def read(data: bytes, name: str, partitions: Partitions | None = None, **options: Any) -> list[Any]:
    return list(read_row_file(io.BytesIO(data), name=name, partitions=partitions, **options))


def test_a_table_has_the_columns_of_its_folders_behind_its_own() -> None:
    rows = read(b"id,text\n1,x\n2,y\n", "/lake/dt=2026-11-28/part=7/a.csv")
    assert rows == [
        {"id": "1", "text": "x", "dt": "2026-11-28", "part": "7"},
        {"id": "2", "text": "y", "dt": "2026-11-28", "part": "7"},
    ]
    assert list(rows[0]) == ["id", "text", "dt", "part"]


def test_bad_rows_pass() -> None:
    good, bad, last = read(b"a,b\n1,2\n3\n4,5\n", "/lake/dt=1/a.csv")
    assert (good, last) == ({"a": "1", "b": "2", "dt": "1"}, {"a": "4", "b": "5", "dt": "1"})
    assert isinstance(bad, InvalidRowError)


@pytest.mark.parametrize("name", ["/lake/dt=1/a.jsonl", "/lake/dt=1/a.json", "/lake/dt=1/a"])
def test_json_has_no_columns_of_folders(name: str) -> None:
    assert read(b'{"a":1}\n', name) == [{"a": 1}]
    assert read(b'[{"a":1}]\n', name) == [{"a": 1}]


def test_the_column_of_the_file_wins_with_one_warning_per_input(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for day in ("1", "2"):
        (tmp_path / f"dt={day}" / "kind=k").mkdir(parents=True)
        (tmp_path / f"dt={day}" / "kind=k" / "a.csv").write_text("id,dt\n1,9\n2,8\n")
    with caplog.at_level(logging.WARNING):
        rows = list(read_row_files([f"{tmp_path}/dt=*/*/*.csv"], Reading()))
    assert rows == [{"id": "1", "dt": "9", "kind": "k"}, {"id": "2", "dt": "8", "kind": "k"}] * 2
    (message,) = caplog.messages
    assert message.startswith(
        f"{tmp_path}/dt=1/kind=k/a.csv: its column dt differs from the folder that is named dt=1."
    )


@pytest.mark.parametrize(("value", "folder"), [(2026, "2026"), ("a", "a"), (None, None), (1.5, "1.5")])
def test_a_column_that_says_the_same_in_another_type_needs_no_warning(
    value: object, folder: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    rows = list(Partitions().add(iter([{"a": value}]), {"a": folder, "b": "x"}, "/lake/a"))
    assert rows == [{"a": value, "b": "x"}]
    assert caplog.messages == []
