"""Parquet files: their rows and types, one row group at a time; and what is no Parquet file, or a damaged one."""

from __future__ import annotations

import base64
import datetime
import gzip
import io
import logging
import sys
from typing import Any, cast

import pyarrow
import pytest
import zstandard
from pyarrow import parquet

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.rows import SourceSchema, read_row_file
from anthropic_batches_provider.batches.rows.arrow import arrow_streams, parquet_files
from anthropic_batches_provider.batches.rows.arrow.nanoseconds import NanosecondDatetime
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

ROWS = [{"n": number, "text": f"word {number}" * 3} for number in range(2500)]


def written(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


WHOLE = written(pyarrow.Table.from_pylist(ROWS), row_group_size=700)


def read(content: bytes, *, name: str = "t.parquet", **options: Any) -> list[Any]:
    return list(read_row_file(io.BytesIO(content), name=name, **options))


def refusal(content: bytes, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(content, **options)
    assert not isinstance(caught.value, InvalidRowError)
    assert str(caught.value).endswith("Nothing was sent.")
    return str(caught.value)


@pytest.mark.parametrize("name", ["t.parquet", "T.PQ", "part-0.snappy.parquet"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_all_rows_come_in_order(name: str, compression: str) -> None:
    content = written(pyarrow.Table.from_pylist(ROWS), row_group_size=700, compression=compression)
    assert read(content, name=name) == ROWS


@pytest.mark.parametrize("rows_per_group", [1, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("rows", [0, 1, 1000, 2500])
def test_no_size_of_row_groups_loses_a_row(rows_per_group: int, rows: int) -> None:
    table = pyarrow.Table.from_pylist(ROWS, schema=pyarrow.schema([("n", "int64"), ("text", "string")])).slice(0, rows)
    assert read(written(table, row_group_size=rows_per_group)) == ROWS[:rows]


def test_format_decides_whatever_the_name_is() -> None:
    assert read(WHOLE, name="000000000000", options=FileOptions(format="parquet")) == ROWS


def test_the_types_of_the_columns_are_declared() -> None:
    schema = SourceSchema()
    rows = read_row_file(io.BytesIO(WHOLE), name="t.parquet", schema=schema)
    next(rows)
    assert schema.declared() == {"n": "int64", "text": "string"}


def test_a_file_without_the_end_or_with_other_bytes_is_refused() -> None:
    for cut in (1, 4, 8, 100, len(WHOLE) - 4, len(WHOLE) - 5):
        assert "t.parquet seems to be cut short: its Parquet data has no end" in refusal(WHOLE[:-cut])
    assert "t.parquet is empty, and so no Parquet file" in refusal(b"")
    assert "t.parquet is no Parquet file: it begins with 'id,text" in refusal(b"id,text\n1,x\n")
    assert 'seems to be JSON Lines, not Parquet. Give files(…, format="jsonl")' in refusal(b'{"id": 1}\n')
    assert 'seems to be an Arrow file, not Parquet. Give files(…, format="arrow")' in refusal(b"ARROW1\0\0" + bytes(9))
    assert "is an encrypted Parquet file" in refusal(b"PARE" + bytes(20) + b"PARE")


TABLE = pyarrow.Table.from_pylist(ROWS)
INDEXED = written(TABLE, row_group_size=700, write_page_index=True)


@pytest.mark.parametrize("first", [WHOLE, INDEXED, WHOLE + WHOLE], ids=["plain", "indexed", "joined"])
@pytest.mark.parametrize(
    "second",
    [WHOLE, INDEXED, written(TABLE.slice(0, 0)), written(TABLE.slice(0, 900), row_group_size=700)],
    ids=["equal", "indexed", "empty", "shorter"],
)
def test_files_joined_to_one_are_refused_although_pyarrow_reads_the_first(first: bytes, second: bytes) -> None:
    message = refusal(first + second)
    assert message.startswith("t.parquet holds several Parquet files, as when files are joined by `cat`: only the rows")
    assert "Give the files one by one" in message


@pytest.mark.parametrize("text", ["PAR1PAR1", "\x15\0\0\0PAR1PAR1", "\2\0\0\0PAR1PAR1", "\xff\xff\xff\x7fPAR1PAR1"])
def test_text_like_the_joint_of_two_files_is_read_from_a_file_whose_page_index_repeats_it(text: str) -> None:
    content = written(pyarrow.table({"text": [text]}), write_page_index=True, store_schema=False)
    chunk = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(0)
    index = content[chunk.dictionary_page_offset + chunk.total_compressed_size :]
    assert index.count(text.encode()) >= 2
    assert read(content) == [{"text": text}]


@pytest.mark.parametrize("name", ["t.parquet.gz", "t.parquet.zst", "t.parquet"])
@pytest.mark.parametrize(
    ("pack", "how", "command"),
    [(gzip.compress, "gzip", "`gunzip`"), (zstandard.ZstdCompressor().compress, "zstd", "`unzstd`")],
)
def test_a_file_that_is_packed_as_a_whole_is_refused(name: str, pack: Any, how: str, command: str) -> None:
    message = refusal(pack(WHOLE), name=name)
    assert message.startswith(f"{name} is compressed with {how} as a whole")
    assert command in message


def test_a_gz_file_that_is_none_is_read() -> None:
    assert read(WHOLE, name="t.parquet.gz") == ROWS


def test_damaged_bytes_end_the_reading_with_the_number_of_the_row() -> None:
    content = bytearray(written(pyarrow.Table.from_pylist(ROWS), row_group_size=1000, write_page_checksum=True))
    second = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(1).column(0)
    content[second.data_page_offset + second.total_compressed_size // 2] ^= 1
    with pytest.raises(
        InvalidRowError, match=r"^t\.parquet: the bytes of the file are damaged \(.*CRC checksum"
    ) as caught:
        read(bytes(content))
    assert caught.value.row_number == 1000


def test_a_footer_that_is_damaged_is_named() -> None:
    content = bytearray(WHOLE)
    content[-20:-10] = b"\xff" * 10
    with pytest.raises(InvalidRowError, match="the bytes of the file are damaged"):
        read(bytes(content))


def test_a_row_that_is_bad_is_named_and_others_go_on() -> None:
    times = pyarrow.array([0, 86_400_000, 1], pyarrow.int32()).view(pyarrow.time32("ms"))
    first, bad, third = read(written(pyarrow.table({"at": times})), first_row_number=10)
    assert (str(first["at"]), str(third["at"])) == ("00:00:00", "00:00:00.001000")
    assert isinstance(bad, InvalidRowError)
    assert bad.row_number == 11
    assert str(bad).startswith("t.parquet, row 1 (the first is 0): column 'at' holds a time of day")


def test_moments_of_type_int96_are_exact_in_any_year() -> None:
    moments = [
        None,
        *map(datetime.datetime.fromisoformat, ("0001-01-01", "1677-01-01", "2026-01-01T01:02:03.000004", "9999-12-31")),
    ]
    columns = {
        "at": pyarrow.array(moments, pyarrow.timestamp("us")),
        "n": list(range(5)),
        "in.lists": [[{"at": moment}] for moment in moments],
    }
    content = written(pyarrow.table(columns), use_deprecated_int96_timestamps=True, row_group_size=3)
    assert {parquet.ParquetFile(io.BytesIO(content)).schema.column(0).physical_type} == {"INT96"}
    schema = SourceSchema()
    assert read(content, schema=schema) == [
        {"at": moment, "n": number, "in.lists": [{"at": moment}]} for number, moment in enumerate(moments)
    ]
    assert schema.declared() == {"n": "int64"}


def test_moments_of_type_int96_keep_their_nanoseconds() -> None:
    numbers = [number * 1_000_001 + 10**18 for number in range(2500)]
    at = pyarrow.array(numbers, pyarrow.int64()).view(pyarrow.timestamp("ns"))
    content = written(pyarrow.table({"at": at}), use_deprecated_int96_timestamps=True, row_group_size=1300)
    found = [row["at"] for row in read(content)]
    plain = [
        datetime.datetime.fromisoformat("1970-01-01") + datetime.timedelta(microseconds=n // 1000) for n in numbers
    ]
    assert [getattr(moment, "nanosecond", 0) for moment in found] == [number % 1000 for number in numbers]
    assert [moment.replace(tzinfo=None) for moment in found] == [
        NanosecondDatetime.of(moment, number % 1000) for moment, number in zip(plain, numbers, strict=True)
    ]


# A table of one row, 1938-04-24T22:13:20 in nanoseconds, as pyarrow 20 wrote it.
OF_PYARROW_20 = base64.b64decode(
    "UEFSMRUAFSQVJCwVAhUAFQYVBhwAAAACAAAAAgEAAEbiLfr//1YQJQAVBBksNQAYBnNjaGVtYRUCABUGJQIYAmF0ABYCGRwZHCYA"
    "HBUGGSUGABkYAmF0FQAWAhZKFkomCEkcFQAVABUCADwpBhkmAAIAAAAWShYCJggWSgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNp"
    "b24gMjAuMC4wGRwcAAAAfAAAAFBBUjE="
)


def test_a_moment_of_type_int96_that_pyarrow_wrote_wrongly_is_refused() -> None:
    (bad,) = read(OF_PYARROW_20)
    assert isinstance(bad, InvalidRowError)
    assert "column 'at' holds a moment of Parquet's old type INT96 that is before 1970 or after 2262" in str(bad)


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_moment_of_type_int96_is_refused_only_where_it_may_be_two(is_nested: bool) -> None:
    moments = [datetime.datetime.fromisoformat(f"{year}-06-01T01:02:03") for year in (1938, 2261, 2300, 2553, 2555)]
    at = pyarrow.array(moments, pyarrow.timestamp("us"))
    column = pyarrow.ListArray.from_arrays([0, 1, 2, 3, 4, 5], at) if is_nested else at
    found = read(written(pyarrow.table({"at": column}), use_deprecated_int96_timestamps=True))
    kept = [row["at"] if isinstance(row, dict) else None for row in found]
    expected = [*moments[:2], None, None, moments[4]]
    assert kept == ([moment and [moment] for moment in expected] if is_nested else expected)


def test_two_columns_of_one_name_are_refused() -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], ["a", "a"])
    assert refusal(written(table)).startswith("t.parquet has two columns of the same name: a.")


def test_ready_requests_are_refused_with_the_way_in() -> None:
    assert "json.loads(row[" in refusal(WHOLE, ready_requests=True)


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = refusal(WHOLE)
    assert message.startswith("t.parquet cannot be read without pyarrow")
    assert "pip install 'airflow-provider-anthropic-batches[parquet]'" in message


def test_a_large_row_group_is_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        read(WHOLE)
        assert caplog.messages == []
        monkeypatch.setattr(parquet_files, "LARGE_BYTES", 1 << 10)
        read(WHOLE)
    (message,) = caplog.messages
    assert message.startswith("t.parquet has a row group of 0 MB (of 4 in all), which is held in memory at once.")
    assert "row_group_size=" in message


class Breaking(io.BytesIO):
    """A stream of a store that fails after some reads."""

    reads = 0

    def __init__(self, content: bytes, good: int) -> None:
        super().__init__(content)
        self.left = good

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise ConnectionResetError("the store is gone")
        return super().read(size)


@pytest.mark.parametrize("good", range(8))
def test_an_error_of_the_store_is_no_damage_of_the_file(good: int) -> None:
    with pytest.raises(ConnectionResetError, match="the store is gone"):
        list(read_row_file(Breaking(WHOLE, good), name="t.parquet"))


def test_bytes_may_come_in_drops_and_the_stream_stays_open() -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 100) if size and size > 0 else size)

    stream = Drops(WHOLE)
    assert list(read_row_file(cast("Any", stream), name="t.parquet")) == ROWS
    assert not stream.closed


def test_the_count_of_rows_is_compared_with_the_end_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def batches(*_: Any, **__: Any) -> Any:
        yield pyarrow.RecordBatch.from_pylist(ROWS[:700])

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", batches)
    with pytest.raises(InvalidRowError, match="it holds 700 rows, but its end says 2,500") as caught:
        read(WHOLE)
    assert caught.value.row_number == 700


def test_what_pyarrow_cannot_read_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise pyarrow.ArrowNotImplementedError("no such encoding")

    monkeypatch.setattr(parquet_files, "_open", refuse)
    assert f"cannot be read by pyarrow {pyarrow.__version__} (ArrowNotImplementedError: no such" in refusal(WHOLE)


def test_the_source_reads_from_the_end_without_losing_its_place() -> None:
    source = arrow_streams.ArrowSource(io.BytesIO(b"0123456789"))
    assert (source.beginning(4), source.ending(3), source.tell()) == (b"0123", b"789", 0)
    assert (source.ending(99), source.beginning(99)) == (b"0123456789", b"0123456789")
    assert not source.reached_end
    assert source.read(11) == b"0123456789"
    assert source.reached_end
