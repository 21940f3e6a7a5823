"""Every answer to a schema is valid for it, as jsonschema checks."""

from datetime import datetime, time
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.batches.requests.api_schemas import api_schema
from anthropic_batches_provider.simulator.service.schema_answers import SchemaAnswer
from anthropic_batches_provider.simulator.service.schema_refusals import refused_schema
from tests.worlds.output_schemas import TAKEN, closed
from tests.worlds.random_schemas import FORMATS, api_schemas


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


STATED: dict[str, dict[str, Any]] = {
    "an integer": {"type": "integer", "minimum": 3, "maximum": 5},
    "an integer below zero": {"type": "integer", "maximum": -200},
    "a number": {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 0.75},
    "a text": {"type": "string", "minLength": 7, "maxLength": 9},
    "a list": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4},
    "an empty list": {"type": "array", "items": {"type": "integer"}, "maxItems": 0},
    "described too": {"type": "integer", "description": "Stars", "minimum": 1, "maximum": 5},
    "or null": {"description": "Stars", "anyOf": [{"type": "integer", "minimum": 1, "maximum": 5}, {"type": "null"}]},
}


@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize("seed", range(10))
def test_bounds_that_the_form_states_in_a_description_are_met(name: str, seed: int) -> None:
    schema = closed(value=STATED[name])
    form = api_schema(schema).schema
    assert refused_schema(form) is None
    assert "{" in str(form)
    validate(schema, SchemaAnswer(form, words="one two", seed=seed).value())


@pytest.mark.parametrize(
    "description",
    ["{minItems: 5, maxItems: 2}", "{minItems: 100000}", "{maxItems: 0}", "{minItems: many}", "{}", "{maxItems: 1"],
)
def test_a_description_that_contradicts_the_schema_or_asks_too_much_is_ignored(description: str) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "description": description}
    plain = SchemaAnswer({**schema, "description": "Numbers"}, words="x", seed=1).value()
    assert SchemaAnswer(schema, words="x", seed=1).value() == plain


def validate(schema: Any, value: Any) -> None:
    validator = jsonschema.Draft202012Validator
    validator(schema, format_checker=validator.FORMAT_CHECKER).validate(value)


@given(schema=api_schemas(), words=st.text(max_size=30), seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_every_schema_that_the_service_takes_has_a_valid_answer(schema: dict[str, Any], words: str, seed: int) -> None:
    assume(refused_schema(schema) is None)
    validate(schema, SchemaAnswer(schema, words=words, seed=seed).value())


# jsonschema knows these formats only with further packages.
_READ_FORMAT: dict[str, Any] = {
    "date-time": datetime.fromisoformat,
    "time": time.fromisoformat,
    "uri": lambda text: urlsplit(text).netloc.index("."),
    "hostname": lambda text: urlsplit(f"//{text}").netloc.index("."),
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("seed", range(10))
def test_texts_have_their_format(format_: str, seed: int) -> None:
    schema = {"type": "string", "format": format_}
    value = SchemaAnswer(schema, words="x", seed=seed).value()
    validate(schema, value)
    assert format_ in _READ_FORMAT or format_ in jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers
    _READ_FORMAT.get(format_, str)(value)


COMBINED: dict[str, Any] = {
    "types beside alternatives": {"type": ["string", "null"], "anyOf": [{"const": "x"}, {"type": "null"}]},
    "an alternative of another type": {"type": "string", "anyOf": [{"type": "null"}, {"type": "string"}]},
    "values of other types": {"type": "string", "enum": ["x", 1, None]},
    "values of which one is common": {"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]},
    "a property with two demands": {"allOf": [closed(a={"type": ["integer", "null"]}), closed(a={"type": "null"})]},
    "alternatives of which one can be met": {"anyOf": [closed(a=False), closed(b={"const": 1})]},
    "alternatives within alternatives": {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "allOf": [{"anyOf": [{"const": 7}, {"const": None}]}],
    },
    "a property that must not be": closed(a=False, optional=True),
    "no items": {"type": "array", "items": False},
    "anything": True,
}


@pytest.mark.parametrize("name", [*COMBINED, *TAKEN])
@pytest.mark.parametrize("seed", range(8))
def test_keywords_beside_each_other_are_all_met(name: str, seed: int) -> None:
    schema = (COMBINED | TAKEN)[name]
    validate(schema, SchemaAnswer(schema, words="one two", seed=seed).value())


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "string", "enum": [1]},
        {"allOf": [{"type": "string"}, {"type": "null"}]},
        {"type": "array", "items": False, "minItems": 1},
        closed(a={"const": 1}) | {"required": ["b"]},
        {"anyOf": [False, {"const": 1, "type": "null"}]},
    ],
)
def test_a_schema_that_nothing_meets_is_an_error(schema: Any) -> None:
    with pytest.raises(ValueError, match=r"takes nothing|none of the values|nothing is of the types|no alternative"):
        SchemaAnswer(schema, words="", seed=1).value()


def test_a_reference_to_nothing_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"#/\$defs/A points to nothing"):
        SchemaAnswer({"$ref": "#/$defs/A"}, words="", seed=1).value()


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


def test_a_text_that_is_longer_than_it_may_be_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 2 and at most 1 characters"):
        SchemaAnswer({"type": "string", "minLength": 2, "maxLength": 1}, words="", seed=1).value()
