"""What ``columns=`` may be, and which columns of the result it gives which names."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.batches.output.column_choice import EVERY_COLUMN, ColumnChoice, Leaf
from anthropic_batches_provider.errors import ConfigurationError

WHOLE: list[Leaf] = [("text", None), ("parsed", None), ("verdict", None), ("usage", None)]
FIELDS: list[Leaf] = [
    ("text", None), ("parsed", "label"), ("parsed", "score"), ("verdict", None), ("usage", "input_tokens"),
]  # fmt: skip
PLAIN = ["text", "parsed_label", "parsed_score", "verdict", "usage_input_tokens"]


def shown(columns: Any, leaves: list[Leaf]) -> list[str]:
    return [name for _, name in ColumnChoice.of(columns).named(leaves)]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (None, ["text", "parsed", "verdict", "usage"]),
        ({}, ["text", "parsed", "verdict", "usage"]),
        ([], []),
        (["verdict", "text"], ["verdict", "text"]),
        (("usage",), ["usage"]),
        ({"text": "answer", "usage": None}, ["answer", "parsed", "verdict"]),
        ({"text": "verdict", "verdict": "text"}, ["verdict", "parsed", "text", "usage"]),
        ({"verdict": "fits", "*": None, "text": "text"}, ["fits", "text"]),
        ({"*": None}, []),
        ({"text": None, "*": None}, []),
        ({"text": "text"}, ["text", "parsed", "verdict", "usage"]),
        ({"text": 'a "b"\\ é\n'}, ['a "b"\\ é\n', "parsed", "verdict", "usage"]),
    ],
)
def test_whole_columns_are_chosen_renamed_and_left_out(columns: Any, names: list[str]) -> None:
    assert shown(columns, WHOLE) == names


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (None, PLAIN),
        (["parsed", "text"], ["parsed_label", "parsed_score", "text"]),
        (["parsed_score", "text", "parsed_label"], ["parsed_score", "text", "parsed_label"]),
        ({"parsed": "answer"}, ["text", "answer_label", "answer_score", "verdict", "usage_input_tokens"]),
        ({"parsed": ""}, ["text", "label", "score", "verdict", "usage_input_tokens"]),
        ({"parsed": None}, ["text", "verdict", "usage_input_tokens"]),
        ({"parsed": None, "parsed_label": "label"}, ["text", "label", "verdict", "usage_input_tokens"]),
        ({"parsed": "", "parsed_label": "sort"}, ["text", "sort", "score", "verdict", "usage_input_tokens"]),
        ({"parsed": "", "parsed_label": None}, ["text", "score", "verdict", "usage_input_tokens"]),
        (
            {"usage": "", "parsed_score": "verdict", "verdict": None},
            ["text", "parsed_label", "verdict", "input_tokens"],
        ),
    ],
)
def test_a_column_with_fields_stands_for_all_of_them(columns: Any, names: list[str]) -> None:
    assert shown(columns, FIELDS) == names


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("text", r"is 'text'\. Give a list of column names, or a dict"),
        (b"text", r"of type bytes\. Give a list"),
        (7, r"of type int\. Give a list"),
        ({"text"}, r"of type set\. Give a list"),
        (["text", 7], r"holds 7, of type int"),
        (["text", None], r"holds None, of type NoneType"),
        ({7: "text"}, r"holds 7, of type int"),
        ({"text": 7}, r"holds 7, of type int"),
        ({"text": False}, r"holds False, of type bool"),
        ({"text": "\ud800"}, r"no valid text"),
        (["text", "verdict", "text"], r"names 'text' twice"),
    ],
    ids=repr,
)
def test_what_is_no_choice_is_refused(columns: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ColumnChoice.of(columns)


@pytest.mark.parametrize(
    ("columns", "leaves", "said"),
    [
        (
            ["verdikt"],
            WHOLE,
            r"'verdikt', which is no column .* Did you mean 'verdict'\?.* text, parsed, verdict, usage",
        ),
        (["label"], FIELDS, r"'label', which is no column .* Did you mean 'parsed_label'\?"),
        ({"zzz": None}, WHOLE, r"'zzz', which is no column of the result here\. The columns"),
        (["message"], WHOLE, r"'message'.*only with include_message=True"),
        (["parsed_label"], WHOLE, r"'parsed_label'.*only in a table: with output_format='parquet'"),
        (["usage_input_tokens"], WHOLE, r"'usage_input_tokens'.*only in a table"),
        (["parsed_lable"], FIELDS, r"Did you mean 'parsed_label'\?.* text, parsed_label, parsed_score, verdict"),
        ({"usage_input_token": "n"}, FIELDS, r"Did you mean 'usage_input_tokens'\?"),
        (["parsed", "parsed_label"], FIELDS, r"would be named 'parsed_label': 'parsed_label' twice"),
        ({"text": "x", "verdict": "x"}, WHOLE, r"would be named 'x': 'text' and 'verdict'"),
        ({"text": "verdict"}, WHOLE, r"would be named 'verdict': 'text' and 'verdict'"),
        ({"parsed": "", "text": "label"}, FIELDS, r"would be named 'label': 'text' and 'parsed_label'"),
        ({"parsed": ""}, WHOLE, r"gives 'parsed' the empty name\. Only a column whose fields become columns"),
        ({"text": ""}, FIELDS, r"gives 'text' the empty name"),
        ({"parsed_label": ""}, FIELDS, r"gives 'parsed_label' the empty name"),
    ],
    ids=repr,
)
def test_names_that_the_output_cannot_have_are_refused(columns: Any, leaves: list[Leaf], said: str) -> None:
    choice = ColumnChoice.of(columns)
    with pytest.raises(ConfigurationError, match=said):
        choice.named(leaves)


@pytest.mark.parametrize(
    ("columns", "column", "mentioned"),
    [
        (["verdict"], "verdict", True), (["verdict"], "text", False), ({"verdict": "v"}, "verdict", True),
        ({"verdict": None}, "verdict", True), (["usage_input_tokens"], "usage", True), (None, "verdict", False),
    ],
)  # fmt: skip
def test_a_column_is_mentioned_by_its_name_or_a_field(columns: Any, column: str, mentioned: bool) -> None:
    assert ColumnChoice.of(columns).mentions(column) is mentioned


def test_choices_are_equal_by_value_so_that_parts_are_known_again() -> None:
    assert ColumnChoice.of(None) == ColumnChoice.of({}) == EVERY_COLUMN != ColumnChoice.of([])
    assert ColumnChoice.of(["text"]) == ColumnChoice.of(("text",)) != ColumnChoice.of({"text": "text"})


def test_all_others_can_only_be_left_out() -> None:
    with pytest.raises(ConfigurationError, match=r"gives '\*' the name 'answer_'"):
        ColumnChoice.of({"*": "answer_"})
    assert shown({"parsed": "", "*": None}, FIELDS) == ["label", "score"]
