"""JSON that a JSON Schema refuses for certain.

A keyword that is not known here refuses nothing. What is refused here is therefore refused by every validator; what is
not refused here may still be refused by one that knows more keywords.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from anthropic_batches_provider.simulator.service.schema_references import target_of

Schema = dict[str, Any]
Place = tuple[str | int, ...]

# No validator turns one of these into another type, not even one that takes "5" or true for a number.
_WRONG: tuple[Any, ...] = ("not valid", 7.5, None, ["not valid"], {"not": "valid"})
_MISSING = object()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS_OF_TYPE: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def refused_value(schema: Schema, valid: Any, *, seed: int) -> Any:
    """Return ``valid`` with one fault that ``schema`` refuses for certain.

    The fault is a wrong value, at the root or deeper, or a missing property. Equal seeds give equal faults.

    :param valid: a value that is valid for the schema.
    :raises ValueError: no such fault is known, as for a schema that takes any JSON.
    """
    chance = random.Random(seed)
    places = list(_places(valid))
    chance.shuffle(places)
    for place in places:
        faults = [*_WRONG, _MISSING] if place and isinstance(place[-1], str) else list(_WRONG)
        chance.shuffle(faults)
        for fault in faults:
            value = _with_fault(valid, place, fault)
            if refuses(schema, value, schema):
                return value
    raise ValueError("the schema takes any JSON")


def _places(value: Any) -> Iterator[Place]:
    """Yield the place of each part of ``value``, by its keys and indexes; ``()`` is the whole."""
    waiting: list[tuple[Place, Any]] = [((), value)]
    while waiting:
        place, part = waiting.pop()
        yield place
        if isinstance(part, dict):
            waiting.extend(((*place, name), child) for name, child in part.items())
        elif isinstance(part, list):
            waiting.extend(((*place, index), child) for index, child in enumerate(part))


def _with_fault(value: Any, place: Place, fault: Any) -> Any:
    if not place:
        return fault
    copied = value.copy()
    if fault is _MISSING and len(place) == 1:
        del copied[place[0]]
    else:
        copied[place[0]] = _with_fault(value[place[0]], place[1:], fault)
    return copied


def refuses(schema: Any, value: Any, root: Any) -> bool:
    """Say whether ``schema`` is certain to refuse ``value``.

    :param root: the schema that references point into.
    """
    if not isinstance(schema, dict):
        return schema is False
    # Some validators ignore what stands beside a reference, so it makes nothing certain.
    if isinstance(schema.get("$ref"), str):
        return refuses(target_of(root, schema["$ref"]), value, root)
    return (
        _is_unlisted(schema, value)
        or _is_of_wrong_type(schema, value)
        or _has_refused_part(schema, value, root)
        or any(refuses(part, value, root) for part in schema.get("allOf") or [])
        or any(_is_none_of(schema.get(name), value, root) for name in ("anyOf", "oneOf"))
    )


def _is_unlisted(schema: Schema, value: Any) -> bool:
    # Python takes 1 and True for equal, which JSON does not: that only makes this more cautious.
    if "const" in schema and value != schema["const"]:
        return True
    return isinstance(schema.get("enum"), list) and value not in schema["enum"]


def _is_of_wrong_type(schema: Schema, value: Any) -> bool:
    types = schema.get("type")
    names: list[Any] = types if isinstance(types, list) else [types]
    return all(name in _IS_OF_TYPE for name in names) and not any(_IS_OF_TYPE[name](value) for name in names)


def _has_refused_part(schema: Schema, value: Any, root: Any) -> bool:
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        if any(name not in value for name in schema.get("required") or []):
            return True
        if schema.get("additionalProperties") is False and not properties.keys() >= value.keys():
            return "patternProperties" not in schema
        return any(refuses(part, value[name], root) for name, part in properties.items() if name in value)
    if isinstance(value, list):
        first = schema.get("prefixItems") or []
        rest = schema.get("items", True)
        parts = [first[index] if index < len(first) else rest for index in range(len(value))]
        return len(value) < schema.get("minItems", 0) or any(
            refuses(part, item, root) for part, item in zip(parts, value, strict=True)
        )
    return False


def _is_none_of(options: Any, value: Any, root: Any) -> bool:
    return isinstance(options, list) and bool(options) and all(refuses(each, value, root) for each in options)
