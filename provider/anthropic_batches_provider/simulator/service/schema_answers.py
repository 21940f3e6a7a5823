"""A JSON value that is valid for a JSON Schema, drawn from a seed.

Supported: type (one or several), enum, const, properties, required, items, prefixItems, the bounds of arrays, strings
and numbers, multipleOf, format, pattern, anyOf, oneOf, allOf, and $ref to any pointer into the schema. Bounds also
count where a description ends with them, as in ``{maximum: 5, minimum: 1}``. Not supported: not, if, dependent*,
patternProperties, contains.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from contextlib import suppress
from functools import reduce
from typing import Any

from anthropic_batches_provider.simulator.service.schema_merging import NoValueError, listed_values, merged
from anthropic_batches_provider.simulator.service.schema_patterns import matching_text
from anthropic_batches_provider.simulator.service.schema_references import target_of
from anthropic_batches_provider.simulator.service.schema_violations import refuses

DEEPEST_OPTIONAL = 4

_FORMATS = {
    "date-time": lambda r: f"2026-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}T12:00:00Z",
    "date": lambda r: f"2026-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}",
    "time": lambda r: f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:00Z",
    "duration": lambda r: f"PT{r.randint(1, 59)}M",
    "email": lambda r: f"user{r.randint(1, 999)}@example.com",
    "hostname": lambda r: f"host{r.randint(1, 999)}.example.com",
    "uri": lambda r: f"https://example.com/{r.randint(1, 999)}",
    "ipv4": lambda r: f"192.0.2.{r.randint(1, 254)}",
    "ipv6": lambda r: f"2001:db8::{r.randint(1, 9999):x}",
    "uuid": lambda r: f"{r.getrandbits(32):08x}-0000-4000-8000-{r.getrandbits(48):012x}",
}

_TYPE_OF_KEYWORD = (
    ("object", ("properties", "required", "additionalProperties")),
    ("array", ("items", "prefixItems", "minItems", "maxItems")),
    ("string", ("minLength", "maxLength", "pattern", "format")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)

# What the API has no keyword for stands at the end of a description, as the SDK's transform_schema writes it.
_STATED = re.compile(r"\{([^{}]*)\}\Z")
_STATED_BOUND = re.compile(
    r"\b(minimum|maximum|exclusiveMinimum|exclusiveMaximum|minLength|maxLength|minItems|maxItems)"
    r": (-?\d{1,9}(?:\.\d+)?)(?=,|\Z)"
)
MOST_STATED = 1000  # characters or items that a description can ask for

Schema = dict[str, Any]


class SchemaAnswer:
    """One answer to a schema.

    :param words: the text from which string values are made.
    :param seed: equal seeds give equal values.
    """

    def __init__(self, schema: Schema, *, words: str, seed: int) -> None:
        self._root = schema
        self._words = " ".join(words.split()) or "simulated"
        self._random = random.Random(seed)
        self._makers: dict[str, Callable[[Schema, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda schema, depth: self._random.random() < 0.5,
            "null": lambda schema, depth: None,
        }

    def value(self) -> Any:
        """Make the value.

        :raises ValueError: the schema cannot be met: circular references, contradictions, too few unique items, or an
            unsupported pattern.
        :raises LookupError: a ``$ref`` points to nothing.
        """
        return self._value(self._root, 0)

    def _value(self, schema: Any, depth: int) -> Any:
        """Make a value for a part of the schema; a NoValueError says that there is none."""
        if schema is True:
            return self._words[:40]
        schema = self._flat(schema)
        name = next((name for name in ("anyOf", "oneOf") if schema.get(name)), None)
        if name is not None:
            return self._one_of(_without(_without(schema, name), "description"), schema[name], depth)
        values = listed_values(schema)
        if values is None:
            return self._makers[self._type_of(schema, depth)](_as_described(schema), depth)
        fitting = [value for value in values if not refuses(_without(schema, "enum"), value, self._root)]
        if not fitting:
            raise NoValueError(f"none of the values {values} fits")
        return fitting[0] if "const" in schema else self._random.choice(fitting)

    def _flat(self, schema: Any) -> Schema:
        """Return the schema with $ref and allOf merged into it."""
        if schema is False:
            raise NoValueError("a schema that is false takes nothing")
        flat: Schema = schema if isinstance(schema, dict) else {}
        # Each turn resolves one keyword; only circular references need this many turns.
        for _ in range(100):
            if "$ref" in flat:
                flat = merged(_without(flat, "$ref"), self._target(flat["$ref"]))
            elif flat.get("allOf"):
                flat = reduce(merged, map(self._flat, flat["allOf"]), _without(flat, "allOf"))
            else:
                return flat
        raise ValueError("the schema's references are circular")

    def _target(self, reference: str) -> Schema:
        found = target_of(self._root, reference)
        if found is None:
            raise LookupError(f"the reference {reference} points to nothing")
        return found if isinstance(found, dict) else self._flat(found)

    def _one_of(self, schema: Schema, options: list[Any], depth: int) -> Any:
        """Make a value for ``schema`` and the first of the alternatives that allows one."""
        chosen = self._chosen(options, depth)
        for option in (chosen, *(each for each in options if each is not chosen)):
            try:
                return self._value(merged(schema, self._flat(option)), depth)
            except NoValueError:
                continue
        raise NoValueError("no alternative can be met")

    def _chosen(self, options: list[Any], depth: int) -> Any:
        """Return one of the alternatives; at depth a simple one, so that a recursive schema ends."""
        usable = [option for option in options if isinstance(option, dict)]
        if not usable:
            return options[0]
        if depth >= DEEPEST_OPTIONAL:
            simple = [option for option in usable if not {"$ref", "properties", "items"} & set(option)]
            return simple[0] if simple else usable[-1]
        return self._random.choice(usable)

    def _type_of(self, schema: Schema, depth: int) -> str:
        type_ = schema.get("type")
        if isinstance(type_, list):
            if depth >= DEEPEST_OPTIONAL and "null" in type_:
                return "null"
            type_ = self._random.choice(type_)
        if type_ in self._makers:
            return str(type_)
        return next((name for name, words in _TYPE_OF_KEYWORD if any(w in schema for w in words)), "string")

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: Schema = schema.get("properties") or {}
        required = schema.get("required") or []
        value: dict[str, Any] = {}
        for name, part in properties.items():
            if name in required:
                value[name] = self._value(part, depth + 1)
            elif depth < DEEPEST_OPTIONAL:
                with suppress(NoValueError):
                    value[name] = self._value(part, depth + 1)
        for name in required:
            if name not in value:
                value[name] = self._value(schema.get("additionalProperties", True), depth + 1)
        return value

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        lowest = int(schema.get("minItems", 0))
        wanted = lowest if depth >= DEEPEST_OPTIONAL else max(lowest, self._random.randint(1, 3))
        length = min(wanted, int(schema.get("maxItems", wanted)))
        first: list[Any] = schema.get("prefixItems") or []
        items = schema.get("items", {})
        parts = [first[i] if i < len(first) else items for i in range(length)]
        if schema.get("uniqueItems"):
            return self._unique(parts if items is not False else parts[: len(first)], lowest, depth + 1)
        values: list[Any] = []
        for part in parts:
            try:
                values.append(self._value(part, depth + 1))
            except NoValueError:
                if len(values) < lowest:
                    raise
                break
        return values

    def _unique(self, parts: list[Any], lowest: int, depth: int) -> list[Any]:
        values: list[Any] = []
        for part in parts:
            # Repeated draws suffice for small enums; after 200 draws without a new value, there is none.
            for _ in range(200):
                value = self._value(part, depth)
                if isinstance(value, str) and value in values and isinstance(part, dict) and "enum" not in part:
                    value = self._string(part | {"suffix": str(len(values))}, depth)
                if value not in values:
                    values.append(value)
                    break
            else:
                if len(values) < lowest:
                    raise ValueError(f"found only {len(values)} different items for {part}")
        return values

    def _string(self, schema: Schema, depth: int) -> str:
        if isinstance(schema.get("pattern"), str):
            return matching_text(schema["pattern"], self._random)
        if schema.get("format") in _FORMATS:
            return str(_FORMATS[schema["format"]](self._random))
        lowest, suffix = int(schema.get("minLength", 0)), schema.get("suffix", "")
        highest = int(schema.get("maxLength", max(60, lowest)))
        if lowest > highest:
            raise NoValueError(f"no text has at least {lowest} and at most {highest} characters")
        text: str = self._words[: max(0, highest - len(suffix))] + suffix
        while len(text) < lowest:
            text = (text + " " + self._words)[:highest]
        return text

    def _integer(self, schema: Schema, depth: int) -> int:
        step: int = max(1, math.ceil(schema.get("multipleOf", 1)))
        lowest, highest = _bounds(schema, whole=True)
        first, last = math.ceil(lowest / step), math.floor(highest / step)
        return self._random.randint(first, max(first, last)) * step

    def _number(self, schema: Schema, depth: int) -> float | int:
        if "multipleOf" in schema:
            step = schema["multipleOf"]
            lowest, highest = _bounds(schema, whole=False)
            first = math.ceil(lowest / step)
            return float(self._random.randint(first, max(first, math.floor(highest / step))) * step)
        lowest, highest = _bounds(schema, whole=False)
        value = lowest + (highest - lowest) * (1 + self._random.random() * 8) / 10
        rounded = round(value, 2)
        return rounded if lowest < rounded < highest else value


def _without(schema: Schema, name: str) -> Schema:
    return {key: value for key, value in schema.items() if key != name}


def _as_described(schema: Schema) -> Schema:
    """Return the schema with the bounds that its description states, as a model heeds them; its own keywords win."""
    stated = _STATED.search(str(schema.get("description", "")))
    if stated is None:
        return schema
    bounds: dict[str, float] = {name: float(number) for name, number in _STATED_BOUND.findall(stated[1])}
    described = bounds | schema
    lengths = (("minLength", "maxLength"), ("minItems", "maxItems"))
    if any(described.get(low, 0) > min(described.get(high, MOST_STATED), MOST_STATED) for low, high in lengths):
        return schema
    return described


def _bounds(schema: Schema, *, whole: bool) -> tuple[float, float]:
    """Return the lowest and the highest value; an open end is a hundred away from the other end."""
    gap = 1.0 if whole else 0.0
    low = [float(schema["minimum"])] if "minimum" in schema else []
    high = [float(schema["maximum"])] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        edge = float(schema["exclusiveMinimum"])
        low.append(math.floor(edge) + gap if whole else math.nextafter(edge, math.inf))
    if "exclusiveMaximum" in schema:
        edge = float(schema["exclusiveMaximum"])
        high.append(math.ceil(edge) - gap if whole else math.nextafter(edge, -math.inf))
    lowest = max(low) if low else min(0.0, *(h - 100 for h in high)) if high else 0.0
    highest = min(high) if high else max(100.0, lowest + 100)
    return lowest, highest
