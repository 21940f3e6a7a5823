"""The forms of an answer's text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.simulator.service.answer_texts import (
    beginning_of,
    cut_off,
    fenced,
    prefaced,
    rest_of,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@given(value=JSON)
@settings(deadline=None)
def test_json_that_is_cut_off_is_its_beginning_and_no_json(value: Any) -> None:
    text = json.dumps(value)
    cut = cut_off(text, never_json=True)
    assert text.startswith(cut)
    assert not is_json(cut)


@pytest.mark.parametrize(("text", "cut"), [("1234", ""), ("-12", "-"), ("4.25", "4."), ("7", ""), ("{}{}", "{")])
def test_the_half_of_a_number_is_cut_until_it_is_no_number(text: str, cut: str) -> None:
    assert cut_off(text, never_json=True) == cut


def test_a_text_that_need_not_be_json_is_cut_in_its_middle() -> None:
    assert cut_off("1234", never_json=False) == "12"
    assert cut_off("1", never_json=False) == "1"


@given(text=st.text(min_size=1))
@settings(deadline=None)
def test_a_beginning_and_its_rest_are_the_whole(text: str) -> None:
    begun = beginning_of(text)
    assert begun
    assert begun + rest_of(text, begun) == text


def test_a_beginning_does_not_end_in_whitespace() -> None:
    assert beginning_of("to be, or not") == "to be,"
    assert beginning_of("one  two") == "one"


def test_what_another_began_is_answered_as_a_whole() -> None:
    assert rest_of("whole", "another") == "whole"


def test_a_fence_and_a_preface_leave_the_text_on_lines_of_its_own() -> None:
    assert fenced('{"a":1}').split("\n") == ["```json", '{"a":1}', "```"]
    sentence, blank, text = prefaced('{"a":1}').split("\n")
    assert (sentence[-1], blank, text) == (".", "", '{"a":1}')
