"""One JSON Schema with the demands of two, as the parts of ``allOf`` or what stands beside a ``$ref``.

Of two patterns, formats, references, or values of a keyword that is not known here, the first is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]


class NoValueError(ValueError):
    """No value meets the schema."""


def merged(schema: Schema, other: Schema) -> Schema:
    """Return a schema that demands what both demand.

    :raises NoValueError: they demand different types.
    """
    both = {
        name: merge(schema[name], other[name]) for name, merge in _MERGES.items() if name in schema and name in other
    }
    result = other | schema | both
    if "properties" in schema or "properties" in other:
        result["properties"] = _common_properties(schema, other)
    mine, theirs = listed_values(schema), listed_values(other)
    if mine is not None and theirs is not None:
        result.pop("const", None)
        result["enum"] = _common_values(mine, theirs)
    return result


def listed_values(schema: Schema) -> list[Any] | None:
    """Return the only values that ``const`` and ``enum`` leave; None without them."""
    values = schema.get("enum")
    if "const" not in schema:
        return values if isinstance(values, list) else None
    only = [schema["const"]]
    return _common_values(only, values) if isinstance(values, list) else only


def _common_values(values: list[Any], others: list[Any]) -> list[Any]:
    return [value for value in values if any(_are_same(value, other) for other in others)]


def _are_same(value: Any, other: Any) -> bool:
    """Compare as JSON does: 1 and 1.0 are the same, 1 and true are not."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _common_types(types: Any, others: Any) -> Any:
    mine, theirs = _as_list(types), _as_list(others)
    common = [name for name in mine if name in theirs or (name == "integer" and "number" in theirs)]
    common += [name for name in theirs if name == "integer" and "number" in mine and name not in common]
    if not common:
        raise NoValueError(f"nothing is of the types {mine} and {theirs}")
    return common[0] if len(common) == 1 else common


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _common_properties(schema: Schema, other: Schema) -> Schema:
    mine, theirs = schema.get("properties") or {}, other.get("properties") or {}
    return {
        name: _both(mine[name], theirs[name]) if name in mine and name in theirs else (mine | theirs)[name]
        for name in theirs | mine
        if _allows(schema, name) and _allows(other, name)
    }


def _allows(schema: Schema, name: str) -> bool:
    return schema.get("additionalProperties") is not False or name in (schema.get("properties") or {})


def _both(part: Any, other: Any) -> Schema:
    return {"allOf": [part, other]}


def _in_pairs(options: list[Any], others: list[Any]) -> list[Any]:
    return [_both(option, other) for option in options for other in others]


def _joined(names: list[Any], others: list[Any]) -> list[Any]:
    return [*names, *(name for name in others if name not in names)]


def _closed_first(additional: Any, other: Any) -> Any:
    return False if other is False else additional


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "type": _common_types,
    "required": _joined,
    "anyOf": _in_pairs,
    "allOf": _joined,
    "items": _both,
    "additionalProperties": _closed_first,
    **dict.fromkeys(("minItems", "minLength", "minimum", "exclusiveMinimum"), max),
    **dict.fromkeys(("maxItems", "maxLength", "maximum", "exclusiveMaximum"), min),
}
