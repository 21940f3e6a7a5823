"""Rows are read from object stores in the same way as from a disk."""

from __future__ import annotations

import datetime
import gzip
import io
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow
import pytest
import zstandard
from openpyxl import Workbook
from pyarrow import ipc, parquet

from anthropic_batches_provider.edge.object_storage import object_path, open_storage
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.row_files import find_files
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from anthropic_batches_provider.sources import files
from tests.contracts.store_proxy import Request
from tests.contracts.store_servers import Store
from tests.worlds.strict_rows import read_rows

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
    return [row["n"] for row in read_rows(RowsArgument(uri).read(cast("Any", {})))]


def test_wildcards_find_objects_in_order_and_never_cross_a_folder(lake: str) -> None:
    assert read(f"{lake}/dt=1/a.jsonl") == [1]
    assert read(f"{lake}/dt=1/*.jsonl") == [1, 2]
    assert read(f"{lake}/dt=1/*.jsonl*") == [1, 2, 3, 4]
    assert read(f"{lake}/dt=*/a.jsonl") == [1, 5]
    assert read(f"{lake}/dt=[2-9]/?.jsonl") == [5]
    assert find_files(f"{lake}/*.jsonl") == []


def test_whole_objects_come_with_the_size_and_the_age_that_the_store_says(lake: str) -> None:
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    note, zipped = RowsArgument(files([f"{lake}/dt=1/*.txt", f"{lake}/dt=1/*.gz"], format="whole")).read(
        cast("Any", {})
    )
    assert (note["path"], note["name"], note["size"]) == (f"{lake}/dt=1/note.txt", "note.txt", 7)
    assert (note["text"], zipped["text"]) == ("no rows", '{"n": 3}\n{"n": 4}\n')
    assert zipped["size"] == len(LAKE["dt=1/c.jsonl.gz"])
    assert note["modified"].utcoffset() == datetime.timedelta(0)
    assert before < note["modified"] < before + datetime.timedelta(days=2)


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


def test_tables_and_arrays_are_read_with_the_columns_of_their_folders(store: Store) -> None:
    folder = store.folder()
    text = b'id,text\r\n1,"a\r\nb"\r\n2,c\r\n'
    upload(f"{folder}/dt=2026-11-27/a.csv", text)
    upload(f"{folder}/dt=2026-11-28/a.csv.gz", gzip.compress(text))
    upload(f"{folder}/dt=2026-11-28/b.csv.zst", zstandard.ZstdCompressor().compress(text))
    upload(f"{folder}/dt=2026-11-28/c.json", b'[{"id": 1.10},\n {"id": 2}]')
    table = [{"id": "1", "text": "a\r\nb"}, {"id": "2", "text": "c"}]
    read_all = read_rows(RowsArgument(f"{folder}/dt=*/*").read(cast("Any", {})))
    assert list(read_all) == [
        *({**row, "dt": "2026-11-27"} for row in table),
        *({**row, "dt": "2026-11-28"} for row in table * 2),
        {"id": 1.1},
        {"id": 2},
    ]


def test_a_large_table_and_a_large_array_are_read_whole(store: Store) -> None:
    folder = store.folder()
    numbers = range(20_000)
    upload(f"{folder}/large.csv", b"n,text\n" + b"".join(b'%d,"%s"\n' % (n, b"x\n" * 500) for n in numbers))
    upload(
        f"{folder}/large.json", b"[" + b",".join(b'{"n": %d, "text": "%s"}' % (n, b"x" * 1000) for n in numbers) + b"]"
    )
    assert read(f"{folder}/large.csv") == [str(number) for number in numbers]
    assert read(f"{folder}/large.json") == list(numbers)


SIMILAR = b"".join(b'{"n": %d, "text": "the same words again and again"}\n' % number for number in range(2000))


def test_an_object_with_content_encoding_gzip_is_read_whole(store: Store) -> None:
    uri = f"{store.folder()}/a.jsonl"
    upload(uri, gzip.compress(SIMILAR), encoding="gzip")
    assert read(uri) == list(range(2000))


def test_a_gz_file_with_content_encoding_gzip_is_read_whole_or_named_if_that_zipped_it_again(store: Store) -> None:
    folder = store.folder()
    upload(f"{folder}/once.jsonl.gz", gzip.compress(SIMILAR), encoding="gzip")
    upload(f"{folder}/twice.jsonl.gz", gzip.compress(gzip.compress(SIMILAR)), encoding="gzip")
    assert read(f"{folder}/once.jsonl.gz") == list(range(2000))
    with pytest.raises(ConfigurationError, match=r"twice\.jsonl\.gz .*compressed with gzip twice"):
        read(f"{folder}/twice.jsonl.gz")


def test_an_object_whose_content_encoding_is_wrong_is_read_as_it_is_stored(store: Store) -> None:
    folder = store.folder()
    for encoding in ("gzip", "utf-8"):
        upload(f"{folder}/{encoding}.jsonl", SIMILAR, encoding=encoding)
        assert read(f"{folder}/{encoding}.jsonl") == list(range(2000))


def test_an_encoded_object_of_many_blocks_is_read_whole(store: Store) -> None:
    uri = f"{store.folder()}/large.jsonl"
    letters = random.Random(1)
    lines = (b'{"n": %d, "text": "%s"}\n' % (number, letters.randbytes(500).hex().encode()) for number in range(20_000))
    zipped = gzip.compress(b"".join(lines), compresslevel=1)
    assert len(zipped) > store.part_bytes
    upload(uri, zipped, encoding="gzip")
    assert read(uri) == list(range(20_000))


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, br"])
def test_an_encoding_that_cannot_be_read_is_refused_by_its_name(store: Store, encoding: str) -> None:
    uri = f"{store.folder()}/a.jsonl"
    upload(uri, zlib.compress(SIMILAR), encoding=encoding)
    with pytest.raises(
        ConfigurationError, match=rf"/a\.jsonl is stored with Content-Encoding: {encoding}, which"
    ) as error:
        read(uri)
    assert not isinstance(error.value, InvalidRowError)


def test_a_row_that_cannot_be_read_is_no_matter_of_the_encoding(store: Store) -> None:
    folder = store.folder()
    upload(f"{folder}/gzip.jsonl", gzip.compress(SIMILAR + b"{]\n"), encoding="gzip")
    upload(f"{folder}/plain.jsonl", SIMILAR + b"{]\n")
    for name in ("gzip", "plain"):
        with pytest.raises(InvalidRowError, match="line 2001"):
            read(f"{folder}/{name}.jsonl")


def test_an_encoding_costs_no_further_request(store: Store) -> None:
    folder = store.folder()
    upload(f"{folder}/plain.jsonl", SIMILAR)
    upload(f"{folder}/encoded.jsonl", gzip.compress(SIMILAR), encoding="gzip")
    for name in ("plain", "encoded"):
        with counted(store) as requests:
            assert read(store.faulty(f"{folder}/{name}.jsonl")) == list(range(2000))
        if store.name == "gcs":  # gcsfs looks for an object and for a folder of that name, some number of times
            requests = [request for request in requests if "alt=media" in request.path]
        assert [request.method for request in requests] == (["GET"] if store.name == "gcs" else ["HEAD", "GET"])


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "rows.arrows"])
def test_tables_of_many_blocks_are_read_with_their_types(store: Store, name: str) -> None:
    letters = random.Random(1)
    numbers = range(20_000)
    text = [letters.randbytes(500).hex() for _ in numbers]
    at = pyarrow.array(numbers, pyarrow.int64()).view(pyarrow.timestamp("ns", "UTC"))
    file = io.BytesIO()
    table = pyarrow.table({"n": numbers, "text": text, "at": at})
    if name.endswith("parquet"):
        parquet.write_table(table, file, row_group_size=6_000)
    else:
        with (ipc.new_file if name.endswith("arrow") else ipc.new_stream)(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=6_000)
    assert len(file.getvalue()) > store.part_bytes
    folder = store.folder()
    upload(f"{folder}/day=1/{name}", file.getvalue())
    rows = list(read_rows(RowsArgument(f"{folder}/day=*/{name}").read(cast("Any", {}))))
    assert [(row["n"], row["text"], row["day"]) for row in rows] == [(n, text[n], "1") for n in numbers]
    assert str(rows[19_999]["at"]) == "1970-01-01 00:00:00.000019999+00:00"


def test_a_workbook_of_many_blocks_is_read_whole(store: Store) -> None:
    letters = random.Random(1)
    texts = [letters.randbytes(2_000).hex() for _ in range(1_500)]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("S")
    sheet.append(["n", "text"])
    for number, text in enumerate(texts):
        sheet.append([number, text])
    file = io.BytesIO()
    book.save(file)
    folder = store.folder()
    upload(f"{folder}/day=1/rows.xlsx", file.getvalue())
    rows = list(read_rows(RowsArgument(f"{folder}/day=*/*.xlsx").read(cast("Any", {}))))
    assert rows == [{"n": number, "text": text, "day": "1"} for number, text in enumerate(texts)]


def test_a_table_whose_end_is_missing_is_refused(store: Store) -> None:
    uri = f"{store.folder()}/rows.parquet"
    upload(uri, b"PAR1" + bytes(5000))
    with pytest.raises(ConfigurationError, match=r"rows\.parquet seems to be cut short"):
        read(uri)


def upload(uri: str, content: bytes, *, encoding: str | None = None) -> None:
    """Upload an object with a Content-Encoding, as the store's client takes it."""
    path = object_path(uri)
    scheme = uri.partition("://")[0]
    options: dict[str, Any] = {}
    if encoding and scheme == "s3":
        options = {"ContentEncoding": encoding}
    elif encoding and scheme == "gs":
        options = {"fixed_key_metadata": {"content_encoding": encoding}}
    elif encoding:
        with path.fs.open(path.path, "wb", content_settings={"content_encoding": encoding}) as file:
            file.write(content)
        return
    path.fs.pipe_file(path.path, content, **options)


@contextmanager
def counted(store: Store) -> Iterator[list[Request]]:
    requests: list[Request] = []
    with store.proxy.faults(requests.append):
        yield requests
