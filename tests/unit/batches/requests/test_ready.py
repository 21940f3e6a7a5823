"""A ready request passes as its original bytes from the file, exactly when the slow way accepts it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.requests import ReadyLine, decode_ready_line
from anthropic_batches_provider.batches.rows import prepare_requests
from anthropic_batches_provider.errors import InvalidRowError
from tests.worlds.strict_rows import valid_rows

PARAMS: dict[str, Any] = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "é 😀 \n \u2028"}]}


def json_output(schema: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


UNFIT: list[dict[str, Any]] = [
    {"custom_id": "a"},
    {"custom_id": "a", "params": PARAMS, "more": 1},
    {"custom_id": True, "params": PARAMS},
    {"custom_id": "a", "params": {**PARAMS, "model": " "}},
    {"custom_id": "a", "params": {**PARAMS, "model": ""}},
    {"custom_id": "a", "params": {**PARAMS, "max_tokens": 0}},
    {"custom_id": "a", "params": {**PARAMS, "max_tokens": True}},
    {"custom_id": "a", "params": {**PARAMS, "max_tokens": "1"}},
    {"custom_id": "a", "params": {**PARAMS, "messages": []}},
    {"custom_id": "a", "params": {**PARAMS, "stream": True}},
    {"custom_id": "a", "params": {**PARAMS, "betas": ["b"]}},
    {"custom_id": "a", "params": [PARAMS]},
    {"custom_id": "a", "params": {**PARAMS, "output_config": json_output({"type": "object"})}},
    {"custom_id": "a", "params": {**PARAMS, "output_config": {"format": {"type": "json_schema"}}}},
]


def prepared(requests: Iterable[Any], folder: Path) -> list[Any]:
    return list(valid_rows(prepare_requests(requests, spool_folder=folder)))


@pytest.mark.parametrize("request_", UNFIT, ids=json.dumps)
def test_what_cannot_be_sent_is_refused_as_ever(request_: dict[str, Any], tmp_path: Path) -> None:
    line = json.dumps(request_).encode() + b"\n"
    with pytest.raises(InvalidRowError) as slow:
        prepared([request_], tmp_path)
    with pytest.raises(InvalidRowError) as quick:
        prepared([decode_ready_line(line)], tmp_path)
    assert str(quick.value) == str(slow.value)


@pytest.mark.parametrize("escaped", [True, False])
def test_what_can_be_sent_goes_out_as_the_bytes_that_it_is(escaped: bool, tmp_path: Path) -> None:
    params = json.dumps({**PARAMS, "output_config": {"effort": "low"}}, ensure_ascii=escaped)
    (row,) = prepared([decode_ready_line(f'{{"custom_id": 7, "params": {params}}}'.encode())], tmp_path)
    assert (row.params, row.columns, row.asks_for_json) == (params.encode(), b'{"key":7}', True)


def test_a_schema_that_the_api_may_take_goes_out_as_it_is(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"minimum": {"type": "string"}}, "additionalProperties": False}
    params = json.dumps({**PARAMS, "output_config": json_output(schema)})
    line = decode_ready_line(f'{{"custom_id": "a", "params": {params}}}\n'.encode())
    assert isinstance(line, ReadyLine)
    assert line.params == params.encode()


@pytest.mark.parametrize("text", [b"\xff", b"\\ud800", b"\\udc00", b"\\q", b"\t"])
def test_text_that_is_none_is_told(text: bytes) -> None:
    line = b'{"custom_id":"a","params":{"model":"m","max_tokens":1,"messages":["%b"]}}' % text
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        decode_ready_line(line)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
params = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("model", "max_tokens", "messages", "stream", "betas", "output_config", "x"), values),
)


custom_ids = values | st.from_regex("[a-z0-9]{1,5}", fullmatch=True)


@given(request_=st.fixed_dictionaries({"custom_id": custom_ids, "params": params | values}))
def test_the_quick_way_lets_through_what_the_slow_one_does(
    request_: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        line = msgspec.json.encode(request_) + b"\n"
        decode_ready_line(line)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return  # text with half of a surrogate pair: no JSON
    try:
        slow = prepared([request_], folder)
    except InvalidRowError:
        assert not isinstance(decode_ready_line(line), ReadyLine)
        return
    (quick,) = prepared([decode_ready_line(line)], folder)
    assert (quick.columns, msgspec.json.decode(quick.params)) == (slow[0].columns, msgspec.json.decode(slow[0].params))


WHOLE = '{"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "\\"params\\": {}} \\n"}]}'


@pytest.mark.parametrize(
    "line",
    [
        f'{{"custom_id": "a", "params": {WHOLE}}}\n',
        f'{{"custom_id":"a","params":{WHOLE}}}\n',
        f'{{"custom_id": "a", "params": {WHOLE}}}',
        f'{{"custom_id": "a", "params": {WHOLE}}}\r\n',
        f'{{"custom_id": "a", "params": {WHOLE} }}\n',
        f' {{ "custom_id" : "a" , "params" : {WHOLE} }} \n',
        f'{{"params": {WHOLE}, "custom_id": "a"}}\n',
        f'{{"custom_id": "\\u0061", "params": {WHOLE}}}\n',
        f'{{"custom_id": "b", "params": {{}}, "custom_id": "a", "params": {WHOLE}}}\n',
        f'{{"custom_id": "b", "params": {WHOLE}, "custom_id": "a"}}\n',
        f'{{"custom_id": "a", "params": {{"model": ""}}, "p\\u0061rams": {WHOLE}}}\n',
        f'{{"custom_id": "a", "params": {WHOLE}, "p\\u0061rams": {WHOLE}}}\n',
    ],
)
def test_a_line_of_any_form_is_the_request_that_a_json_parser_sees(line: str, tmp_path: Path) -> None:
    (row,) = prepared([decode_ready_line(line.encode())], tmp_path)
    assert (row.columns, msgspec.json.decode(row.params)) == (b'{"key":"a"}', json.loads(WHOLE))


@pytest.mark.parametrize(
    "line",
    [
        f'{{"custom_id": "a", "params": {WHOLE}}}}}\n',
        f'{{"custom_id": "a", "params": {WHOLE}}} {{}}\n',
        f'{{"custom_id": "a", "params": {WHOLE}\n',
        f'{{"custom_id": "a", "params": {WHOLE[:-1]}}}\n',
    ],
)
def test_a_line_that_is_no_json_is_refused_whatever_its_beginning(line: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_ready_line(line.encode())


def test_a_further_field_after_the_usual_beginning_is_refused(tmp_path: Path) -> None:
    line = f'{{"custom_id": "a", "params": {WHOLE}, "row": 1}}\n'
    with pytest.raises(InvalidRowError, match="has unknown fields: row"):
        prepared([decode_ready_line(line.encode())], tmp_path)
