"""Random JSON Schemas as users write them, beyond what ``output_config.format`` takes, and random answers to them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

from hypothesis import strategies as st

from anthropic_batches_provider.simulator.service.schema_answers import SchemaAnswer

Schema = dict[str, Any]

MARKS = ("Q", "Z", "70007")
"""Each string and each number that is put into an answer holds one of these; no schema does."""

PATTERNS = ("^[a-c]+$", "x", "^.{2}$", "^(yes|no)$")
_NAMES = st.text("abcdef", min_size=1, max_size=2)
_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text("abx", max_size=2)
_TYPES = ("string", "integer", "number", "boolean", "null")
_SMALL = st.integers(0, 4)


def _some(**keywords: Any) -> Any:
    """Draw at most three of the keywords."""
    names = st.lists(st.sampled_from(sorted(keywords)), max_size=3, unique=True)
    return names.flatmap(lambda found: st.fixed_dictionaries({name: keywords[name] for name in found}))


def _joined(*parts: Any) -> Any:
    """Draw one schema with the keywords of all parts; of two values of one keyword, the first."""
    return st.tuples(*parts).map(lambda drawn: {key: value for part in reversed(drawn) for key, value in part.items()})


_TEXTS = _joined(
    st.just({"type": "string"}),
    _some(
        minLength=_SMALL,
        maxLength=_SMALL,
        pattern=st.sampled_from(PATTERNS),
        format=st.sampled_from(["date", "email", "phone"]),
    ),
)
_BOUNDS = _some(
    minimum=st.integers(-9, 9),
    maximum=st.integers(-9, 9),
    exclusiveMinimum=st.integers(-9, 9),
    exclusiveMaximum=st.integers(-9, 9),
    multipleOf=st.integers(1, 4),
)
_NUMBERS = _joined(st.sampled_from(["integer", "number"]).map(lambda name: {"type": name}), _BOUNDS)
_SEVERAL = _joined(
    st.lists(st.sampled_from(_TYPES), min_size=1, max_size=3, unique=True).map(lambda names: {"type": names}),
    _some(minimum=st.integers(-9, 9), maxLength=_SMALL, enum=st.lists(_SCALARS, min_size=1, max_size=4)),
)
_LISTED = _joined(
    st.lists(_SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values})
    | _SCALARS.map(lambda value: {"const": value}),
    st.sampled_from([{}, {"type": "string"}, {"type": "integer"}]),
)
_LEAVES = st.one_of(
    st.sampled_from(_TYPES).map(lambda name: {"type": name}), _TEXTS, _NUMBERS, _NUMBERS, _SEVERAL, _LISTED
)
_BROKEN = st.sampled_from(
    [
        {},
        True,
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {}, "patternProperties": {"a": {}}, "additionalProperties": False},
        {"type": "array"},
        {"type": "array", "items": True},
        {"enum": [{"a": 1}, "x"]},
        {"type": "string", "enum": [1]},
        {"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False},
        {"$ref": "#"},
        {"$ref": "#/$defs/Nothing"},
        {"$ref": "#/properties/a"},
        {"allOf": [{"$ref": "#/$defs/D0"}]},
        {"$ref": "#/$defs/D0"},
        {"$ref": "#/definitions/D1"},
    ]
)


def _objects(children: Any) -> Any:
    def made(parts: Schema, required: int, keywords: Schema) -> Schema:
        return {"type": "object", "properties": parts, "required": sorted(parts)[:required]} | keywords

    closed = st.sampled_from([{"additionalProperties": False}, {"unevaluatedProperties": False}, {}])
    conditions = _some(
        minProperties=st.integers(0, 3),
        maxProperties=st.integers(0, 3),
        propertyNames=st.just({"maxLength": 1}),
        dependentRequired=st.just({"a": ["b"]}),
        **{"if": st.just({"required": ["a"]}), "then": st.just({"required": ["b"]})},
    )
    return st.builds(
        made,
        st.dictionaries(_NAMES, children, max_size=3),
        st.integers(0, 3),
        _joined(closed, st.just({}) | conditions),
    )


def _arrays(children: Any) -> Any:
    items = children.map(lambda part: {"items": part})
    first = st.lists(children, min_size=1, max_size=2).map(lambda parts: {"prefixItems": parts})
    bounds = _some(minItems=st.integers(0, 3), maxItems=st.integers(0, 3), uniqueItems=st.booleans())
    kinds = st.one_of(items, items, _joined(first, items), _joined(first, st.just({"items": False})))
    return _joined(st.just({"type": "array"}), kinds, bounds, st.just({}) | children.map(lambda c: {"contains": c}))


def _combined(children: Any) -> Any:
    several = st.lists(children, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda parts: {"anyOf": parts}),
        several.map(lambda parts: {"oneOf": parts}),
        _joined(several.map(lambda parts: {"anyOf": parts}), _BOUNDS),
        st.lists(children, min_size=1, max_size=2).map(lambda parts: {"allOf": parts}),
        st.tuples(children, _BOUNDS).map(lambda parts: {"allOf": list(parts)}),
        st.tuples(children, children).map(lambda parts: {"allOf": [parts[0], {"not": parts[1]}]}),
        children.filter(lambda part: isinstance(part, dict)).map(
            lambda part: part | {"title": "A part", "description": "of the whole"}
        ),
        st.tuples(children, children)
        .filter(lambda parts: isinstance(parts[0], dict))
        .map(lambda parts: parts[0] | {"not": parts[1]}),
    )


@cache
def _schemas(references: tuple[str, ...], *, broken: bool) -> Any:
    leaves = [_LEAVES, _LEAVES, _LEAVES]
    if references:
        leaves.append(st.sampled_from(references).map(lambda name: {"$ref": name}))
    if broken:
        leaves.append(_BROKEN)
    return st.recursive(
        st.one_of(*leaves),
        lambda children: st.one_of(_objects(children), _objects(children), _arrays(children), _combined(children)),
        max_leaves=7,
    )


@st.composite
def user_schemas(draw: st.DrawFn, *, broken: bool = False) -> Schema:
    """Draw a schema that is one by JSON Schema's own rules; some can be met by nothing.

    :param broken: whether it may demand what no closed schema can say: open objects, any value, recursion.
    """
    references: list[str] = []
    defined: dict[str, dict[str, Schema]] = {}
    for number in range(draw(st.integers(0, 2))):
        keyword = draw(st.sampled_from(["$defs", "definitions"]))
        defined.setdefault(keyword, {})[f"D{number}"] = draw(_schemas(tuple(references), broken=broken))
        references.append(f"#/{keyword}/D{number}")
    schema = draw(_schemas(tuple(references), broken=broken).filter(lambda drawn: isinstance(drawn, dict)))
    return copy.deepcopy(schema | defined)


# -------------------------------------------------------------------------------------------------------------- answers

_TEXT = st.text("QZ", min_size=1, max_size=4)
_JSON = st.recursive(
    st.none() | st.booleans() | st.just(70007) | st.sampled_from([70007.5, 70007.0, 1, 1.0, 0]) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | _TEXT, inner, max_size=3),
    max_leaves=4,
)


def made_answers(schema: Schema, seed: int) -> list[Any]:
    """Return the simulator's answer to a schema, or nothing where it knows none."""
    with suppress(ValueError, LookupError, OverflowError):
        return [SchemaAnswer(schema, words="QZ QZ", seed=seed).value()]
    return []


@st.composite
def changed(draw: st.DrawFn, answer: Any) -> Any:
    """Draw an answer with one part replaced, left out or added."""
    answer = copy.deepcopy(answer)
    holder, place = draw(st.sampled_from([(None, None), *_places(answer)]))
    if holder is None:
        return draw(_JSON)
    how = draw(st.sampled_from(["replace", "leave out", "add"]))
    if how == "replace":
        holder[place] = draw(_JSON)
    elif how == "leave out":
        del holder[place]
    elif isinstance(holder, list):
        holder.insert(place, draw(_JSON | st.just(holder[place])))
    else:
        holder[draw(_NAMES | _TEXT)] = draw(_JSON)
    return answer


def with_one_part_less(answer: Any) -> list[Any]:
    """Return the answers that lack one property or item of another."""
    answers = []
    for number in range(len(list(_places(answer)))):
        lesser = copy.deepcopy(answer)
        holder, place = list(_places(lesser))[number]
        del holder[place]
        answers.append(lesser)
    return answers


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, part in parts:
        yield value, place
        yield from _places(part)
