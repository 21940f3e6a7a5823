"""The JSON Schemas that the API takes in ``output_config.format``, and a check that finds the others.

The table restates https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema limitations;
read 2026-11-28 in a copy that names Opus 5.5) and refusals of the API that public reports quote.

Invariant: only a schema that is certain to be refused is refused here. The API judges everything else: unknown
keywords; a ``pattern`` of the documented simple kind, of which the sources disagree; keywords beside a ``$ref``;
definitions that nothing refers to; the size of the compiled grammar; the schemas of tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import msgspec

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

_MAX_NAMED = 10
_MAX_CACHED_BYTES = 65_536
_UNSUPPORTED_REGEX = re.compile(
    r"""\\(?P<escaped>.)                                # an escape, of which some are unsupported
      | \[(?:\\.|[^\]\\])*\]                            # a character class, in which \b is a backspace
      | (?P<look>\(\?(?:=|!|<=|<!|P=))                  # look-arounds, and references to groups""",
    re.VERBOSE | re.DOTALL,
)
_UNSUPPORTED_ESCAPES = frozenset("123456789bB")
_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_MISSING = object()


@dataclass(frozen=True)
class SchemaProblem:
    """A place in a schema for which the API refuses the request.

    :param path: such as ``$.properties.a.items``.
    :param keyword: the keyword at fault.
    :param problem: a clause that begins with the keyword.
    :param fix: a clause that begins with a verb.
    """

    path: str
    keyword: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"at {shortened(self.path, 120)}, {self.problem} ({self.fix})"


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
        check = _Check(msgspec.json.decode(schema))
        check.run()
    except (msgspec.MsgspecError, RecursionError):  # the API may know how to read it
        return ()
    return tuple(check.problems)


def named_problems(problems: Sequence[SchemaProblem]) -> str:
    """Return sentences on the problems and what to do, to follow the name of the schema."""
    shown = "; ".join(map(str, problems[:_MAX_NAMED]))
    more = len(problems) - _MAX_NAMED
    return (
        f"is one that the API refuses: {shown}{f'; and {more} more' if more > 0 else ''}. Correct the schema; {SOURCE} "
        f"says what it may hold."
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
            for child, place in _children(schema, path):
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
            target = _target(self._root, reference)
        except LookupError:
            self._add(path, "$ref", f"{named} leads to nothing", "add the definition")
            return
        if id(target) in self._open:
            self._add(path, "$ref", f"{named} makes the schema recursive", "nest to a fixed depth")
        else:
            self._visit(target, _pointer_path(reference))

    def _check_keywords(self, schema: dict[str, Any], path: str) -> None:
        for keyword in schema:
            if (fix := UNSUPPORTED_KEYWORDS.get(keyword)) is not None:
                self._add(path, keyword, f"`{keyword}` is not supported", fix)
        closed = schema.get("additionalProperties", _MISSING)
        if closed is not False and (closed is not _MISSING or "object" in types_of(schema)):
            self._add(
                path, "additionalProperties", "`additionalProperties` is not false", "set it to false on each object"
            )
        for index, part in enumerate(_list(schema.get("allOf"))):
            if isinstance(part, dict) and "$ref" in part:
                fix = "put the reference outside of `allOf`"
                self._add(f"{path}.allOf[{index}]", "allOf", "`allOf` holds a `$ref`, which is not supported", fix)

    def _check_values(self, schema: dict[str, Any], path: str) -> None:
        types = types_of(schema)
        for unknown in (name for name in types if name not in SUPPORTED_TYPES):
            self._add(path, "type", f"`type` {shortened(unknown)!r} is no type", "use one of JSON Schema")
        if "minItems" in schema and schema["minItems"] not in SUPPORTED_MIN_ITEMS:
            self._add(path, "minItems", f"`minItems` is {schema['minItems']!r:.40}, not 0 or 1", _STATED)
        if any(isinstance(value, (dict, list)) for value in _list(schema.get("enum"))):
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
        required = [name for name in _list(schema.get("required")) if isinstance(name, str)]
        self._optional += len(properties.keys() - set(required))
        self._unions += sum(map(_is_union, properties.values()))


def types_of(schema: dict[str, Any]) -> tuple[str, ...]:
    """Return the names in ``type``, which holds one or a list."""
    type_ = schema.get("type")
    return tuple(name for name in (type_ if isinstance(type_, list) else [type_]) if isinstance(name, str))


def _children(schema: dict[str, Any], path: str) -> Iterator[tuple[Any, str]]:
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, child in properties.items():
            yield child, _below(f"{path}.properties", name)
    if isinstance(schema.get("items"), dict):
        yield schema["items"], f"{path}.items"
    for keyword in ("items", "prefixItems", "anyOf", "allOf", "oneOf"):
        for index, child in enumerate(_list(schema.get(keyword))):
            yield child, f"{path}.{keyword}[{index}]"


def _target(root: Any, reference: str) -> Any:
    found = root
    for name in _names(reference):
        if isinstance(found, list) and name.isdecimal():
            found = found[int(name)]
        elif isinstance(found, dict):
            found = found[name]
        else:
            raise LookupError(reference)
    return found


def _pointer_path(reference: str) -> str:
    path = "$"
    for name in _names(reference):
        path = _below(path, name)
    return path


def _names(reference: str) -> list[str]:
    """Return the names in a JSON pointer that is the fragment of a URI."""
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in reference.split("/")[1:]]


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if _PLAIN_NAME.fullmatch(name) else f"{path}[{shortened(name)!r}]"


def _is_union(schema: Any) -> bool:
    return isinstance(schema, dict) and any(len(_list(schema.get(keyword))) > 1 for keyword in ("anyOf", "type"))


def _unsupported_feature(pattern: str) -> str | None:
    for found in _UNSUPPORTED_REGEX.finditer(pattern):
        if found["look"] or found["escaped"] in _UNSUPPORTED_ESCAPES:
            return found[0]
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


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
