"""The columns that a table has for the answers of a job: from its JSON Schema, typed as Arrow writes types.

Invariant: the same schema gives the same columns, in every part, round and run. What has no type that holds every value
the schema allows is ``json``: the value's JSON as text. Where several parts of a schema hold at once, the type of one
is enough: a value that fits all fits that one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from anthropic_batches_provider.batches.arrow_types import name_text

JSON = "json"
_MOST_REFERENCES = 20  # that lead from one to the next
_MOST_NESTED, _LONGEST = 100, 10_000
_LEAVES = {"string": "string", "boolean": "bool", "integer": "int64", "number": "double"}
_OF_PYTHON = {str: "string", bool: "bool", int: "int64", float: "double"}
_TYPED = frozenset({"$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "items"})


@lru_cache(maxsize=16)
def answer_fields(schema: bytes | None) -> Mapping[str, str]:
    """Return the fields of an answer that become columns of their own, each with its type, in the schema's order.

    :param schema: the JSON Schema of the answers; None if there is none.
    :returns: the properties of a closed object; nothing for any other answer, which is one column.
    """
    types = _Types({} if schema is None else json.loads(schema))
    return types.fields()


@lru_cache(maxsize=16)
def answer_type(schema: bytes | None) -> str:
    """Return the type of a whole answer."""
    return _Types({} if schema is None else json.loads(schema)).of_root()


class _Types:
    """The types of the parts of a schema; each part is looked at once, however many references lead to it."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, tuple[Mapping[str, Any], str]] = {}
        self._depth = 0

    def of_root(self) -> str:
        return self._type_of(self._root, ())

    def fields(self) -> Mapping[str, str]:
        resolved = self._resolved(self._root, ())
        if resolved is None or not _is_closed_object(resolved[0]):
            return {}
        found, path = resolved
        return {name: self._type_of(each, path) for name, each in found["properties"].items()}

    def _type_of(self, schema: Any, path: tuple[str, ...]) -> str:
        """Return the type of a part.

        :param path: the references that lead here: a part that leads back to one of them has no type.
        """
        resolved = self._resolved(schema, path)
        if resolved is None or self._depth > _MOST_NESTED:
            return JSON
        found, path = resolved
        if id(found) not in self._known:
            self._depth += 1
            kind = self._type_of_plain(found, path)
            self._depth -= 1
            is_too_large = kind.count("<") > _MOST_NESTED or len(kind) > _LONGEST
            self._known[id(found)] = found, JSON if is_too_large else kind
        return self._known[id(found)][1]

    def _type_of_plain(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> str:
        if "enum" in schema or "const" in schema:
            return _type_of_values(schema.get("enum", [schema.get("const")]))
        kind = schema.get("type")
        if kind == "array":
            return self._type_of_array(schema, path)
        if kind == "object" and _is_closed_object(schema):
            fields = {name: self._type_of(each, path) for name, each in schema["properties"].items()}
            if JSON in fields.values():
                return JSON
            return f"struct<{', '.join(f'{name_text(name)}: {kind}' for name, kind in fields.items())}>"
        return _LEAVES.get(kind, JSON) if isinstance(kind, str) else JSON

    def _type_of_array(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> str:
        if "prefixItems" in schema or not isinstance(schema.get("items"), Mapping):
            return JSON
        item = self._type_of(schema["items"], path)
        return JSON if item == JSON else f"list<item: {item}>"

    def _resolved(self, schema: Any, path: tuple[str, ...]) -> tuple[Mapping[str, Any], tuple[str, ...]] | None:
        """Return a part without references and without ``null`` beside it; None if it has no one type."""
        while isinstance(schema, Mapping):
            reference = schema.get("$ref")
            choices = schema.get("anyOf") or schema.get("oneOf")
            if reference is not None:
                if reference in path or len(path) >= _MOST_REFERENCES:
                    return None
                path = (*path, reference)
                schema = self._target(reference)
            elif choices is not None:
                schema = _only([each for each in choices if not _is_null(each)])
            elif schema.get("allOf"):
                schema = _only([each for each in schema["allOf"] if _says_a_type(each)])
            elif isinstance(schema.get("type"), list):
                kind = _only([kind for kind in schema["type"] if kind != "null"])
                if kind is None:
                    return None
                schema = {**schema, "type": kind}
            else:
                return schema, path
        return None

    def _target(self, reference: Any) -> Any:
        """Return the part that a reference names; None if there is none."""
        found = self._root
        for name in filter(None, str(reference).removeprefix("#").split("/")):
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found


def _type_of_values(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return "double"
    return _OF_PYTHON.get(kinds.pop(), JSON) if len(kinds) == 1 else JSON


def _only(found: Sequence[Any]) -> Any:
    return found[0] if len(found) == 1 else None


def _is_null(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "null"


def _says_a_type(schema: Any) -> bool:
    return not isinstance(schema, Mapping) or not _TYPED.isdisjoint(schema)


def _is_closed_object(schema: Mapping[str, Any]) -> bool:
    """Return whether all names of an object are known; a schema that does not say is sent as a closed one."""
    is_open = schema.get("additionalProperties", False) is not False or "patternProperties" in schema
    return schema.get("type") == "object" and bool(schema.get("properties")) and not is_open
