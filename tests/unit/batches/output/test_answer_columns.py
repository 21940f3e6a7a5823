"""The columns of answers follow from their JSON Schema: a type where one holds every valid value, else JSON as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.output.answer_columns import answer_fields, answer_type

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}, "b c": {"type": "integer"}}}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/T"}}}
TREE = {"$defs": {"T": NODE}, "$ref": "#/$defs/T"}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Return a schema of few bytes whose full form has ``2 ** levels`` parts."""
    defined: dict[str, Any] = {"D0": {"type": "string"}}
    for level in range(1, levels + 1):
        below = {"$ref": f"#/$defs/D{level - 1}"}
        defined[f"D{level}"] = {"type": "object", "properties": {"l": below, "r": below}}
    return {"$defs": defined, "$ref": f"#/$defs/D{levels}"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "string"),
        ({"type": "boolean"}, "bool"),
        ({"type": "integer"}, "int64"),
        ({"type": "number"}, "double"),
        ({"type": "null"}, "json"),
        ({"type": "string", "format": "date"}, "string"),
        ({"type": ["string", "null"]}, "string"),
        ({"type": ["null"]}, "json"),
        ({"type": ["string", "integer"]}, "json"),
        ({"anyOf": [{"type": "null"}, {"type": "number"}]}, "double"),
        ({"oneOf": [{"type": "boolean"}, {"type": "null"}]}, "bool"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "json"),
        ({"anyOf": [{"type": "null"}]}, "json"),
        ({"allOf": [{"type": "number"}]}, "double"),
        ({"allOf": [{"type": "number"}, {"description": "a share"}]}, "double"),
        ({"allOf": [CLOSED, CLOSED]}, "json"),
        ({"enum": ["a", "b", None]}, "string"),
        ({"enum": [1, 2]}, "int64"),
        ({"enum": [1, 2.5]}, "double"),
        ({"enum": [True, None]}, "bool"),
        ({"enum": [True, 1]}, "json"),
        ({"enum": ["a", 1]}, "json"),
        ({"enum": [None]}, "json"),
        ({"enum": [{"a": 1}]}, "json"),
        ({"const": "a"}, "string"),
        ({"const": None}, "json"),
        ({"type": "array", "items": {"type": "string"}}, "list<item: string>"),
        ({"type": "array", "items": {"type": ["integer", "null"]}}, "list<item: int64>"),
        ({"type": "array"}, "json"),
        ({"type": "array", "items": {}}, "json"),
        ({"type": "array", "items": True}, "json"),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, "json"),
        (CLOSED, 'struct<a: string, "b c": int64>'),
        (CLOSED | {"additionalProperties": False}, 'struct<a: string, "b c": int64>'),
        (CLOSED | {"additionalProperties": True}, "json"),
        (CLOSED | {"additionalProperties": {"type": "string"}}, "json"),
        (CLOSED | {"patternProperties": {"x": {}}}, "json"),
        ({"type": "object", "properties": {}}, "json"),
        ({"type": "object", "properties": {"a": {}}}, "json"),
        ({"type": "object", "properties": {"a": True}}, "json"),
        ({"$defs": {"a/b~": {"type": "integer"}}, "$ref": "#/$defs/a~1b~0"}, "int64"),
        ({"definitions": {"A": CLOSED}, "type": "array", "items": {"$ref": "#/definitions/A"}},
         'list<item: struct<a: string, "b c": int64>>'),
        ({"$ref": "#/$defs/Nothing"}, "json"),
        ({"$ref": "#"}, "json"),
        (TREE, "json"),
        ({}, "json"),
        (deep(40), "list<item: " * 40 + "string" + ">" * 40),
        (deep(400), "json"),
        (doubling(2), "struct<l: struct<l: string, r: string>, r: struct<l: string, r: string>>"),
        (doubling(19), "json"),
    ],
)  # fmt: skip
def test_the_type_holds_every_value_that_the_schema_allows(schema: dict[str, Any], expected: str) -> None:
    assert answer_type(json.dumps(schema).encode()) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object", "properties": {"b": {"type": "string"}, "a": {}}}, [("b", "string"), ("a", "json")]),
        ({"anyOf": [{"type": "null"}, CLOSED]}, [("a", "string"), ("b c", "int64")]),
        ({"$defs": {"A": CLOSED}, "allOf": [{"$ref": "#/$defs/A"}]}, [("a", "string"), ("b c", "int64")]),
        (TREE, [("next", "json")]),
        ({"type": "object", "properties": {"on": NODE}, "$defs": TREE["$defs"]}, [("on", "json")]),
        (CLOSED | {"additionalProperties": True}, []),
        ({"type": "array", "items": CLOSED}, []),
        ({"type": "string"}, []),
        ({"anyOf": [CLOSED, {"type": "string"}]}, []),
    ],
)  # fmt: skip
def test_the_properties_of_a_closed_object_are_columns(schema: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert list(answer_fields(json.dumps(schema).encode()).items()) == expected


def test_without_a_schema_an_answer_is_one_column_of_json() -> None:
    assert answer_fields(None) == {}
    assert answer_type(None) == "json"
