"""The JSON Schemas that the API takes in ``output_config.format``, and a check that finds the others.

The table restates https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema limitations;
read 2026-11-28 in a copy that names Opus 5.5) and refusals of the API that public reports quote.

Invariant: only a schema that is certain to be refused is refused here. The API judges everything else: unknown
keywords; a ``pattern`` of the documented simple kind, of which the sources disagree; keywords beside a ``$ref``;
definitions that nothing refers to; the size of the compiled grammar; the schemas of tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from anthropic_batches_provider.batches.requests.schema_places import (
    SchemaProblem,
    as_list,
    listed_problems,
    path_below,
    path_of_pointer,
    target_of,
    types_of,
)
from anthropic_batches_provider.batches.requests.wording import shortened

SOURCE = "https://platform.claude.com/docs/en/build-with-claude/structured-outputs"

SUPPORTED_TYPES = frozenset(("object", "array", "string", "integer", "number", "boolean", "null"))
SUPPORTED_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)
SUPPORTED_MIN_ITEMS = (0, 1)
MAX_OPTIONAL_PROPERTIES = 24
MAX_UNION_PROPERTIES = 16

_STATED = "leave it out, and state it in `description`"
UNSUPPORTED_KEYWORDS = MappingProxyType(
    {
        # Documented: numerical and string constraints, and constraints of arrays beyond minItems.
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _STATED),
        **dict.fromkeys(("minLength", "maxLength"), _STATED),
        **dict.fromkeys(("maxItems", "uniqueItems", "contains"), _STATED),
        # Quoted: "For 'object' type, property 'minProperties' is not supported", "Schema keyword 'not' is not …".
        **dict.fromkeys(("minProperties", "maxProperties", "propertyNames", "if", "not"), _STATED),
        "oneOf": "use `anyOf`",
    }
)
"""Keywords that are refused wherever they stand, with the way to do without."""

_MAX_CACHED_BYTES = 65_536
_UNSUPPORTED_REGEX = re.compile(
    r"""\\(?P<escaped>.)                                # an escape, of which some are unsupported
      | \[(?:\\.|[^\]\\])*\]                            # a character class, in which \b is a backspace
      | (?P<look>\(\?(?:=|!|<=|<!|P=))                  # look-arounds, and references to groups""",
    re.VERBOSE | re.DOTALL,
)
_UNSUPPORTED_ESCAPES = frozenset("123456789bB")
_MISSING = object()


def problems_of_params(params: bytes) -> Sequence[SchemaProblem]:
    """Return the problems of the schema that the JSON bytes of Messages params ask for; empty if there is none."""
    try:
        output_config = _PARAMS.decode(params).output_config
    except (msgspec.MsgspecError, RecursionError):
        return ()
    return () if output_config is msgspec.UNSET else problems_of_output_config(bytes(output_config))


def problems_of_output_config(output_config: bytes) -> Sequence[SchemaProblem]:
    """Return the problems of the schema in the JSON bytes of an ``output_config``; empty if there is none."""
    try:
        asked = _OUTPUT_CONFIG.decode(output_config).format
    except (msgspec.MsgspecError, RecursionError):
        return ()
    if not isinstance(asked, _Format) or asked.type != "json_schema":
        return ()
    if asked.schema is msgspec.UNSET:
        return (SchemaProblem("$", "schema", "`schema` is missing", "give it beside `type`"),)
    schema = bytes(asked.schema)
    return _cached(schema) if len(schema) <= _MAX_CACHED_BYTES else problems_of_schema(schema)


def problems_of_schema(schema: bytes) -> tuple[SchemaProblem, ...]:
    """Return every problem of a JSON Schema, in the order in which they are met."""
    try:
        return problems_of_decoded(msgspec.json.decode(schema))
    except (msgspec.MsgspecError, RecursionError):  # the API may know how to read it
        return ()


def problems_of_decoded(schema: Any) -> tuple[SchemaProblem, ...]:
    """Return every problem of a JSON Schema of which no two places share an object.

    :raises RecursionError: it is nested too deeply.
    """
    check = _Check(schema)
    check.run()
    return tuple(check.problems)


def named_problems(problems: Sequence[SchemaProblem]) -> str:
    """Return sentences on the problems and what to do, to follow the name of the schema."""
    return (
        f"is one that the API refuses: {listed_problems(problems)}. Correct the schema; {SOURCE} says what it may hold."
    )


class _Check:
    """One walk over a schema and the definitions that it refers to; each part is visited once.

    :param root: decoded JSON, so that no two places share an object.
    """

    def __init__(self, root: Any) -> None:
        self.problems: list[SchemaProblem] = []
        self._root = root
        self._open: set[int] = set()
        self._done: set[int] = set()
        self._optional = 0
        self._unions = 0

    def run(self) -> None:
        self._visit(self._root, "$")
        if self._optional > MAX_OPTIONAL_PROPERTIES:
            problem = f"{self._optional} properties are not in `required`, and {MAX_OPTIONAL_PROPERTIES} may be"
            self._add("$", "required", problem, "name more of them in `required`")
        if self._unions > MAX_UNION_PROPERTIES:
            problem = f"{self._unions} properties have `anyOf` or a list of types, and {MAX_UNION_PROPERTIES} may"
            self._add("$", "anyOf", problem, "give more of them a single type")

    def _add(self, path: str, keyword: str, problem: str, fix: str) -> None:
        self.problems.append(SchemaProblem(path, keyword, problem, fix))

    def _visit(self, schema: Any, path: str) -> None:
        if not isinstance(schema, dict) or id(schema) in self._done:
            return
        self._open.add(id(schema))
        if "$ref" in schema:
            self._follow(schema["$ref"], path)
        else:
            self._check_keywords(schema, path)
            self._check_values(schema, path)
            self._count(schema)
            for child, place in children_of(schema, path):
                self._visit(child, place)
        self._open.discard(id(schema))
        self._done.add(id(schema))

    def _follow(self, reference: Any, path: str) -> None:
        if not isinstance(reference, str):
            return
        named = f"`$ref` {shortened(reference)!r}"
        if not reference.startswith("#"):
            self._add(path, "$ref", f"{named} leads out of the schema", "put the definition into `$defs`")
            return
        if reference != "#" and not reference.startswith("#/"):
            return  # an anchor, of which nothing is documented
        try:
            target = target_of(self._root, reference)
        except LookupError:
            self._add(path, "$ref", f"{named} leads to nothing", "add the definition")
            return
        if id(target) in self._open:
            self._add(path, "$ref", f"{named} makes the schema recursive", "nest to a fixed depth")
        else:
            self._visit(target, path_of_pointer(reference))

    def _check_keywords(self, schema: dict[str, Any], path: str) -> None:
        for keyword in schema:
            if (fix := UNSUPPORTED_KEYWORDS.get(keyword)) is not None:
                self._add(path, keyword, f"`{keyword}` is not supported", fix)
        closed = schema.get("additionalProperties", _MISSING)
        if closed is not False and (closed is not _MISSING or "object" in types_of(schema)):
            self._add(
                path, "additionalProperties", "`additionalProperties` is not false", "set it to false on each object"
            )
        for index, part in enumerate(as_list(schema.get("allOf"))):
            if isinstance(part, dict) and "$ref" in part:
                fix = "put the reference outside of `allOf`"
                self._add(f"{path}.allOf[{index}]", "allOf", "`allOf` holds a `$ref`, which is not supported", fix)

    def _check_values(self, schema: dict[str, Any], path: str) -> None:
        types = types_of(schema)
        for unknown in (name for name in types if name not in SUPPORTED_TYPES):
            self._add(path, "type", f"`type` {shortened(unknown)!r} is no type", "use one of JSON Schema")
        if "minItems" in schema and schema["minItems"] not in SUPPORTED_MIN_ITEMS:
            self._add(path, "minItems", f"`minItems` is {schema['minItems']!r:.40}, not 0 or 1", _STATED)
        if any(isinstance(value, (dict, list)) for value in as_list(schema.get("enum"))):
            self._add(path, "enum", "`enum` holds an object or array", "use texts, numbers, booleans or null")
        form = schema.get("format")
        if "string" in types and isinstance(form, str) and form not in SUPPORTED_FORMATS:
            self._add(path, "format", f"`format` {shortened(form)!r} is not supported", _STATED)
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and (feature := _unsupported_feature(pattern)):
            self._add(path, "pattern", f"`pattern` holds {feature!r}, which is not supported", "use a simpler one")

    def _count(self, schema: dict[str, Any]) -> None:
        """Count what is limited, each property once: the API may count more, never less."""
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return
        required = [name for name in as_list(schema.get("required")) if isinstance(name, str)]
        self._optional += len(properties.keys() - set(required))
        self._unions += sum(map(_is_union, properties.values()))


def children_of(schema: Mapping[str, Any], path: str) -> Iterator[tuple[Any, str]]:
    """Yield the schemas within a schema that describe its values, each with its path."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, child in properties.items():
            yield child, path_below(f"{path}.properties", name)
    if isinstance(schema.get("items"), dict):
        yield schema["items"], f"{path}.items"
    for keyword in ("items", "prefixItems", "anyOf", "allOf", "oneOf"):
        for index, child in enumerate(as_list(schema.get(keyword))):
            yield child, f"{path}.{keyword}[{index}]"


def _is_union(schema: Any) -> bool:
    return isinstance(schema, dict) and any(len(as_list(schema.get(keyword))) > 1 for keyword in ("anyOf", "type"))


def _unsupported_feature(pattern: str) -> str | None:
    for found in _UNSUPPORTED_REGEX.finditer(pattern):
        if found["look"] or found["escaped"] in _UNSUPPORTED_ESCAPES:
            return found[0]
    return None


_cached = lru_cache(maxsize=64)(problems_of_schema)


class _Format(msgspec.Struct, gc=False):
    type: Any = None
    schema: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _OutputConfig(msgspec.Struct, gc=False):
    format: _Format | msgspec.UnsetType | None = msgspec.UNSET


class _Params(msgspec.Struct, gc=False):
    output_config: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_PARAMS = msgspec.json.Decoder(_Params)
_OUTPUT_CONFIG = msgspec.json.Decoder(_OutputConfig)
