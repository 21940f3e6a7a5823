"""One JSON array of all rows: each item is read as a line would be, and no item is lost."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.requests import ReadyLine
from anthropic_batches_provider.batches.rows import RowColumns, json_array, prepare_requests, read_row_file
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from tests.worlds.strict_rows import valid_rows


def read(data: bytes | str, name: str = "rows.json", **options: Any) -> list[Any]:
    """Return the rows; the text of its error in place of a row that is none."""
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    rows = read_row_file(stream, name=name, **options)
    return [str(row) if isinstance(row, InvalidRowError) else row for row in rows]


def refusal(data: str, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(data, **options)
    assert not isinstance(caught.value, InvalidRowError)
    assert str(caught.value).startswith("rows.json ")
    assert " Nothing was sent." in str(caught.value)
    return str(caught.value).removeprefix("rows.json ")


ROWS = [{"a": 1}, {"a": "é\n", "b": [1, {"c": None}]}, {}]


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.txt", "rows.json.gz"])
@pytest.mark.parametrize("before", ["", "\n \r\n", "\ufeff"])
@pytest.mark.parametrize("indent", [None, 0, 2])
def test_every_item_comes_back_whatever_the_name_of_the_file(name: str, before: str, indent: int | None) -> None:
    text = before + json.dumps(ROWS, indent=indent, ensure_ascii=not before)
    assert read(text, name) == ROWS
    assert read(gzip.compress(text.encode()), name) == ROWS


def test_a_json_file_may_hold_lines_and_an_array_may_be_empty() -> None:
    assert read('{"a":1}\n{"a":2}\n') == [{"a": 1}, {"a": 2}]
    assert read("[]") == read("[\n]\n") == read("") == []


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_an_array_may_have_another_encoding(encoding: str) -> None:
    data = json.dumps(ROWS, ensure_ascii=False, indent=1).encode(encoding)
    assert read(data, options=FileOptions(encoding=encoding)) == ROWS


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ("5", "not a row: Expected `object`, got `int`. Each item must be one JSON object."),
        ("null", "Each item must be one JSON object."),
        ("[1]", "not a row: Expected `object`, got `array`"),
        ('{"a":NaN}', "write null"),
        ('{"a":[-Infinity]}', "write null"),
        ('{"a":01}', "not JSON"),
        ('{"a":"\\ud800"}', "surrogate"),
        ('{"a":"\\x"}', "not JSON"),
        ('{"a":"x\ny, [{"}', "not JSON"),
        ('{"a":True, "b": \'x\'}', "not JSON"),
        ('{"a":"\udcff"}', "not UTF-8: byte 7 is 0xff"),
        ('{"n":%s}' % ("9" * 5000), "the integer in column 'n' has too many digits"),
    ],
)
@pytest.mark.parametrize("between", [",", ",\n", " , "])
def test_one_bad_item_is_one_bad_row(item: str, named: str, between: str) -> None:
    items = ['{"a":1}', '{"b":"], \\" ["}', item, '{"a":1.10}', "{}"]
    data = f"[{between.join(items)}]".encode("utf-8", "surrogateescape")
    first, second, invalid, third, last = read(data, first_row_number=7)
    assert (first, second, third, last) == ({"a": 1}, {"b": '], " ['}, {"a": 1.1}, {})
    assert invalid.startswith("rows.json, item 3: ")
    assert named in invalid
    assert " The item begins: " in invalid


def test_bad_items_have_the_number_of_their_row_in_the_whole_input() -> None:
    rows = list(read_row_file(io.BytesIO(b'\n[{},1,{},{"a":NaN}]'), name="rows.json", first_row_number=10))
    assert [row.row_number if isinstance(row, InvalidRowError) else None for row in rows] == [None, 11, None, 13]


def test_numbers_keep_the_digits_of_their_file() -> None:
    (row,) = read('[{"k": 123456789012345678.910}]')
    assert RowColumns(key="k").columns_of(row, 0) == b'{"k":123456789012345678.910}'
    (row,) = read('[{"k": 1.10}]', digits_of=())
    assert RowColumns(key="k").columns_of(row, 0) == b'{"k":1.1}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"a":1},{"a":2}', "seems to be cut short: its array does not end."),
        ('[{"a":1},{"a":"x', "seems to be cut short: its array does not end."),
        ("[", "seems to be cut short: its array does not end."),
        ('[\n{"a":1},\n{"a":2]', "is not JSON in line 3, at byte 7 of it: expected ',' or '}'. Rows may have grown"),
        ('\n\n[{"a":1},,{}]', "is not JSON in line 3, at byte 10 of it: invalid character."),
        ('[{"a":"x}, {"a":"y"}, {"a":"z"}]', "is not JSON in line 1"),
        ('[{"a":"x}, {"a":"y}, {"a":"z"}]', "is not JSON in line 1"),
        ('[{"a":1} {"a":2}]', "is not JSON in line 1, at byte 10 of it: expected ',' or ']'."),
        ('[{"a":1},]', "is not JSON in line 1"),
        ("[{'a':1}]", "is not JSON in line 1"),
        ('[{"a":1}]\n[{"a":2}]', "goes on after its JSON array; a file is one array, or JSON Lines. Write one object"),
        ('[{"a":1}] x', "goes on after its JSON array"),
        ("[]\n[]", "goes on after its JSON array"),
        ("[1,2]\n[3,4]", "holds JSON arrays, but each row must be one JSON object."),
        ("[[1,2],\n[3,4]]", "holds JSON arrays, but each row must be one JSON object."),
        ("[" * 100_000, "holds JSON arrays"),
        ('[{"a":%s' % ("[" * 100_000), "holds an array that is nested too deeply."),
    ],
)
def test_an_array_whose_items_cannot_be_told_apart_is_refused(text: str, problem: str) -> None:
    assert refusal(text).startswith(problem)


@pytest.mark.parametrize("between", [",", ",\n"])
def test_an_array_that_is_too_long_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch, between: str) -> None:
    monkeypatch.setattr(json_array, "MAX_ARRAY_BYTES", 1000)
    monkeypatch.setattr("anthropic_batches_provider.batches.rows.plain_bytes.MAX_LINE_BYTES", 1000)
    items = ['{"a":1}'] * 50_000
    message = refusal(f"[{between.join(items)}]")
    assert message.startswith("seems to be one JSON array of more than 256 MB")
    assert "`jq -c '.[]'`" in message
    assert len(read(f"[{between.join(items[:100])}]")) == 100


def request(custom_id: str, text: str) -> dict[str, Any]:
    return {
        "custom_id": custom_id,
        "params": {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": text}]},
    }


@pytest.mark.parametrize("indent", [None, 2])
def test_ready_requests_may_be_an_array(indent: int | None, tmp_path: Any) -> None:
    requests = [request("a", "one\nline"), request("b", "two")]
    rows = read(json.dumps(requests, indent=indent), ready_requests=True)
    assert [type(row) for row in rows] == [ReadyLine, ReadyLine]
    prepared = list(valid_rows(prepare_requests(rows, spool_folder=tmp_path)))
    assert [row.columns for row in prepared] == [b'{"key":"a"}', b'{"key":"b"}']
    assert [json.loads(row.params) for row in prepared] == [each["params"] for each in requests]
    assert all(b"\n" not in row.params for row in prepared)


def test_a_bad_ready_request_in_an_array_is_one_bad_row() -> None:
    text = f'[{json.dumps(request("a", "x"))},\n{{"custom_id":"b",\n"params":{{"n":NaN}}}}, 7]'
    good, bad, number = read(text, ready_requests=True)
    assert isinstance(good, ReadyLine)
    assert bad.startswith("rows.json, item 2: not JSON")
    assert number.startswith("rows.json, item 3: not a row")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    rows=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5),
    indent=st.none() | st.integers(0, 2),
    cut=st.integers(1, 200),
)
def test_items_with_numbers_that_json_does_not_know_stand_between_the_others(
    rows: list[dict[str, Any]], indent: int | None, cut: int
) -> None:
    text = json.dumps(rows, indent=indent)
    found = read(text)
    assert len(found) == len(rows)
    for row, item in zip(rows, found, strict=True):
        constants: list[str] = []
        json.loads(json.dumps(row), parse_constant=constants.append)
        assert isinstance(item, str) if constants else item == row
    with pytest.raises(ConfigurationError):
        read(text[: max(len(text) - cut, 1)])
