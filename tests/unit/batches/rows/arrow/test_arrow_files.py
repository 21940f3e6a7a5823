"""Arrow's own files, as files and as streams: their rows and types; and what is none, or a damaged one."""

from __future__ import annotations

import gzip
import io
import logging
import struct
from collections.abc import Callable
from typing import Any

import pyarrow
import pytest
from pyarrow import feather, ipc

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.rows import SourceSchema, read_row_file
from anthropic_batches_provider.batches.rows.arrow import arrow_files, arrow_streams
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

ROWS = [{"n": number, "text": f"word {number}" * 3} for number in range(2500)]
TABLE = pyarrow.Table.from_pylist(ROWS)


def written(make: Callable[..., Any], *, batch: int = 700, table: Any = TABLE, **options: Any) -> bytes:
    file = io.BytesIO()
    with make(file, table.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=batch)
    return file.getvalue()


FILE, STREAM = written(ipc.new_file), written(ipc.new_stream)


def read(content: bytes, *, name: str = "t.arrow", **options: Any) -> list[Any]:
    return list(read_row_file(io.BytesIO(content), name=name, **options))


def refusal(content: bytes, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(content, **options)
    assert not isinstance(caught.value, InvalidRowError)
    assert str(caught.value).endswith("Nothing was sent.")
    return str(caught.value)


@pytest.mark.parametrize("make", [ipc.new_file, ipc.new_stream])
@pytest.mark.parametrize("name", ["t.arrow", "t.feather", "t.ipc", "T.ARROWS"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_the_first_bytes_show_whether_it_is_a_file_or_a_stream(
    make: Callable[..., Any], name: str, compression: str | None
) -> None:
    assert read(written(make, compression=compression), name=name) == ROWS


@pytest.mark.parametrize("make", [ipc.new_file, ipc.new_stream])
@pytest.mark.parametrize("batch", [1, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("rows", [0, 1, 1000, 2500])
def test_no_size_of_batches_loses_a_row(make: Callable[..., Any], batch: int, rows: int) -> None:
    assert read(written(make, batch=batch, table=TABLE.slice(0, rows))) == ROWS[:rows]


def test_feather_is_an_arrow_file() -> None:
    file = io.BytesIO()
    feather.write_feather(TABLE, file)
    assert read(file.getvalue(), name="t.feather") == ROWS


def test_format_decides_whatever_the_name_is() -> None:
    for content in (FILE, STREAM):
        assert read(content, name="rows", options=FileOptions(format="arrow")) == ROWS


@pytest.mark.parametrize("content", [FILE, STREAM])
def test_the_types_of_the_columns_are_declared(content: bytes) -> None:
    schema = SourceSchema()
    next(read_row_file(io.BytesIO(content), name="t.arrow", schema=schema))
    assert schema.declared() == {"n": "int64", "text": "string"}


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 100, 2000])
def test_a_file_without_its_end_is_refused(cut: int) -> None:
    assert "t.arrow seems to be cut short: its Arrow data has no end. Write or copy" in refusal(FILE[:-cut])


@pytest.mark.parametrize("cut", [*range(1, 300), len(STREAM) - 100, len(STREAM) - 9])
def test_a_stream_without_its_end_is_refused_although_pyarrow_reads_it(cut: int) -> None:
    assert "t.arrows seems to be cut short" in refusal(STREAM[:-cut], name="t.arrows")


@pytest.mark.parametrize("second", [TABLE, TABLE.slice(0, 0), TABLE.slice(0, 900)], ids=["equal", "empty", "shorter"])
def test_files_joined_to_one_are_refused_although_pyarrow_reads_the_first(second: Any) -> None:
    for make, first in ((ipc.new_file, FILE), (ipc.new_stream, STREAM)):
        message = refusal(first + written(make, table=second))
        assert message.startswith("t.arrow holds several Arrow files, as when files are joined by `cat`: only the rows")
        assert "Give the files one by one" in message


def test_a_joint_is_found_wherever_it_stands_between_the_pieces_that_are_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = written(ipc.new_file, table=TABLE.slice(0, 1))
    for size in range(14, 40):
        monkeypatch.setattr(arrow_streams, "_SEARCHED_BYTES", size)
        assert "holds several Arrow files" in refusal(small * 2)


def test_a_stream_that_goes_on_after_its_end_is_refused() -> None:
    assert "t.arrow goes on after the end of its Arrow stream, with 'rubb': it is not" in refusal(STREAM + b"rubbish")
    assert "t.arrow goes on after the end of its Arrow stream" in refusal(STREAM + b"\0")


@pytest.mark.parametrize("make", [ipc.new_file, ipc.new_stream])
def test_cells_that_hold_arrow_files_are_no_files_joined_to_one(make: Callable[..., Any]) -> None:
    table = pyarrow.table({"file": [FILE * 2, STREAM * 2], "kind": pyarrow.array(["a", "b"]).dictionary_encode()})
    assert [row["file"] for row in read(written(make, table=table))] == [FILE * 2, STREAM * 2]


def test_what_is_no_arrow_file_is_refused() -> None:
    assert "t.arrow is empty, and so no Arrow file" in refusal(b"")
    assert "t.arrow is no Arrow file: it begins with 'id,text" in refusal(b"id,text\n1,x\n")
    assert 'seems to be a Parquet file, not Arrow. Give files(…, format="parquet")' in refusal(b"PAR1" + bytes(20))
    assert "is a Feather file of version 1" in refusal(b"FEA1" + bytes(20))
    assert "t.arrow.gz is compressed with gzip as a whole" in refusal(gzip.compress(FILE), name="t.arrow.gz")
    assert "json.loads(row[" in refusal(FILE, ready_requests=True)


def test_two_columns_of_one_name_are_refused() -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], ["a", "a"])
    for make in (ipc.new_file, ipc.new_stream):
        assert refusal(written(make, table=table)).startswith("t.arrow has two columns of the same name: a.")


def test_offsets_that_lead_out_of_the_file_are_found() -> None:
    content = written(ipc.new_stream, table=pyarrow.table({"a": ["x" * 333, "y" * 444]}))
    offsets = struct.pack("<3i", 0, 333, 777)
    assert content.count(offsets) == 1
    with pytest.raises(InvalidRowError, match=r"^t\.arrow: the bytes of the file are damaged"):
        read(content.replace(offsets, struct.pack("<3i", 0, 333, 2**31 - 1)))


@pytest.mark.parametrize("make", [ipc.new_file, ipc.new_stream])
def test_a_row_that_is_bad_is_named_and_others_go_on(make: Callable[..., Any]) -> None:
    spans = pyarrow.array([1000, 1, 2000], pyarrow.duration("ns"))
    first, bad, third = read(written(make, table=pyarrow.table({"v": spans}), batch=2), first_row_number=10)
    assert (first["v"].microseconds, third["v"].microseconds) == (1, 2)
    assert isinstance(bad, InvalidRowError)
    assert bad.row_number == 11
    assert str(bad).startswith("t.arrow, row 1 (the first is 0): column 'v' holds a duration with nanoseconds")


NO_TIME = pyarrow.array([0, -1, 1], pyarrow.int32()).view(pyarrow.time32("ms"))
NO_DATE = pyarrow.array([0, 1, 0], pyarrow.int64()).view(pyarrow.date64())
NO_TEXT = pyarrow.array([b"a", b"\xff", b"c"]).view(pyarrow.string())


@pytest.mark.parametrize(
    "column",
    [
        NO_TIME,
        NO_DATE,
        NO_TEXT,
        pyarrow.array([b"a", b"\xff", b"c"], pyarrow.large_binary()).view(pyarrow.large_string()),
        pyarrow.StructArray.from_arrays([NO_TIME, NO_TEXT], ["x", "y"]),
        pyarrow.ListArray.from_arrays([0, 1, 2, 3], NO_TEXT),
        pyarrow.LargeListArray.from_arrays([0, 1, 2, 3], NO_DATE),
        pyarrow.MapArray.from_arrays([0, 1, 2, 3], NO_TEXT, NO_TIME),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize("make", [ipc.new_file, ipc.new_stream])
def test_a_value_that_is_none_of_its_type_is_a_matter_of_its_row(make: Callable[..., Any], column: Any) -> None:
    first, bad, third = read(written(make, table=pyarrow.table({"v": column, "n": [0, 1, 2]})))
    assert (first["n"], third["n"]) == (0, 2)
    assert isinstance(bad, InvalidRowError)
    assert str(bad).startswith("t.arrow, row 1 (the first is 0): column 'v' holds ")


def test_dictionaries_that_grow_or_change_are_followed() -> None:
    file = io.BytesIO()
    first, second = (pyarrow.record_batch({"c": pyarrow.array(texts).dictionary_encode()}) for texts in ("ab", "cab"))
    with ipc.new_stream(file, first.schema) as writer:
        writer.write_batch(first)
        writer.write_batch(second)
    assert [row["c"] for row in read(file.getvalue())] == list("abcab")


def test_a_large_batch_is_named_once_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(arrow_files, "LARGE_BYTES", 1 << 10)
    with caplog.at_level(logging.WARNING):
        read(FILE)
    (message,) = caplog.messages
    assert message.startswith("t.arrow has a batch of 0 MB from row 0 on, which is held in memory at once.")
