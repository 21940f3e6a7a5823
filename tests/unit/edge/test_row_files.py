"""Which files a URI names: wildcards pass over what other programs leave beside the data."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.rows import Reading
from anthropic_batches_provider.edge import row_files
from anthropic_batches_provider.edge.row_files import find_files, read_row_files
from anthropic_batches_provider.errors import ConfigurationError


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A folder of rows with what macOS, notebooks, Spark and this package leave beside them."""
    for name in ("a.jsonl", "b.jsonl", "._a.jsonl", "_SUCCESS", ".a.jsonl.crc", "_manifest.json", "dt=1/c.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for folder in (".ipynb_checkpoints", "old.jsonl", "_temporary"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.jsonl", ["a.jsonl", "b.jsonl"]),
        ("*", ["a.jsonl", "b.jsonl"]),
        ("?.jsonl", ["a.jsonl", "b.jsonl"]),
        ("[ab].jsonl", ["a.jsonl", "b.jsonl"]),
        ("_*.json", ["_manifest.json"]),
        ("._*", ["._a.jsonl"]),
        ("[_.]*", []),
        ("*/*.jsonl", ["dt=1/c.jsonl", "old.jsonl/x.jsonl"]),
        ("_temp*/*.jsonl", ["_temporary/x.jsonl"]),
        (".ipynb_checkpoints/*", [".ipynb_checkpoints/x.jsonl"]),
        ("*/c.jsonl", ["dt=1/c.jsonl"]),
        ("*/a.jsonl", []),
        ("*/none/*.jsonl", []),
        ("a.jsonl/*", None),
        ("none/*.jsonl", None),
        ("none/dt=*/*.jsonl", None),
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_wildcards_find_files_of_rows_alone(lake: Path, pattern: str, names: list[str] | None, scheme: str) -> None:
    if names is None:
        with pytest.raises(ConfigurationError, match=r"There is no folder .* Nothing was sent\."):
            find_files(f"{scheme}{lake}/{pattern}")
    else:
        assert find_files(f"{scheme}{lake}/{pattern}") == [f"{scheme}{lake}/{name}" for name in names]


def test_what_was_passed_over_is_told(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        find_files(f"{lake}/*")
    assert "'.' or '_': ._a.jsonl, .a.jsonl.crc, _SUCCESS, _manifest.json" in caplog.text


def test_a_file_or_folder_of_exactly_that_name_takes_precedence(tmp_path: Path) -> None:
    for name in ("rows [2026-11].jsonl", "rows 1.jsonl", "why?.jsonl", "whyx.jsonl", "[a]/x.jsonl", "a/x.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for name in ("rows [2026-11].jsonl", "why?.jsonl", "[a]/x.jsonl"):
        assert find_files(f"{tmp_path}/{name}") == [f"{tmp_path}/{name}"]
    assert find_files(f"{tmp_path}/rows [[]2026-11].jsonl") == [f"{tmp_path}/rows [2026-11].jsonl"]
    assert find_files(f"{tmp_path}/[a]/*.jsonl") == [f"{tmp_path}/[a]/x.jsonl"]
    assert find_files(f"{tmp_path}/[ab]/*.jsonl") == [f"{tmp_path}/a/x.jsonl"]


def test_a_folder_in_place_of_a_file_is_told(lake: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is a folder\. Name its files, for example with '.*/dt=1/\*'"):
        list(read_row_files([f"{lake}/dt=1/"], Reading()))


def test_a_broken_link_is_no_file_and_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "one.jsonl").symlink_to(tmp_path / "data" / "a.jsonl")
    assert find_files(f"{tmp_path}/l*/*.jsonl") == [f"{tmp_path}/link/a.jsonl"]
    assert list(read_row_files([f"{tmp_path}/*.jsonl"], Reading())) == [{"n": 1}]
    (tmp_path / "lost.jsonl").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*lost\.jsonl"):
        list(read_row_files([f"{tmp_path}/lost*.jsonl"], Reading()))


def test_a_name_that_is_both_an_object_and_a_folder_is_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an object store that holds ``data/part`` and ``data/part/x``."""
    folders = {"s3://b/data": {("part", False), ("part", True)}, "s3://b/data/part": {("x", False)}}
    monkeypatch.setattr(row_files, "folder_entries", folders.__getitem__)
    assert find_files("s3://b/data/*") == ["s3://b/data/part"]
    assert find_files("s3://b/data/*/*") == ["s3://b/data/part/x"]


@pytest.mark.parametrize("uri", ["https://host/rows.csv", "http://host/*.csv"])
def test_a_web_address_is_no_file(uri: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is a web address.* Download it in a task before"):
        list(read_row_files([uri], Reading()))
