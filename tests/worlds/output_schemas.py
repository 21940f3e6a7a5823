"""JSON Schemas for ``output_config.format``: what the provider and the simulator, each for itself, say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

OPEN = "For 'object' type, 'additionalProperties' must be explicitly set to false"


def closed(*, optional: bool = False, defs: Schema | None = None, **properties: Any) -> Schema:
    """Return an object that the API takes, if it takes its properties."""
    required = {} if optional else {"required": list(properties)}
    definitions = {} if defs is None else {"$defs": defs}
    return {"type": "object", "properties": properties, "additionalProperties": False} | required | definitions


@dataclass(frozen=True)
class Refused:
    """A schema that the API refuses.

    :param place: where the provider finds the problem: the path and the keyword.
    :param words: the service's, after ``output_config.format.schema: ``.
    """

    name: str
    schema: Schema
    place: tuple[str, str]
    words: str


def _bound(type_: str, keyword: str, value: Any, words: str) -> Refused:
    return Refused(f"{type_} {keyword}", closed(a={"type": type_, keyword: value}), ("$.properties.a", keyword), words)


def _unsupported(type_: str, keyword: str, value: Any) -> Refused:
    return _bound(type_, keyword, value, f"For '{type_}' type, property '{keyword}' is not supported")


def _pattern(pattern: str) -> Refused:
    return _unsupported("string", "pattern", pattern)


def _referring(name: str, reference: str, words: str, path: str = "$.properties.a", **defs: Any) -> Refused:
    return Refused(name, closed(a={"$ref": reference}, defs=defs), (path, "$ref"), words)


TEXT = {"type": "string"}
TREE = closed(children={"type": "array", "items": {"$ref": "#/$defs/Tree"}})

REFUSED = (
    Refused("open object", {"type": "object", "properties": {"a": TEXT}}, ("$", "additionalProperties"), OPEN),
    Refused("said to be open", closed(a=TEXT) | {"additionalProperties": True}, ("$", "additionalProperties"), OPEN),
    Refused(
        "a schema for other properties",
        closed(a=TEXT) | {"additionalProperties": TEXT},
        ("$", "additionalProperties"),
        "For 'object' type, 'additionalProperties: object' is not supported. "
        "Please set 'additionalProperties' to false",
    ),
    Refused(
        "open object in a list in a union",
        closed(a={"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "object"}}]}),
        ("$.properties.a.anyOf[1].items", "additionalProperties"),
        OPEN,
    ),
    Refused("open or null", {"type": ["object", "null"]}, ("$", "additionalProperties"), OPEN),
    Refused(
        "open definition",
        closed(a={"$ref": "#/$defs/A"}, defs={"A": {"type": "object"}}),
        ("$.$defs.A", "additionalProperties"),
        OPEN,
    ),
    _unsupported("number", "minimum", 0),
    _unsupported("number", "maximum", 1),
    _unsupported("integer", "exclusiveMinimum", 0),
    _unsupported("integer", "exclusiveMaximum", 9),
    _unsupported("integer", "multipleOf", 5),
    _unsupported("string", "minLength", 1),
    _unsupported("string", "maxLength", 10),
    _unsupported("array", "maxItems", 3),
    _unsupported("array", "uniqueItems", True),
    _unsupported("array", "contains", TEXT),
    Refused("minProperties", closed(a=TEXT) | {"minProperties": 1}, ("$", "minProperties"),
            "For 'object' type, property 'minProperties' is not supported"),
    Refused("maxProperties", closed(a=TEXT) | {"maxProperties": 1}, ("$", "maxProperties"),
            "For 'object' type, property 'maxProperties' is not supported"),
    Refused("propertyNames", closed(a=TEXT) | {"propertyNames": TEXT}, ("$", "propertyNames"),
            "For 'object' type, property 'propertyNames' is not supported"),
    Refused("if", closed(a=TEXT) | {"if": {"properties": {"a": {"const": 1}}}}, ("$", "if"),
            "For 'object' type, property 'if' is not supported"),
    Refused("not", closed(a={"type": "string", "not": {"const": ""}}), ("$.properties.a", "not"),
            "Schema keyword 'not' is not supported"),
    Refused("oneOf", closed(a={"oneOf": [TEXT, {"type": "null"}]}), ("$.properties.a", "oneOf"),
            "Schema type 'oneOf' is not supported"),
    _bound("array", "minItems", 2,
           "For 'array' type, 'minItems' values other than 0 or 1 are not supported (got: [2, ∞])"),
    _bound("string", "format", "phone", "For 'string' type, format 'phone' is not supported"),
    Refused("an unknown type", closed(a={"type": "float"}), ("$.properties.a", "type"),
            "Schema type 'float' is not supported"),
    Refused("an enum of objects", closed(a={"enum": ["x", {"y": 1}]}), ("$.properties.a", "enum"),
            "'enum' values must be strings, numbers, booleans or null"),
    Refused("a reference in allOf", closed(a={"allOf": [{"$ref": "#/$defs/A"}]}, defs={"A": TEXT}),
            ("$.properties.a.allOf[0]", "allOf"), "'allOf' with '$ref' is not supported"),
    _pattern("^(?=.*x)"),
    _pattern("(?<!a)b"),
    _pattern(r"(a)\1"),
    _pattern(r"\bword\b"),
    _referring("an external reference", "https://example.com/a.json",
               "External reference 'https://example.com/a.json' is not supported"),
    _referring("a reference to nothing", "#/$defs/B",
               "Invalid schema: Reference to non-existent definition: #/$defs/B", A=TEXT),
    Refused("a tree", {"$ref": "#/$defs/Tree", "$defs": {"Tree": TREE}},
            ("$.$defs.Tree.properties.children.items", "$ref"),
            "Circular reference detected in schema definitions: Tree -> Tree"),
    Refused("two that hold each other", closed(a={"$ref": "#/$defs/A"}, defs={
                "A": closed(b={"$ref": "#/$defs/B"}), "B": closed(a={"$ref": "#/$defs/A"})}),
            ("$.$defs.B.properties.a", "$ref"),
            "Circular reference detected in schema definitions: A -> B -> A"),
    Refused("the whole in itself", closed(a={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
            ("$.properties.a.anyOf[0]", "$ref"), "Circular reference detected in schema definitions: # -> #"),
    Refused("a part in itself", closed(a=closed(b={"$ref": "#/properties/a"})),
            ("$.properties.a.properties.b", "$ref"), "Circular reference detected in schema definitions: a -> a"),
)  # fmt: skip

OPTIONAL: dict[str, Any] = {f"p{number}": TEXT for number in range(25)}
NULLABLE: dict[str, Any] = {f"p{number}": {"type": ["string", "null"]} for number in range(17)}

TAKEN: dict[str, Any] = {
    "plain": closed(a=TEXT, b={"type": "integer"}, c={"type": "boolean"}, d={"type": "null"}, e={"type": "number"}),
    "no object": {"type": "array", "items": TEXT, "minItems": 1},
    "names that are keywords": closed(minimum=TEXT, oneOf=TEXT, pattern=TEXT, additionalProperties=TEXT),
    "a property that is called $ref": closed(**dict[str, Any]({"$ref": TEXT})),
    "values that look like schemas": closed(a={"type": "string", "default": {"minimum": 1}, "examples": [{"not": 1}]}),
    "nullable": closed(a={"type": ["string", "null"]}, b={"anyOf": [TEXT, {"type": "null"}]}),
    "enums": closed(a={"enum": ["x", 1, 1.5, True, None]}, b={"const": "y"}, c={"type": "string", "enum": ["z"]}),
    "formats": closed(a={"type": "string", "format": "date-time"}, b={"type": "string", "format": "uuid"}),
    "minItems 0": closed(a={"type": "array", "items": TEXT, "minItems": 0}),
    "shared definition": closed(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}, defs={"A": closed(x=TEXT)}),
    "old definitions": closed(a={"$ref": "#/definitions/A"}) | {"definitions": {"A": TEXT}},
    "escaped names": closed(a={"$ref": "#/$defs/A~1B%20C"}, defs={"A/B C": TEXT}),
    "allOf": closed(a={"allOf": [TEXT, {"description": "x"}]}),
    "titles": closed(a={"type": "string", "title": "A", "description": "An a."}) | {"$schema": "x"},
    "unknown keywords": closed(a={"type": "string", "x-order": 1, "deprecated": True, "examples": ["y"]}),
    "24 optional": closed(optional=True, **dict(list(OPTIONAL.items())[:24])),
    "16 unions": closed(**dict(list(NULLABLE.items())[:16])),
}

UNCERTAIN: dict[str, Any] = {
    "a simple pattern": closed(a={"type": "string", "pattern": r"^[A-Z]{2}-\d+$"}),
    "a pattern that only looks advanced": closed(a={"type": "string", "pattern": r"\(?=x [(?=\b]"}),
    "an unused definition": closed(a=TEXT, defs={"A": {"type": "object"}}),
    "a keyword beside a reference": closed(a={"$ref": "#/$defs/A", "minLength": 1}, defs={"A": TEXT}),
    "an object without a type": {"properties": {"a": TEXT}},
}
"""Schemas on which the sources disagree or are silent: the provider sends them, the simulator refuses them."""
