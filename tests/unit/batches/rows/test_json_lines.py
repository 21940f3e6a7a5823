"""JSON Lines, plain and gzip."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests import PromptTemplate
from anthropic_batches_provider.batches.rows import RowColumns, read_row_file
from anthropic_batches_provider.errors import InvalidRowError
from tests.worlds.strict_rows import read_rows


def read(data: bytes) -> list[dict[str, Any]]:
    return list(read_rows(read_row_file(io.BytesIO(data), name="rows.jsonl")))


class Trickle:
    """A stream that returns few bytes at a time, and cannot seek."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = io.BytesIO(data)
        self._size = size

    def read(self, size: int) -> bytes:
        return self._data.read(min(size, self._size))


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"", []),
        (b"\n\r\n  \n", []),
        (b'{"a":1}', [{"a": 1}]),
        (b'{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        (b'{"a":1}\r\n\r\n{"a":2}\r\n', [{"a": 1}, {"a": 2}]),
        (b'\xef\xbb\xbf{"a":1}\n', [{"a": 1}]),
        ('{"a":"x\u2028y\u2029z\u0085"}\n'.encode(), [{"a": "x\u2028y\u2029z\u0085"}]),
        (b'{"a":"\\u2028\\n"}\n', [{"a": "\u2028\n"}]),
        (b'{"a":123456789012345678901234567890}', [{"a": 123456789012345678901234567890}]),
        (b"{}", [{}]),
    ],
)
@pytest.mark.parametrize("zipped", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", [1, 2, 1 << 20])
def test_every_object_comes_back(
    data: bytes, rows: list[dict[str, Any]], zipped: Callable[[bytes], bytes], size: int
) -> None:
    stream = cast("BinaryIO", Trickle(zipped(data), size))
    assert list(read_row_file(stream, name="rows.jsonl")) == rows


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b'{"a":1', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1}x', "one complete JSON object"),
        (b"5", "Expected `object`, got `int`"),
        (b"null", "one JSON object"),
        (b'[{"a":1},', "without the brackets"),
        (b'{"a":NaN}', "write null"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"\xff":1}', 'files(uri, encoding="cp1252")'),
        (b'{"a":' + b"[" * 5000, "nested too deeply"),
        (b'{"a":1,"n":[%b]}' % (b"9" * 5000), "the integer in column 'n' has too many digits"),
    ],
)
def test_a_line_that_is_no_row_is_named(line: bytes, named: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        read(b'{"a":1}\n\n' + line + b"\n")
    message = str(caught.value)
    assert message.startswith("rows.jsonl, line 3: ")
    assert named in message
    assert caught.value.row_number == 1


def test_the_row_number_counts_the_files_before() -> None:
    with pytest.raises(InvalidRowError) as caught:
        list(read_rows(read_row_file(io.BytesIO(b"{}\nx"), name="b.jsonl", first_row_number=10)))
    assert caught.value.row_number == 11


def test_the_beginning_of_a_bad_line_is_shown_short_and_on_one_line() -> None:
    with pytest.raises(InvalidRowError) as caught:
        read(b'{"a":"\x01\x1b[0m' + "é".encode() * 500)
    shown = str(caught.value).partition("The line begins: ")[2]
    assert shown.startswith('{"a":"\\x01\\x1b[0mé')
    assert len(shown) == 80
    assert shown.isprintable()


def test_a_bad_line_stands_between_the_rows_around_it() -> None:
    before, invalid, after = read_row_file(io.BytesIO(b'{"a":1}\nx\n{"a":2}\n'), name="rows.jsonl")
    assert (before, after) == ({"a": 1}, {"a": 2})
    assert isinstance(invalid, InvalidRowError)
    assert str(invalid).startswith("rows.jsonl, line 2: ")


@pytest.mark.heavy
def test_memory_does_not_grow_with_the_file() -> None:
    class Endless:
        def __init__(self) -> None:
            self.left = 20_000_000

        def read(self, size: int) -> bytes:
            self.left -= size
            return (b'{"text":"0123456789abcdef"}\n' * (size // 28 + 1))[: size // 28 * 28] if self.left > 0 else b""

    def rows() -> Iterator[dict[str, Any]]:
        return read_row_file(cast("BinaryIO", Endless()), name="rows.jsonl")

    tracemalloc.start()
    try:
        count = sum(1 for _ in rows())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count > 600_000
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "number",
    ["123456789012345678.91", "12.10", "0.0000997788185410981", "1E5", "-0.0", "3.0", "0.1"],
)
@pytest.mark.parametrize("row", ['{"k":%s}', '{"k":[%s]}', '{"k":{"n":[1,{"m":%s}]},"other":"a"}'])
def test_numbers_keep_the_digits_of_their_file(number: str, row: str) -> None:
    line = (row % number).encode()
    (found,) = read(line)
    encoded = RowColumns(key="k").columns_of(found, 0)
    assert encoded == line.replace(b',"other":"a"', b"")
    prompt = PromptTemplate("{{ row.k }}", SandboxedEnvironment(), {})
    printed = (
        json.dumps(json.loads(line, parse_float=lambda text: f"<{text}>")["k"]).replace('"<', "").replace('>"', "")
    )
    assert prompt.render(found, 0) == (number if row == '{"k":%s}' else printed)


def test_keys_that_differ_in_the_twentieth_digit_are_two_keys() -> None:
    rows = read(b'{"k":1.0000000000000000001}\n{"k":1.0000000000000000002}\n{"k":12345678901234567890}\n')
    assert len({RowColumns(key="k").key_of(row, number) for number, row in enumerate(rows)}) == 3


def test_numbers_of_a_file_compute_as_floats() -> None:
    (row,) = read(b'{"price":12.10,"count":3}')
    assert PromptTemplate("{{ row.price * row.count }}", SandboxedEnvironment(), {}).render(row, 0) == str(12.1 * 3)
    assert isinstance(row["price"], float)


@pytest.mark.parametrize(
    ("line", "digits"),
    [
        ('{"k":1.10}', "1.10"),
        ('{"text":"\\"k\\": 2.20","k" : 1.10}', "1.10"),
        ('{"text":"k","k":1.10,"other":{"k":2.20}}', "1.10"),
        ('{"k":2.20,"k":1.10}', "1.10"),
        ('{"other":{"k":3.10},"\\u006b":12.50}', "12.50"),
        ('{"\\u006b":1.10}', "1.10"),
        ('{"k":[1.10,2]}', "[1.10,2]"),
        ('{"k":1.5}', "1.5"),
        ('{"k":1e2}', "1e2"),
        ('{"k":"1.10"}', '"1.10"'),
    ],
)
@pytest.mark.parametrize("floats", [0, 4, 5])  # of the first line: with many, only the named columns are looked at
def test_digits_of_named_columns_are_kept(line: str, digits: str, floats: int) -> None:
    first = {"k": 1, "vector": [0.5] * floats}
    data = f"{json.dumps(first)}\n{line}".encode()
    for names in (["k", "gone"], None):
        _, row = read_row_file(io.BytesIO(data), name="rows.jsonl", digits_of=names)
        assert RowColumns(key="k").key_of(row, 0).decode() == f'{{"k":{digits}}}'
    _, row = read_row_file(io.BytesIO(data), name="rows.jsonl", digits_of=["text"])
    assert row["k"] == json.loads(line)["k"]
    if floats > 4:
        assert type(row["k"]) in (float, list, str), "the others cost nothing"


@pytest.mark.parametrize(
    ("digits", "is_float"),
    [
        ("0.0", True), ("-0.0", True), ("5.0", True), ("12.1", True), ("-12.1", True), ("99999999.9999999", True),
        ("0.0001", True), ("123456789.5", True), ("0.123456789012345", True), ("0.30000000000000004", True),
        ("12.10", False), ("0.00001", False), ("00.5", None), ("1e2", False), ("1E+16", False), ("1e+16", False),
        ("0.1000000000000000055", False), ("123456789012345678.91", False), ("1e400", False),
    ],
)  # fmt: skip
def test_a_number_is_a_plain_float_where_it_is_printed_with_the_same_digits(digits: str, is_float: bool | None) -> None:
    (row,) = read_row_file(io.BytesIO(f'{{"k":{digits}}}'.encode()), name="rows.jsonl", digits_of=["k"])
    if is_float is None:
        assert isinstance(row, InvalidRowError)
        return
    assert (type(row["k"]) is float) == is_float
    assert str(row["k"]) == digits
    assert RowColumns(key="k").key_of(row, 0).decode() == f'{{"k":{digits}}}'


@pytest.mark.parametrize("name", ["a.b", 'say "it"', "ä", "back\\slash", "(x)", "\u2028"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_digits_are_kept_whatever_a_column_is_called(name: str, ascii_only: bool) -> None:
    data = json.dumps({"x": 1, name: "<digits>"}, ensure_ascii=ascii_only).replace('"<digits>"', "1.10").encode()
    (row,) = read_row_file(io.BytesIO(data), name="rows.jsonl", digits_of=[name])
    assert str(row[name]) == "1.10"


@pytest.mark.parametrize("digits_of", [None, frozenset(), frozenset("v"), frozenset("w")])
def test_a_number_that_no_float_holds_is_kept(digits_of: frozenset[str] | None) -> None:
    stream = io.BytesIO(b'{"v":1e400,"w":[-1E999,12.10]}')
    (row,) = read_row_file(stream, name="rows.jsonl", digits_of=digits_of)
    assert RowColumns(keep="*").columns_of(row, 0) == b'{"row_number":0,"v":1e400,"w":[-1E999,12.10]}'


def test_an_exponent_is_kept_as_python_writes_it() -> None:
    (row,) = read_row_file(io.BytesIO(b'{"v":1e+16}'), name="rows.jsonl", digits_of=frozenset("v"))
    assert RowColumns(keep=["v"]).columns_of(row, 0) == b'{"row_number":0,"v":1e+16}'


@pytest.mark.parametrize(
    "line",
    [
        b'{"\\u0076":0.50,"o":{"v":0.5}}', b'{"o":{"v":0.5},"v":0.50}', b'{"o":"\\"v\\":0.5","v" : 0.50 }',
        b'{"o":{"\\u0076":0.5},"v":0.50}', b'{"v":0.5,"v":0.50}', b'{"o":["v",0.5,1],"\\u0076":0.50}',
        b'{"o":"v","v":0.50}', b'{"":0.5,"\\u0076":0.50}',
    ],
)  # fmt: skip
def test_the_digits_are_those_of_the_column_itself(line: bytes) -> None:
    (row,) = read_row_file(io.BytesIO(line), name="rows.jsonl", digits_of=frozenset("v"))
    assert RowColumns(keep=["v"]).columns_of(row, 0) == b'{"row_number":0,"v":0.50}'
