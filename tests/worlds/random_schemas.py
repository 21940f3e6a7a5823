"""Random JSON Schemas of the parts that ``output_config.format`` takes; each can be met."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_NAMES = st.text("abcdef", min_size=1, max_size=3)
_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3)
_TYPES = ("string", "integer", "number", "boolean", "null")

_LEAVES = st.one_of(
    st.sampled_from(_TYPES).map(lambda name: {"type": name}),
    st.lists(st.sampled_from(_TYPES), min_size=1, max_size=3, unique=True).map(lambda names: {"type": names}),
    st.sampled_from(FORMATS).map(lambda name: {"type": "string", "format": name}),
    st.lists(_SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    st.lists(_SCALARS, max_size=3).map(lambda values: {"type": "string", "enum": [*values, "x"]}),
    st.lists(_SCALARS, max_size=3).map(lambda values: {"type": ["integer", "null"], "enum": [*values, None]}),
    _SCALARS.map(lambda value: {"const": value}),
    st.just({"const": {"a": [1, None]}}),
    st.just({}),
    st.sampled_from(_TYPES).map(lambda name: {"type": [name, "null"], "anyOf": [{"type": "null"}, {"const": 7}]}),
)


def _objects(children: Any) -> Any:
    def closed(parts: Schema, required: int) -> Schema:
        return {
            "type": "object",
            "properties": parts,
            "required": sorted(parts)[:required],
            "additionalProperties": False,
        }

    return st.builds(closed, st.dictionaries(_NAMES, children, max_size=4), st.integers(0, 4))


def _arrays(children: Any) -> Any:
    return st.builds(
        lambda items, bound: {"type": "array", "items": items} | bound,
        children,
        st.sampled_from([{}, {"minItems": 0}, {"minItems": 1}]),
    )


def _unions(children: Any) -> Any:
    return st.lists(children, min_size=1, max_size=3).map(lambda options: {"anyOf": options})


def _described(children: Any) -> Any:
    return st.one_of(
        children.map(lambda part: part | {"description": "a part"}),
        children.filter(lambda part: "$ref" not in part).map(
            lambda part: {"allOf": [part, {"description": "a part"}], "title": "A part"}
        ),
    )


@cache
def _schemas(defined: tuple[str, ...]) -> Any:
    references = [st.sampled_from(defined).map(lambda name: {"$ref": f"#/$defs/{name}"})] if defined else []
    return st.recursive(
        st.one_of(_LEAVES, *references),
        lambda children: st.one_of(_objects(children), _arrays(children), _unions(children), _described(children)),
        max_leaves=8,
    )


@st.composite
def api_schemas(draw: st.DrawFn) -> Schema:
    """Draw a schema: closed objects, lists, unions, enums, formats, and references to definitions, without recursion.

    Some have more optional or union properties than the service takes.
    """
    defined: dict[str, Schema] = {}
    for number in range(draw(st.integers(0, 2))):
        defined[f"D{number}"] = draw(_schemas(tuple(defined)))
    schema: Schema = draw(_schemas(tuple(defined)))
    return schema | {"$defs": defined} if defined else schema
