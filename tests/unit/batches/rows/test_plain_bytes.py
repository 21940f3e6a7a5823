"""The bytes of a file of rows: gzip, byte order marks, and the bound on a line."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest

from anthropic_batches_provider.batches.rows import read_row_file
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError, RowFile
from anthropic_batches_provider.errors import InvalidRowError


def read(data: bytes) -> list[dict[str, Any]]:
    return list(read_row_file(io.BytesIO(data), name="rows.jsonl"))


def test_a_gzip_file_may_have_several_members_and_padding() -> None:
    data = gzip.compress(b'{"a":1}\n{"a"') + gzip.compress(b"") + gzip.compress(b":2}\n") + b"\0" * 600
    assert read(data) == [{"a": 1}, {"a": 2}]


def zipped_rows() -> bytes:
    return gzip.compress(b"".join(b'{"a":%d}\n' % number for number in range(2000)))


@pytest.mark.parametrize("kept", [3, 10, 100, -9, -1])
def test_a_gzip_file_that_is_cut_short_is_named(kept: int) -> None:
    with pytest.raises(InvalidRowError, match=r"rows\.jsonl, after line \d+: the gzip data is cut short"):
        read(zipped_rows()[:kept])


@pytest.mark.parametrize("damage", [b"garbage", gzip.compress(b"{}", mtime=0)[:4] + b"\xff" * 20])
def test_what_follows_a_gzip_member_must_be_another(damage: bytes) -> None:
    with pytest.raises(InvalidRowError, match="damaged"):
        read(zipped_rows() + damage)


def test_a_gzip_file_with_a_wrong_checksum_is_named() -> None:
    data = bytearray(zipped_rows())
    data[-6] ^= 1
    with pytest.raises(InvalidRowError, match=r"after line \d+: the gzip data is damaged .*incorrect data check"):
        read(bytes(data))


def test_a_line_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthropic_batches_provider.batches.rows.plain_bytes.MAX_LINE_BYTES", 1_000_000)
    with pytest.raises(InvalidRowError, match="more than 1,000,000 bytes"):
        read(gzip.compress(b"x" * 50_000_000))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"a\n\n b"])
def test_plain_chunks_are_the_file_without_gzip_and_byte_order_mark(data: bytes, mark: bytes) -> None:
    for stream in (io.BytesIO(mark + data), io.BytesIO(gzip.compress(mark + data))):
        assert b"".join(RowFile(stream, "rows", "text").plain_chunks()) == data


def test_lines_are_the_file_as_it_is() -> None:
    assert list(RowFile(io.BytesIO(b"a\n\n \r\nb"), "rows", "text").lines()) == [b"a\n", b"\n", b" \r\n", b"b"]


def test_a_broken_file_says_after_which_line_only_where_lines_are_read() -> None:
    data = gzip.compress(b"a\nb\nc\n")[:-1]
    with pytest.raises(BrokenFileError) as by_line:
        list(RowFile(io.BytesIO(data), "rows", "text").lines())
    with pytest.raises(BrokenFileError) as whole:
        list(RowFile(io.BytesIO(data), "rows", "text").plain_chunks())
    assert (by_line.value.after_line, whole.value.after_line) == (3, None)
    assert str(by_line.value) == str(whole.value)


def test_a_line_above_the_bound_names_its_place_its_format_and_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthropic_batches_provider.batches.rows.plain_bytes.MAX_LINE_BYTES", 1_000_000)
    with pytest.raises(InvalidRowError) as caught:
        list(read_row_file(io.BytesIO(b"{}\n\n{}\n" + b"x" * 2_000_000), name="rows.jsonl", first_row_number=5))
    assert str(caught.value) == (
        "rows.jsonl, after line 3: a line of more than 1,000,000 bytes, which cannot be a row. "
        f"Check that this is a JSON Lines file. It begins: {'x' * 79}…"
    )
    assert caught.value.row_number == 7
