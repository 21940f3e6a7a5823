"""The columns that a row keeps."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.output.columns import OUTPUT_COLUMNS
from anthropic_batches_provider.batches.rows import RowColumns
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

ROW = {"year": 1790, "id": "a/1", "note": "é\u2028", "n": None}


@pytest.mark.parametrize(
    ("columns", "encoded"),
    [
        (RowColumns(), '{"row_number":7}'),
        (RowColumns(keep=["year"]), '{"row_number":7,"year":1790}'),
        (RowColumns(key="id"), '{"id":"a/1"}'),
        (RowColumns(key=["id", "year"]), '{"id":"a/1","year":1790}'),
        (RowColumns(key="id", keep="year"), '{"id":"a/1","year":1790}'),
        (RowColumns(key="id", keep=("note", "year")), '{"id":"a/1","note":"é\u2028","year":1790}'),
        (RowColumns(key="id", keep=["id", "n", "n"]), '{"id":"a/1","n":null}'),
        (RowColumns(key="id", keep="*"), '{"id":"a/1","year":1790,"note":"é\u2028","n":null}'),
        (RowColumns(keep="*"), '{"row_number":7,"year":1790,"id":"a/1","note":"é\u2028","n":null}'),
    ],
)
def test_key_columns_come_first_then_kept_columns(columns: RowColumns, encoded: str) -> None:
    assert columns.columns_of(ROW, 7) == encoded.encode()
    assert columns.with_kept_columns(columns.key_of(ROW, 7), ROW, 7) == encoded.encode()


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (datetime.date(2024, 5, 1), '"2024-05-01"'),
        (datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC), '"2024-05-01T12:00:00Z"'),
        (pendulum.datetime(2024, 5, 1, 12), '"2024-05-01T12:00:00Z"'),
        (pendulum.date(2024, 5, 1), '"2024-05-01"'),
        (Decimal("1.50"), '"1.50"'),
        (uuid.UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
        (2**70, str(2**70)),
        (1.0, "1.0"),
        (b"ab", '"YWI="'),
        ((1, "a"), '[1,"a"]'),
        (type("Text", (str,), {})("a"), '"a"'),
        (type("Number", (float,), {})(0.5), "0.5"),
        (type("Count", (int,), {})(3), "3"),
        ({"a": [None]}, '{"a":[null]}'),
    ],
)
def test_values_have_their_json_form(value: Any, encoded: str) -> None:
    assert RowColumns(key="k").columns_of({"k": value}, 0) == f'{{"k":{encoded}}}'.encode()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "type object"),
        (float("nan"), "at k"),
        (float("-inf"), "at k"),
        ({"a": [1, float("nan")]}, "at k.a[1]"),
        (type("Number", (float,), {})("nan"), "at k"),
        ("\ud800", "surrogate"),
        ({(1,): 2}, "not JSON"),
    ],
)
@pytest.mark.parametrize("columns", [RowColumns(key="k"), RowColumns(keep=["k"]), RowColumns(keep="*")])
def test_values_that_are_not_json_are_refused(columns: RowColumns, value: Any, named: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        columns.columns_of({"k": value}, 3)
    assert named in str(caught.value)
    assert "Row 3" in str(caught.value)


@pytest.mark.parametrize("columns", [RowColumns(key="day"), RowColumns(keep=["day"]), RowColumns(key=["id", "day"])])
def test_a_missing_column_is_named_with_those_that_are_there(columns: RowColumns) -> None:
    with pytest.raises(InvalidRowError, match=r"Row 3 .* no column 'day'.*year, id, note, n") as caught:
        columns.columns_of(ROW, 3)
    assert caught.value.row_number == 3


@pytest.mark.parametrize("name", OUTPUT_COLUMNS)
@pytest.mark.parametrize("argument", ["key", "keep"])
def test_a_clash_with_the_output_is_refused_up_front(argument: str, name: str) -> None:
    clashing: dict[str, Any] = {argument: [name]}
    with pytest.raises(ConfigurationError, match=f"{name}.*`column_prefix=`"):
        RowColumns(**clashing)
    RowColumns(**clashing, column_prefix="answer_")


def test_a_prefix_that_makes_a_clash_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="answer_text"):
        RowColumns(key="answer_text", column_prefix="answer_")


def test_all_columns_are_checked_for_clashes_row_by_row() -> None:
    columns = RowColumns(key="id", keep="*")
    columns.columns_of({"id": 1, "note": "a"}, 0)
    with pytest.raises(ConfigurationError, match=r"named text.*`column_prefix=`"):
        columns.columns_of({"id": 2, "text": "a"}, 1)
    assert RowColumns(key="id", keep="*", column_prefix="a_").columns_of({"id": 2, "text": "b"}, 1) == (
        b'{"id":2,"text":"b"}'
    )


def test_a_choice_of_the_outputs_columns_says_which_names_clash() -> None:
    columns = RowColumns(key="id", keep="*", result_columns=["verdict", "answer"])
    assert columns.columns_of({"id": 1, "text": "a", "message": 2}, 0) == b'{"id":1,"text":"a","message":2}'
    with pytest.raises(ConfigurationError, match=r"named answer\. Give the output's other names with `columns=`"):
        columns.columns_of({"id": 2, "answer": "a"}, 1)
    with pytest.raises(ConfigurationError, match=r"named verdict\. "):
        columns.known_columns_of({"id": 3, "verdict": "a"}, 2)
    with pytest.raises(ConfigurationError, match=r"named answer\. "):
        RowColumns(key="answer", result_columns=["answer"])
    assert RowColumns(keep=["text"], result_columns=()).columns_of({"text": 1}, 0) == b'{"row_number":0,"text":1}'


def test_a_column_called_row_number_needs_a_key() -> None:
    with pytest.raises(ConfigurationError, match="row_number"):
        RowColumns(keep=["row_number"])
    with pytest.raises(ConfigurationError, match="row_number"):
        RowColumns(keep="*").columns_of({"row_number": 1}, 0)
    assert RowColumns(key="row_number").columns_of({"row_number": 1}, 0) == b'{"row_number":1}'


@pytest.mark.parametrize(
    "fields",
    [{"key": []}, {"key": 5}, {"key": [5]}, {"keep": 5}, {"keep": [None]}, {"column_prefix": 5}],
)
def test_names_must_be_names(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RowColumns(**fields)


def test_keys_of_different_types_are_different_keys() -> None:
    columns = RowColumns(key="k")
    values = [1, 1.0, "1", True, None, "", "null", 2**70, 0, -0.0, False, [1], {"a": 1}]
    keys = [columns.key_of({"k": value}, 0) for value in values]
    assert len(set(keys)) == len(values)
    assert keys == [columns.key_of({"k": value}, 1) for value in values]


def test_keys_of_several_columns_are_not_run_together() -> None:
    columns = RowColumns(key=["a", "b"])
    assert columns.key_of({"a": "x", "b": "yz"}, 0) != columns.key_of({"a": "xy", "b": "z"}, 0)


@pytest.mark.parametrize(("asked", "given"), [("na\u00efve", "nai\u0308ve"), ("nai\u0308ve", "na\u00efve")])
@pytest.mark.parametrize("argument", ["key", "keep"])
def test_a_column_of_the_same_name_in_another_unicode_form_is_named(argument: str, asked: str, given: str) -> None:
    named: dict[str, Any] = {"key": "id", argument: [asked]}
    with pytest.raises(InvalidRowError) as caught:
        RowColumns(**named).columns_of({"id": 1, given: 2}, 0)
    text = str(caught.value)
    assert f"`{argument}` names. It has {given!a}, another Unicode form of {asked!a}" in text
