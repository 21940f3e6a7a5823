"""The columns that a table has for the answers of a job: from its JSON Schema, typed as Arrow writes types.

Invariant: the same schema gives the same columns, in every part, round and run. What has no type that holds every value
the schema allows is ``json``: the value's JSON as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

JSON = "json"
_DEEPEST = 20
_LEAVES = {"string": "string", "boolean": "bool", "integer": "int64", "number": "double"}


@lru_cache(maxsize=16)
def answer_fields(schema: bytes | None) -> Mapping[str, str]:
    """Return the fields of an answer that become columns of their own, each with its type.

    :param schema: the JSON Schema of the answers; None if there is none.
    :returns: the properties of a closed object; nothing for any other answer, which is one column.
    """
    root = {} if schema is None else json.loads(schema)
    resolved = _resolved(root, root, ())
    if resolved is None or not _is_closed_object(resolved[0]):
        return {}
    found, path = resolved
    return {name: _type_of(each, root, path) for name, each in found["properties"].items()}


@lru_cache(maxsize=16)
def answer_type(schema: bytes | None) -> str:
    """Return the type of a whole answer."""
    root = {} if schema is None else json.loads(schema)
    return _type_of(root, root, ())


def _type_of(schema: Any, root: Any, path: tuple[str, ...]) -> str:
    """Return the type of a part of a schema.

    :param path: the references that lead here: one that leads back to itself has no type.
    """
    resolved = _resolved(schema, root, path)
    if resolved is None:
        return JSON
    found, path = resolved
    if "enum" in found or "const" in found:
        values = found.get("enum", [found.get("const")])
        return _type_of_values(values)
    kind = found.get("type")
    if kind in _LEAVES:
        return _LEAVES[kind]
    if kind == "array" and isinstance(found.get("items"), Mapping):
        item = _type_of(found["items"], root, path)
        return JSON if item == JSON else f"list<item: {item}>"
    if kind == "object" and _is_closed_object(found):
        fields = {name: _type_of(each, root, path) for name, each in found["properties"].items()}
        if JSON in fields.values():
            return JSON
        return f"struct<{', '.join(f'{_shown(name)}: {kind}' for name, kind in fields.items())}>"
    return JSON


def _type_of_values(values: list[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    return {frozenset({str}): "string", frozenset({bool}): "bool", frozenset({int}): "int64"}.get(
        frozenset(kinds), JSON
    )


def _resolved(schema: Any, root: Any, path: tuple[str, ...]) -> tuple[Mapping[str, Any], tuple[str, ...]] | None:
    """Return a part of a schema without references and without ``null`` beside it; None if it has no one type."""
    while isinstance(schema, Mapping):
        reference = schema.get("$ref")
        choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if reference is not None:
            if reference in path or len(path) >= _DEEPEST:
                return None
            path = (*path, reference)
            schema = _target(reference, root)
        elif choices is not None:
            others = [each for each in choices if not (isinstance(each, Mapping) and each.get("type") == "null")]
            if len(others) != 1:
                return None
            schema = others[0]
        elif isinstance(schema.get("type"), list):
            kinds = [kind for kind in schema["type"] if kind != "null"]
            if len(kinds) != 1:
                return None
            schema = {**schema, "type": kinds[0]}
        else:
            return schema, path
    return None


def _target(reference: Any, root: Any) -> Any:
    """Return the part of the schema that a reference names; None if there is none."""
    found = root
    for name in str(reference).removeprefix("#").strip("/").split("/"):
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _is_closed_object(schema: Mapping[str, Any]) -> bool:
    """Return whether all names of an object are known; a schema that does not say is sent as a closed one."""
    is_open = schema.get("additionalProperties", False) is not False or "patternProperties" in schema
    return schema.get("type") == "object" and bool(schema.get("properties")) and not is_open


def _shown(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name, ensure_ascii=False)
