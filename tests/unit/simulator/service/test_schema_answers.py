"""Every answer to a schema is valid for it, as jsonschema checks."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.simulator.service.schema_answers import SchemaAnswer


def bounded(low: Any, high: Any, names: Any) -> Any:
    return st.tuples(low, high).map(lambda pair: dict(zip(names, sorted(pair), strict=True)))


SMALL = st.integers(0, 12)
STRINGS = st.one_of(
    st.just({"type": "string"}),
    bounded(SMALL, SMALL, ("minLength", "maxLength")).map(lambda bounds: {"type": "string"} | bounds),
    st.sampled_from(["date-time", "date", "email", "uuid", "ipv4"]).map(lambda f: {"type": "string", "format": f}),
    st.sampled_from(["^[A-Z]{3}-\\d{2,4}$", "^(yes|no)$", "[^a-z]+", "^\\w+@\\w+\\.com$", "^(a|b)\\1$"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
)
NUMBERS = st.one_of(
    st.just({"type": "integer"}),
    bounded(st.integers(-50, 50), st.integers(-50, 50), ("minimum", "maximum")).map(lambda b: {"type": "integer"} | b),
    st.integers(-50, 50).map(lambda edge: {"type": "integer", "exclusiveMinimum": edge}),
    st.integers(-500, -200).map(lambda edge: {"type": "integer", "maximum": edge}),
    st.integers(1, 9).map(lambda step: {"type": "integer", "multipleOf": step, "minimum": 20}),
    st.floats(-10, 10).map(lambda edge: {"type": "number", "exclusiveMinimum": edge, "exclusiveMaximum": edge + 1}),
    st.floats(-10, 10).map(lambda edge: {"type": "number", "minimum": edge, "maximum": edge}),
)
LEAVES = st.one_of(
    STRINGS,
    NUMBERS,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}, {"type": ["string", "null"]}]),
    st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=3).map(lambda values: {"enum": values}),
    (st.integers() | st.text(max_size=3)).map(lambda value: {"const": value}),
)


def objects(children: Any) -> Any:
    return st.dictionaries(st.text("abcdef", min_size=1, max_size=3), children, max_size=4).map(
        lambda parts: {
            "type": "object",
            "properties": parts,
            "required": sorted(parts)[:2],
            "additionalProperties": False,
        }
    )


def arrays(children: Any) -> Any:
    return st.tuples(children, SMALL, SMALL).map(
        lambda t: {"type": "array", "items": t[0], "minItems": min(t[1:]), "maxItems": max(t[1:])}
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda children: st.one_of(
        objects(children),
        arrays(children),
        st.lists(children, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=8,
)


@given(schema=SCHEMAS, words=st.text(max_size=30), seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_an_answer_is_valid_for_its_schema(schema: dict[str, Any], words: str, seed: int) -> None:
    value = SchemaAnswer(schema, words=words, seed=seed).value()
    jsonschema.Draft202012Validator(schema).validate(value)
    assert SchemaAnswer(schema, words=words, seed=seed).value() == value


RECURSIVE = {
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                "next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
            },
            "required": ["name", "children", "next"],
        }
    },
    "$ref": "#/$defs/tree",
}
MERGED = {
    "allOf": [
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"properties": {"b": {"const": 1}}, "required": ["b"]},
    ]
}
UNIQUE = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3}
UNIQUE_TEXT = {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 3}
PREFIX = {"type": "array", "prefixItems": [{"type": "integer"}, {"const": "x"}], "items": False, "minItems": 2}


@pytest.mark.parametrize("schema", [RECURSIVE, MERGED, UNIQUE, UNIQUE_TEXT, PREFIX])
@pytest.mark.parametrize("seed", range(5))
def test_references_merges_and_unique_items_are_understood(schema: dict[str, Any], seed: int) -> None:
    value = SchemaAnswer(schema, words="one two three", seed=seed).value()
    jsonschema.Draft202012Validator(schema).validate(value)


def test_an_endless_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="circular"):
        SchemaAnswer({"$ref": "#"}, words="", seed=1).value()


def test_a_pattern_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot make a text"):
        SchemaAnswer({"type": "string", "pattern": "^(?=a)a$"}, words="", seed=1).value()
