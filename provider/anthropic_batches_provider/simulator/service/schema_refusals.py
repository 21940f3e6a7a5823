"""The JSON Schemas that the service refuses in ``output_config.format``, in its words.

This restates https://platform.claude.com/docs/en/build-with-claude/structured-outputs and the refusals that public
reports quote, as of 2026-11-28. Where the sources disagree, as on ``pattern``, the simulator refuses. The words on an
external ``$ref``, ``allOf`` with ``$ref``, ``enum`` and an unknown type are guesses; all others are quoted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.service.schema_references import target_of

MOST_OPTIONAL = 24
MOST_UNIONS = 16

_PREFIX = "output_config.format.schema: "
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_DEFINITIONS = ("$defs", "$def", "definitions")

# Each keyword with the types that it is for; a schema without any of them is called by the first.
_REFUSED = {
    ("object",): ("minProperties", "maxProperties", "propertyNames", "if"),
    ("array",): ("maxItems", "uniqueItems", "contains"),
    ("string",): ("minLength", "maxLength", "pattern"),
    ("number", "integer"): ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}

Schema = dict[str, Any]


def refused_schema(schema: Any) -> str | None:
    """Return the service's message on a schema; None if it takes it."""
    if not isinstance(schema, dict):
        return f"{_PREFIX}Input should be a valid dictionary"
    return _refusal(msgspec.json.encode(schema))


@lru_cache(maxsize=64)
def _refusal(encoded: bytes) -> str | None:
    root = msgspec.json.decode(encoded)
    parts = list(_all_parts(root))
    for part in parts:
        if (message := _fault(part, root)) is not None:
            return _PREFIX + message
    if (circle := _circle(root)) is not None:
        return f"{_PREFIX}Circular reference detected in schema definitions: {' -> '.join(circle)}"
    return _too_many(parts)


def _all_parts(root: Schema) -> Iterator[Schema]:
    """Yield every schema in ``root``: its parts, its definitions, and the targets of its references."""
    waiting: list[Any] = [root]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting.extend(reversed(_parts(part)))
        if isinstance(part.get("$ref"), str):
            waiting.append(target_of(root, part["$ref"]))


def _parts(schema: Schema) -> list[Any]:
    found: list[Any] = []
    for name in ("properties", *_DEFINITIONS):
        if isinstance(schema.get(name), dict):
            found += schema[name].values()
    for name in ("items", "prefixItems", "anyOf", "allOf", "oneOf"):
        value = schema.get(name)
        found += value if isinstance(value, list) else [value]
    return found


def _fault(part: Schema, root: Schema) -> str | None:
    return _wrong_reference(part, root) or _wrong_kind(part) or _wrong_keyword(part) or _wrong_value(part)


def _wrong_reference(part: Schema, root: Schema) -> str | None:
    for each in part["allOf"] if isinstance(part.get("allOf"), list) else []:
        if isinstance(each, dict) and "$ref" in each:
            return "'allOf' with '$ref' is not supported"
    reference = part.get("$ref")
    if not isinstance(reference, str):
        return None
    if not reference.startswith("#"):
        return f"External reference '{reference}' is not supported"
    if target_of(root, reference) is None:
        return f"Invalid schema: Reference to non-existent definition: {reference}"
    return None


def _wrong_kind(part: Schema) -> str | None:
    if "oneOf" in part:
        return "Schema type 'oneOf' is not supported"
    if "not" in part:
        return "Schema keyword 'not' is not supported"
    return next((f"Schema type '{name}' is not supported" for name in _types(part) if name not in _TYPES), None)


def _wrong_keyword(part: Schema) -> str | None:
    is_object = "object" in _types(part) or ("properties" in part and not _types(part))
    if isinstance(part.get("additionalProperties"), dict):
        return (
            "For 'object' type, 'additionalProperties: object' is not supported. "
            "Please set 'additionalProperties' to false"
        )
    if part.get("additionalProperties", None if is_object else False) is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if "minItems" in part and part["minItems"] not in (0, 1):
        span = f"[{part['minItems']}, {part.get('maxItems', '∞')}]"
        return f"For 'array' type, 'minItems' values other than 0 or 1 are not supported (got: {span})"
    for types, keywords in _REFUSED.items():
        found = sorted(name for name in keywords if name in part)
        if found:
            type_ = next((name for name in types if name in _types(part)), types[0])
            verb = f"property '{found[0]}' is" if len(found) == 1 else f"properties {', '.join(found)} are"
            return f"For '{type_}' type, {verb} not supported"
    return None


def _wrong_value(part: Schema) -> str | None:
    values = part.get("enum")
    if isinstance(values, list) and any(isinstance(value, dict | list) for value in values):
        return "'enum' values must be strings, numbers, booleans or null"
    format_ = part.get("format")
    if "string" in _types(part) and isinstance(format_, str) and format_ not in _FORMATS:
        return f"For 'string' type, format '{format_}' is not supported"
    return None


def _types(part: Schema) -> list[str]:
    value = part.get("type")
    return [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]


def _circle(root: Schema) -> list[str] | None:
    """Return the names of definitions that refer to each other in a circle, the first one also at the end."""
    inside: dict[str, list[str]] = {}
    waiting = ["#"]
    while waiting:
        reference = waiting.pop()
        if reference not in inside:
            inside[reference] = _references(target_of(root, reference))
            waiting.extend(inside[reference])
    for start in inside:
        if (way := _way_back(start, inside)) is not None:
            return [name.rsplit("/", 1)[-1] for name in way]
    return None


def _way_back(start: str, inside: dict[str, list[str]]) -> list[str] | None:
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for reference in inside[way[-1]]:
            if reference == start:
                return [*way, start]
            if reference not in seen:
                seen.add(reference)
                ways.append([*way, reference])
    return None


def _references(schema: Any) -> list[str]:
    """Return the references in a schema, without following them."""
    found: list[str] = []
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                found.append(part["$ref"])
            waiting.extend(_parts(part))
    return found


def _too_many(parts: list[Schema]) -> str | None:
    holders = [part for part in parts if isinstance(part.get("properties"), dict)]
    optional = sum(name not in _required(part) for part in holders for name in part["properties"])
    if optional > MOST_OPTIONAL:
        return (
            f"Schemas contains too many optional parameters ({optional}), which would make grammar compilation "
            f"inefficient. Reduce the number of optional parameters in your tool schemas (limit: {MOST_OPTIONAL})."
        )
    unions = sum(_is_union(child) for part in holders for child in part["properties"].values())
    if unions > MOST_UNIONS:
        return (
            f"Schemas contains too many parameters with union types ({unions} parameters with type arrays or anyOf). "
            f"This causes exponential compilation cost. Reduce the number of nullable or union-typed parameters "
            f"(limit: {MOST_UNIONS} parameters with unions)."
        )
    return None


def _required(part: Schema) -> list[Any]:
    return part["required"] if isinstance(part.get("required"), list) else []


def _is_union(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    return any(isinstance(schema.get(name), list) and len(schema[name]) > 1 for name in ("type", "anyOf"))
