"""A user's JSON Schema in the form that the API takes in ``output_config.format``.

The API takes a part of JSON Schema (:mod:`output_schemas`). What it does not take moves into the ``description`` of the
same place, where the model reads it, in the words of the SDK's ``transform_schema``. What a closed schema cannot say at
all is refused, by its place.

Invariant: the user's own schema judges the answers. A form that demands less costs answers that do not fit, and never
passes a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anthropic_batches_provider.batches.requests.output_schemas import (
    SUPPORTED_FORMATS,
    SUPPORTED_MIN_ITEMS,
    SUPPORTED_TYPES,
    children_of,
    problems_of_decoded,
)
from anthropic_batches_provider.batches.requests.schema_places import (
    DATA_KEYWORDS,
    SchemaProblem,
    as_list,
    listed_problems,
    names_in_pointer,
    path_below,
    path_of_pointer,
    target_of,
    types_of,
)
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.errors import ConfigurationError

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset(("title", "description"))
_SILENT = frozenset(("$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "discriminator"))
_HINTS = frozenset(("default", "examples", "deprecated", "readOnly", "writeOnly", "format"))
_OPEN = ("patternProperties", "unevaluatedItems", "additionalItems", "dependentSchemas")
_CONDITIONS = frozenset(("if", "then", "else", "not", "dependentRequired"))
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_MAX_DEPTH = 20
_KEYWORDS_OF_TYPE = {
    "object": frozenset(("properties", "required", "additionalProperties", "unevaluatedProperties")),
    "array": frozenset(("items", "prefixItems", "minItems", "maxItems", "uniqueItems")),
    "string": frozenset(("format", "pattern", "minLength", "maxLength")),
    "number": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
}
_SAID_OF_TYPE = {
    "object": frozenset(("type", "properties", "required", "additionalProperties", "unevaluatedProperties")),
    "array": frozenset(("type", "items", "minItems")),
    "string": frozenset(("type", "format")),
}
_VALUES_OF_TYPE: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


@dataclass(frozen=True, slots=True)
class ApiSchema:
    """A schema in the API's form.

    :param schema: what is sent; JSON values.
    :param weakened: places whose demands the API cannot hold an answer to, as ``path: keywords``. They are in the
        descriptions.
    """

    schema: dict[str, Any]
    weakened: tuple[str, ...]


def api_schema(schema: Schema) -> ApiSchema:
    """Return a JSON Schema in the form that the API takes.

    :param schema: decoded JSON; it is not changed.
    :raises ConfigurationError: it demands what that form cannot say, or exceeds a limit of the API; names each place.
    """
    form = _Form(schema)
    try:
        sent = form.made()
        problems = form.problems or problems_of_decoded(sent)
    except RecursionError as error:
        raise ConfigurationError("`output_schema` is nested too deeply. Flatten it.") from error
    if problems:
        raise ConfigurationError(
            f"The API cannot be asked for answers that fit `output_schema`: {listed_problems(problems)}. No row was "
            f"read."
        )
    return ApiSchema(sent, tuple(form.weakened))


@dataclass
class _Form:
    """One walk over a schema and the definitions that it refers to."""

    root: Schema
    problems: list[SchemaProblem] = field(default_factory=list)
    weakened: list[str] = field(default_factory=list)
    _definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def made(self) -> dict[str, Any]:
        """Return the form of the whole schema, with the definitions that it needs."""
        made = self._at(self.root, "$")
        for reference in () if self.problems else _references_anywhere(self.root):
            self._target(reference, "$")
        return {"$defs": self._definitions, **made} if self._definitions else made

    # ------------------------------------------------------------------------------------------------------ one place

    def _at(self, schema: Any, path: str) -> dict[str, Any]:
        if not isinstance(schema, Mapping):
            problem = "`true` takes any value" if schema is True else f"{shortened(repr(schema))} is no schema"
            return self._refused(path, "type", problem, "name the type of the value")
        if "$ref" in schema:
            if not _demands(_rest(schema, {"$ref"})):
                return self._reference(schema, path)
            schema = {**_without(schema, "$ref"), "allOf": [{"$ref": schema["$ref"]}, *as_list(schema.get("allOf"))]}
        if any(not _is_condition(part) for part in as_list(schema.get("allOf"))):
            merged = self._merged(schema, path)
            return {} if merged is None else self._at(merged, path)
        types = _held_types(schema, types_of(schema)) or _implied_type(schema)
        if len(types) > 1:
            return {"anyOf": [self._at(_of_type(schema, name), path) for name in types], **self._told(schema, (), path)}
        if (values := _values(schema, types)) is not None:
            return self._enumeration(schema, values, path)
        if types:
            return self._of_type(schema, types[0], path)
        for keyword in ("anyOf", "oneOf"):
            if as_list(schema.get(keyword)):
                return self._any_of(keyword, schema, path)
        return self._refused(path, "type", "a schema without `type` takes any value", "name the type of the value")

    def _of_type(self, schema: Schema, name: str, path: str) -> dict[str, Any]:
        if name not in SUPPORTED_TYPES:
            return self._refused(path, "type", f"`type` {shortened(name)!r} is no type", "use one of JSON Schema")
        said = set(_SAID_OF_TYPE.get(name, ("type",)))
        form: dict[str, Any] = {}
        if name == "object":
            form = self._object(schema, path)
        elif name == "array":
            form = self._array(schema, path)
            if "minItems" not in form:
                said.discard("minItems")
            if "prefixItems" in schema:
                said.discard("items")
        elif schema.get("format") in SUPPORTED_FORMATS and name == "string":
            form = {"format": schema["format"]}
        else:
            said.discard("format")
        return {"type": name, **self._told(schema, _rest(schema, said), path), **form}

    def _object(self, schema: Schema, path: str) -> dict[str, Any]:
        properties = schema.get("properties", {})
        for name in ("additionalProperties", "unevaluatedProperties"):
            if schema.get(name, False) is not False:
                self._refuse(path, name, f"`{name}` leaves the object open", "name its properties, and set it to false")
        if not isinstance(properties, Mapping):
            return self._refused(path, "properties", "`properties` is no object", "map names to schemas")
        if not properties and "additionalProperties" not in schema:
            self._refuse(path, "properties", "an object without `properties` takes any", "name its properties")
        required = [name for name in as_list(schema.get("required")) if isinstance(name, str)]
        for name in (name for name in required if name not in properties):
            problem = f"`required` names {shortened(name)!r}, which is not in `properties`"
            self._refuse(path, "required", problem, "add the property")
        for name in sorted(_named_by_conditions(self.root, schema) - properties.keys()):
            problem = f"a condition on the object names {shortened(name)!r}, which is not in `properties`"
            self._refuse(path, "properties", problem, "add the property, or give each variant whole in `anyOf`")
        if isinstance(fewest := schema.get("minProperties"), int) and fewest > len(properties):
            problem = f"`minProperties` is {fewest}, and there are {len(properties)} in `properties`"
            self._refuse(path, "minProperties", problem, "lower it")
        form: dict[str, Any] = {
            "properties": {
                name: self._at(child, path_below(f"{path}.properties", name)) for name, child in properties.items()
            },
            "additionalProperties": False,
        }
        return {**form, "required": required} if "required" in schema else form

    def _array(self, schema: Schema, path: str) -> dict[str, Any]:
        items = schema.get("items")
        places = [
            (item, f"{path}.prefixItems[{index}]") for index, item in enumerate(as_list(schema.get("prefixItems")))
        ]
        if isinstance(items, Mapping):
            places.append((items, f"{path}.items"))
        if not places:
            return self._refused(path, "items", "an array without `items` takes any", "give the schema of its items")
        kinds = _distinct(self._at(item, place) for item, place in places)
        form: dict[str, Any] = {"items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}
        return {**form, "minItems": schema["minItems"]} if schema.get("minItems") in SUPPORTED_MIN_ITEMS else form

    def _enumeration(self, schema: Schema, values: Sequence[Any], path: str) -> dict[str, Any]:
        if any(isinstance(value, (Mapping, list)) for value in values):
            problem = "`enum` or `const` holds an object or an array"
            return self._refused(path, "enum", problem, "use texts, numbers, booleans or null")
        if not values:
            return self._refused(path, "enum", "no value of `enum` or `const` has the `type`", "name one that has")
        form = {"const": schema["const"]} if "const" in schema else {"enum": list(values)}
        return {**form, **self._told(schema, _rest(schema, {"type", "enum", "const"}), path)}

    # --------------------------------------------------------------------------------------------------- combinations

    def _any_of(self, keyword: str, schema: Schema, path: str) -> dict[str, Any]:
        forms = [self._at(variant, f"{path}.{keyword}[{index}]") for index, variant in enumerate(schema[keyword])]
        return {"anyOf": forms, **self._told(schema, _rest(schema, {keyword}), path)}

    def _merged(self, schema: Schema, path: str) -> dict[str, Any] | None:
        """Return one schema that states what a schema and the parts of its ``allOf`` demand together."""
        parts, conditions = [_without(schema, "allOf")], list[Schema]()
        for index, part in enumerate(schema["allOf"]):
            place = f"{path}.allOf[{index}]"
            resolved = self._resolved(part, place)
            if resolved is not None and "allOf" in resolved:
                resolved = self._merged(resolved, place)
            if resolved is None:
                return None
            conditions += [resolved] if _is_condition(resolved) else as_list(resolved.get("allOf"))
            parts += [] if _is_condition(resolved) else [_without(resolved, "allOf")]
        merged: dict[str, Any] = {}
        for part in parts:
            if differing := _merge_into(merged, part):
                said = ", ".join(f"`{name}`" for name in differing)
                self._refuse(path, "allOf", f"the parts of `allOf` differ in {said}", "state it once")
                return None
        closed = [part for part in parts if part.get("additionalProperties") is False and "properties" in part]
        if any(part["properties"].keys() != merged["properties"].keys() for part in closed):
            problem = "a part of `allOf` is closed to the properties of another"
            self._refuse(path, "allOf", problem, "leave `additionalProperties` out of its parts")
            return None
        return {**merged, "allOf": conditions} if conditions else merged

    def _resolved(self, part: Any, path: str) -> Schema | None:
        """Return a part of ``allOf``, or the definition that it refers to; None if there is none, which is noted."""
        while isinstance(part, Mapping) and "$ref" in part:
            reference = part["$ref"]
            target = self._target(reference, path)
            if target is None:
                return None
            if self._is_recursive(reference):
                self._refuse_recursion(reference, path)
                return None
            part = target
        if isinstance(part, Mapping):
            return part
        self._refuse(path, "allOf", f"{shortened(repr(part))} is no schema", "give a schema")
        return None

    def _is_recursive(self, reference: str) -> bool:
        """Return whether what a reference leads to holds the same reference again, at any depth."""
        waiting, seen = [reference], set[str]()
        while waiting:
            for found in _references_in(target_of(self.root, waiting.pop())):
                if found == reference:
                    return True
                if _is_place(self.root, found) and found not in seen:
                    seen.add(found)
                    waiting.append(found)
        return False

    def _reference(self, schema: Schema, path: str) -> dict[str, Any]:
        reference = schema["$ref"]
        target = self._target(reference, path)
        if target is None:
            return {}
        if reference in self._open:
            self._refuse_recursion(reference, path)
            return {}
        name = self._definition_name(reference)
        if name is None or name not in self._definitions:
            self._open.append(reference)
            form = self._at(target, path_of_pointer(reference))
            self._open.pop()
            if name is None:
                return form
            self._definitions[name] = form
        return {"$ref": f"#/$defs/{_escaped(name)}"}

    def _definition_name(self, reference: str) -> str | None:
        """Return the name that a definition keeps; None for any other place, which is written where it is used."""
        names = names_in_pointer(reference)
        if len(names) != 2 or names[0] not in ("$defs", "definitions"):
            return None
        is_taken = names[0] == "definitions" and names[1] in self.root.get("$defs", {})
        return None if is_taken else names[1]

    def _target(self, reference: Any, path: str) -> Any:
        """Return the schema that a reference leads to; None if it leads to none, which is noted."""
        named = f"`$ref` {shortened(str(reference))!r}"
        if reference == "#":
            self._refuse_recursion(reference, path)
            return None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            self._refuse(path, "$ref", f"{named} is no place in the schema", "put the definition into `$defs`")
        elif not _is_place(self.root, reference):
            self._refuse(path, "$ref", f"{named} leads to nothing", "add the definition")
        else:
            return target_of(self.root, reference)
        return None

    # ----------------------------------------------------------------------------------------------------- what is told

    def _told(self, schema: Schema, rest: Sequence[str], path: str) -> dict[str, Any]:
        """Return title and description; the description states what the form has no keyword for.

        :param rest: keywords that the form leaves out.
        """
        for name in (name for name in _OPEN if name in schema):
            self._refuse(path, name, f"`{name}` is not supported", "name the properties or the items")
        told = {name: schema[name] for name in ("description", "title") if schema.get(name) is not None}
        stated = [name for name in rest if name not in _SILENT]
        if stated:
            facts = "{" + ", ".join(f"{name}: {schema[name]}" for name in stated) + "}"
            told["description"] = f"{told['description']}\n\n{facts}" if "description" in told else facts
        self._weaken(path, stated)
        return told

    def _weaken(self, path: str, keywords: Iterable[str]) -> None:
        demands = _demands(keywords)
        said = f"{path}: {', '.join(demands)}"
        if demands and said not in self.weakened:
            self.weakened.append(said)

    def _refuse_recursion(self, reference: str, path: str) -> None:
        self._refuse(path, "$ref", f"`$ref` {shortened(reference)!r} makes it recursive", "nest to a fixed depth")

    def _refuse(self, path: str, keyword: str, problem: str, fix: str) -> None:
        found = SchemaProblem(path, keyword, problem, fix)
        if found not in self.problems:  # a place is visited once for each of its types
            self.problems.append(found)

    def _refused(self, path: str, keyword: str, problem: str, fix: str) -> dict[str, Any]:
        self._refuse(path, keyword, problem, fix)
        return {}


def _references_in(schema: Any) -> Iterator[Any]:
    """Yield the references in a schema, without following them."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict) and "$ref" in part:
            yield part["$ref"]
        elif isinstance(part, dict):
            waiting += [child for child, _ in children_of(part, "")]


def _references_anywhere(schema: Any) -> Iterator[Any]:
    """Yield all references in a schema, those in conditions too, which nothing else looks at before an answer does."""
    if isinstance(schema, Mapping):
        yield from (schema[name] for name in _REFERENCES if isinstance(schema.get(name), str))
        for name, part in schema.items():
            yield from () if name in DATA_KEYWORDS else _references_anywhere(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references_anywhere(part)


def _named_by_conditions(root: Schema, schema: Schema, depth: int = 0) -> set[str]:
    """Return the properties that the conditions on an object describe or demand."""
    found: set[str] = set()
    for names in (schema.get("dependentRequired") or {}).values():
        found |= {name for name in as_list(names) if isinstance(name, str)}
    variants = [part for keyword in ("anyOf", "oneOf", "allOf") for part in as_list(schema.get(keyword))]
    for part in (*variants, schema.get("then"), schema.get("else")):
        if isinstance(part, Mapping) and isinstance(part.get("$ref"), str) and _is_place(root, part["$ref"]):
            part = target_of(root, part["$ref"])
        if isinstance(part, Mapping) and depth < _MAX_DEPTH:
            described = part.get("properties")
            found |= set(described) if isinstance(described, Mapping) else set()
            found |= {name for name in as_list(part.get("required")) if isinstance(name, str)}
            found |= _named_by_conditions(root, part, depth + 1)
    return found


def _demands(keywords: Iterable[str]) -> list[str]:
    """Return the keywords that an answer can fail to meet."""
    return [name for name in keywords if name not in _SILENT and name not in _HINTS]


def _is_place(root: Schema, reference: Any) -> bool:
    try:
        target_of(root, reference)
    except (LookupError, AttributeError):
        return False
    return True


def _held_types(schema: Schema, types: Sequence[str]) -> Sequence[str]:
    """Return those of a schema's types of which ``enum`` or ``const`` has a value; all types if there is none."""
    return [name for name in types if _values(schema, (name,)) != []] or types


def _implied_type(schema: Schema) -> tuple[str, ...]:
    """Return the type that a schema without one means by its keywords."""
    if "properties" in schema:
        return ("object",)
    return ("array",) if "items" in schema or "prefixItems" in schema else ()


def _of_type(schema: Schema, name: str) -> dict[str, Any]:
    """Return what a schema demands of values of one of its types."""
    kind = "number" if name == "integer" else name
    of_others = {keyword for other, keywords in _KEYWORDS_OF_TYPE.items() if other != kind for keyword in keywords}
    kept = {key: value for key, value in schema.items() if key not in of_others | _ANNOTATIONS | _SILENT}
    return {**kept, "type": name}


def _values(schema: Schema, types: Sequence[str]) -> list[Any] | None:
    """Return the values that ``const`` or ``enum`` allow and the type, too; None without both."""
    if "const" in schema:
        values = [schema["const"]]
    elif isinstance(schema.get("enum"), list):
        values = schema["enum"]
    else:
        return None
    return [value for value in values if not types or isinstance(value, (Mapping, list)) or _has_type(value, types[0])]


def _has_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _VALUES_OF_TYPE.get(name, ()))


def _merge_into(merged: dict[str, Any], part: Schema) -> list[str]:
    """Add the demands of one more schema; return the names of those that differ."""
    for name, value in part.items():
        if name == "properties" and isinstance(merged.get(name), Mapping) and isinstance(value, Mapping):
            differing = [key for key in value if merged[name].get(key, value[key]) != value[key]]
            if differing:
                return differing
            merged[name] = {**merged[name], **value}
        elif name == "required" and name in merged:
            merged[name] = list(dict.fromkeys([*as_list(merged[name]), *as_list(value)]))
        elif name in _ANNOTATIONS or name in _SILENT:
            merged.setdefault(name, value)
        elif merged.setdefault(name, value) != value:
            return [name]
    return []


def _without(schema: Schema, keyword: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != keyword}


def _is_condition(part: Any) -> bool:
    """Return whether a part of ``allOf`` only limits what the others describe."""
    return isinstance(part, Mapping) and bool(part) and part.keys() <= _CONDITIONS | _ANNOTATIONS


def _rest(schema: Schema, said: Iterable[str]) -> list[str]:
    """Return the keywords of a schema that are neither said nor annotations, in its order."""
    return [name for name in schema if name not in said and name not in _ANNOTATIONS]


def _distinct(schemas: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return found


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
