"""A part of JSON is found in its bytes, however these are written."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.batches.json_spans import RepeatedFieldError, Span, field_spans, item_spans

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(['"', "\\", 'a": 1', "{", "é"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
FORMS = st.sampled_from([{"separators": (",", ":")}, {}, {"indent": 2}, {"separators": (" ,\t", "\r\n: ")}])


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=5), FORMS, st.booleans())
def test_each_field_is_found_in_any_form_of_an_object(value: dict[str, Any], form: Any, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii, **form).encode()
    found = field_spans(text)
    assert {name: json.loads(span.of(text)) for name, span in found.items()} == value
    assert list(found) == list(value)
    within = b"[1, %b ]" % text
    (_, span) = item_spans(within, Span(0, len(within)))
    assert {name: json.loads(at.of(within)) for name, at in field_spans(within, span).items()} == value


@settings(deadline=None)
@given(st.lists(VALUES, max_size=5), FORMS)
def test_each_item_is_found_in_any_form_of_an_array(value: list[Any], form: Any) -> None:
    text = b'{"a":%b}' % json.dumps(value, **form).encode()
    assert [json.loads(span.of(text)) for span in item_spans(text, field_spans(text)["a"])] == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}', b'{"a":1,"b":2,"a":3}', b'{"a":1,"a":12}', b'{"a":12,"a":1}', b'{"a":"x","\\u0061":[]}',
        b'{"a":{"a":1},"b":[],"b":{}}', b'{"a":{"x":1,"b":2},"a":[1,12],"b":2}',
    ],
)  # fmt: skip
def test_a_field_that_comes_twice_is_an_error(text: bytes) -> None:
    with pytest.raises(RepeatedFieldError, match=r"`[ab]` is given twice"):
        field_spans(text)


@pytest.mark.parametrize("text", [b"[]", b"1", b'"a"', b"null", b"{", b"", b'{"a":1}}'])
def test_another_value_is_an_error(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        field_spans(text)


@pytest.mark.parametrize("text", [b"{}", b"1", b'"a"', b"null", b"[1", b"[1]]"])
def test_what_is_no_array_is_an_error(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        item_spans(text, Span(0, len(text)))
