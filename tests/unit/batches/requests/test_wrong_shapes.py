"""Values that are no row, and lines that are no ready request: the message gives the exact way."""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest
import sqlalchemy

from anthropic_batches_provider.batches.requests import Question
from anthropic_batches_provider.batches.requests.wrong_shapes import named_shape, way_to_mapping, way_to_rows
from anthropic_batches_provider.batches.rows import RowColumns, prepare_requests, prepare_rows, read_row_file
from anthropic_batches_provider.errors import InvalidRowError
from tests.worlds.strict_rows import valid_rows

BODY = {"max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
PARAMS = {"model": "m", **BODY}


class Named(NamedTuple):
    label: str


@dataclasses.dataclass
class Data:
    label: str


class Model(pydantic.BaseModel):
    label: str


class Struct(msgspec.Struct):
    label: str


def sqlite_row() -> Any:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    return connection.execute("select 'a' as label").fetchone()


def sqlalchemy_row() -> Any:
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        return connection.execute(sqlalchemy.text("select 'a' as label")).first()


class Series:
    """Like pandas.Series: ``keys()`` and ``[]``, but no Mapping."""

    def keys(self) -> list[str]:
        return ["label"]

    def __getitem__(self, name: str) -> str:
        return "a"


class SparkRow(tuple[Any, ...]):
    """Like pyspark.sql.Row."""

    def asDict(self) -> dict[str, Any]:  # noqa: N802
        return {"label": self[0]}


@pytest.mark.parametrize(
    ("row", "expression"),
    [
        (sqlite_row(), "dict(row)"),
        (Series(), "dict(row)"),
        (Named("a"), "row._asdict()"),
        (collections.namedtuple("Other", "label")("a"), "row._asdict()"),
        (sqlalchemy_row(), "row._mapping"),
        (Data("a"), "dataclasses.asdict(row)"),
        (Model(label="a"), "row.model_dump()"),
        (Struct("a"), "msgspec.structs.asdict(row)"),
        (SparkRow(("a",)), "row.asDict()"),
        (("a",), "dict(zip(columns, row))"),
        (["a"], "dict(zip(columns, row))"),
        ('{"label":"a"}', "json.loads(row)"),
        (b'{"label":"a"}', "json.loads(row)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_expression_in_the_message_makes_the_row(row: Any, expression: str, tmp_path: Path) -> None:
    def prepared(row: Any) -> bytes:
        columns = RowColumns(key="label")
        (found,) = valid_rows(
            prepare_rows([row], columns=columns, encode=lambda row, number: b"{}", spool_folder=tmp_path)
        )
        return found.columns

    with pytest.raises(InvalidRowError, match=rf"Row 0 .* has type {type(row).__name__}; a row must be") as caught:
        prepared(row)
    assert f"`{expression}`" in str(caught.value)
    names = {"row": row, "columns": ["label"], "json": json, "dataclasses": dataclasses, "msgspec": msgspec}
    assert prepared(eval(expression, names)) == b'{"label":"a"}'  # noqa: S307


def test_a_ready_request_of_another_type_is_named_in_its_own_word(tmp_path: Path) -> None:
    with pytest.raises(InvalidRowError, match=r"has type Named; .* Give `request\._asdict\(\)` in its place\."):
        list(valid_rows(prepare_requests([Named("a")], spool_folder=tmp_path)))  # type: ignore[list-item]


def test_a_list_of_rows_in_place_of_a_row_is_named() -> None:
    assert way_to_mapping([{"a": 1}, {"a": 2}]) == " Give `yield from row` in its place."


def test_text_may_be_the_name_of_a_column() -> None:
    assert 'give `df.to_dict("records")` of a DataFrame' in way_to_mapping("text")


def test_a_type_that_is_unknown_gets_no_advice() -> None:
    for value in (None, 5, object(), Model, Data, Named):
        assert way_to_mapping(value) == ""


@pytest.mark.parametrize(
    ("module", "name", "expression"),
    [
        ("pandas.core.frame", "DataFrame", 'table.to_dict("records")'),
        ("polars.dataframe.frame", "DataFrame", "table.iter_rows(named=True)"),
        ("polars.lazyframe.frame", "LazyFrame", "table.collect()"),
        ("pyarrow.lib", "Table", "table.to_pylist()"),
        ("pyarrow.lib", "RecordBatch", "table.to_pylist()"),
        ("pyarrow._dataset", "FileSystemDataset", "table.scanner().to_reader()"),
        ("pyspark.sql.classic.dataframe", "DataFrame", "(row.asDict() for row in table.toLocalIterator())"),
        ("astropy.table", "Table", None),
        ("pandas.core.series", "Series", None),
    ],
)
def test_a_table_in_memory_is_known_by_its_type(module: str, name: str, expression: str | None) -> None:
    table = type(name, (), {"__module__": module})()
    assert way_to_rows(table) == expression
    if expression is not None:
        assert f"`{expression.replace('table', 'row')}`" in way_to_mapping(table)


REQUEST = {"custom_id": "a", "params": PARAMS}
LINES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "create call": ({"requests": [REQUEST]}, ("the body of a create call", "`jq -c '.requests[]'`")),
    "OpenAI": (
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "x"}},
        ("an OpenAI batch file", "body into params", "Leave out method and url"),
    ),
    "Bedrock": (
        {"recordId": "a", "modelInput": {"anthropic_version": "bedrock-2023-05-31", **BODY}},
        ("Bedrock", "recordId to custom_id and modelInput to params", "leave out anthropic_version and add model"),
    ),
    "Bedrock without an id": ({"modelInput": BODY}, ("Bedrock",)),
    "Vertex": (
        {"custom_id": "a", "request": {"anthropic_version": "vertex-2023-10-16", **BODY}},
        ("Vertex AI", "request to params", "leave out anthropic_version and add model"),
    ),
    "Vertex without an id": ({"request": BODY}, ("Vertex AI", "a custom_id")),
    "results of the API": ({"custom_id": "a", "result": {"type": "expired"}}, ("is a result of a batch",)),
    "results of OpenAI": (
        {"id": "b", "custom_id": "a", "response": {}, "error": None},
        ("is a result of an OpenAI batch",),
    ),
    "our output": (
        {"key": "a", "custom_id": "n-0-0", "batch_id": "msgbatch_1", "result_type": "succeeded", "text": "b"},
        ("is a row of this package's output",),
    ),
}


@pytest.mark.parametrize(("line", "named"), LINES.values(), ids=LINES)
def test_a_line_of_another_batch_service_is_named(line: dict[str, Any], named: tuple[str, ...], tmp_path: Path) -> None:
    stream = io.BytesIO(json.dumps(line).encode())
    for requests in ([line], read_row_file(stream, name="rows.jsonl", ready_requests=True)):
        with pytest.raises(InvalidRowError) as caught:
            list(valid_rows(prepare_requests(requests, spool_folder=tmp_path)))
        assert str(caught.value).startswith("Row 0 (the first is 0) is ")
        assert [part for part in named if part not in str(caught.value)] == []


@pytest.mark.parametrize(("line", "named"), LINES.values(), ids=LINES)
def test_the_same_line_is_a_row_like_any_other(line: dict[str, Any], named: tuple[str, ...], tmp_path: Path) -> None:
    asked = Question(request_builder=lambda row: PARAMS)
    rows = read_row_file(io.BytesIO(json.dumps(line).encode()), name="rows.jsonl")
    assert len(list(prepare_rows(rows, columns=RowColumns(), encode=asked.encode_params, spool_folder=tmp_path))) == 1


@pytest.mark.parametrize(
    "request_",
    [
        {"custom_id": "a", "params": PARAMS, "request": {}},
        {"request": "text"},
        {"modelInput": "text"},
        {"requests": 5},
        {"custom_id": "a", "body": {}},
        {},
    ],
    ids=json.dumps,
)
def test_other_shapes_are_described_by_their_fields(request_: dict[str, Any], tmp_path: Path) -> None:
    assert named_shape(request_) is None
    with pytest.raises(InvalidRowError, match=r"lacks|unknown fields"):
        list(valid_rows(prepare_requests([request_], spool_folder=tmp_path)))
