"""Rows are read from object stores in the same way as from a disk."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, cast

import pytest

from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.row_files import find_files
from tests.contracts.store_servers import Store

LAKE = {
    "dt=1/a.jsonl": b'{"n": 1}\n',
    "dt=1/b.jsonl": b'{"n": 2}\n',
    "dt=1/c.jsonl.gz": gzip.compress(b'{"n": 3}\n{"n": 4}\n'),
    "dt=1/note.txt": b"no rows",
    "dt=2/a.jsonl": b'{"n": 5}\n',
}


@pytest.fixture
def lake(store: Store, tmp_path: Path) -> str:
    uri = store.folder()
    for name, content in LAKE.items():
        (tmp_path / "file").write_bytes(content)
        open_storage(uri, holds_ledger=False).put_file(tmp_path / "file", name)
    return uri


def read(uri: str) -> list[Any]:
    return [row["n"] for row in RowsArgument(uri).read(cast("Any", {}))]


def test_wildcards_find_objects_in_order_and_never_cross_a_folder(lake: str) -> None:
    assert read(f"{lake}/dt=1/a.jsonl") == [1]
    assert read(f"{lake}/dt=1/*.jsonl") == [1, 2]
    assert read(f"{lake}/dt=1/*.jsonl*") == [1, 2, 3, 4]
    assert read(f"{lake}/dt=*/a.jsonl") == [1, 5]
    assert read(f"{lake}/dt=[2-9]/?.jsonl") == [5]
    assert find_files(f"{lake}/*.jsonl") == []


def test_an_object_that_is_missing_is_no_empty_input(lake: str) -> None:
    with pytest.raises(FileNotFoundError):
        read(f"{lake}/dt=1/z.jsonl")


def test_an_object_that_comes_after_a_look_is_found(lake: str, tmp_path: Path) -> None:
    assert read(f"{lake}/dt=2/*.jsonl") == [5]
    (tmp_path / "file").write_bytes(b'{"n": 6}\n')
    open_storage(lake, holds_ledger=False).put_file(tmp_path / "file", "dt=2/b.jsonl")
    assert read(f"{lake}/dt=2/*.jsonl") == [5, 6]
    assert read(f"{lake}/dt=2/b.jsonl") == [6]


def test_a_large_object_is_read_whole(store: Store, tmp_path: Path) -> None:
    uri = store.folder()
    with (tmp_path / "file").open("wb") as file:
        file.writelines(b'{"n": %d, "text": "%s"}\n' % (number, b"x" * 1000) for number in range(20_000))
    open_storage(uri, holds_ledger=False).put_file(tmp_path / "file", "large.jsonl")
    assert read(f"{uri}/large.jsonl") == list(range(20_000))
