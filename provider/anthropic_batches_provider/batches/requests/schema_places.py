"""Places in a JSON Schema: their paths, what references lead to, and problems that are named by their place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from anthropic_batches_provider.batches.requests.wording import shortened

_MAX_NAMED = 10
_OF_NAMES = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))
DATA_KEYWORDS = frozenset(("enum", "const", "default", "examples"))
"""Keywords that hold values, and no schemas."""

_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


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


def listed_problems(problems: Sequence[SchemaProblem]) -> str:
    """Return the first problems of a schema, separated by semicolons."""
    shown = "; ".join(map(str, problems[:_MAX_NAMED]))
    more = len(problems) - _MAX_NAMED
    return f"{shown}; and {more} more" if more > 0 else shown


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in ``type``, which holds one or a list."""
    type_ = schema.get("type")
    return tuple(name for name in (type_ if isinstance(type_, list) else [type_]) if isinstance(name, str))


def names_in(schema: Any) -> Iterator[str]:
    """Yield every name in a schema, those of properties among them."""
    if isinstance(schema, Mapping):
        yield from schema
    for part in schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ():
        yield from names_in(part)


def without_titles(schema: Any) -> Any:
    """Return a schema without the titles of its places, which say nothing of the values there."""
    if isinstance(schema, list):
        return [without_titles(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        name: _part_without_titles(name, part)
        for name, part in schema.items()
        if not (name == "title" and isinstance(part, str))
    }


def _part_without_titles(keyword: str, part: Any) -> Any:
    if keyword in DATA_KEYWORDS:
        return part
    if keyword not in _OF_NAMES:
        return without_titles(part)
    return {name: without_titles(each) for name, each in part.items()} if isinstance(part, Mapping) else part


def as_list(value: Any) -> list[Any]:
    """Return a list of a schema, or an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def path_below(path: str, name: str) -> str:
    """Return the path of a named place below another."""
    return f"{path}.{name}" if _PLAIN_NAME.fullmatch(name) else f"{path}[{shortened(name)!r}]"


def path_of_pointer(reference: str) -> str:
    """Return the path of the place that a reference such as ``#/$defs/a`` leads to."""
    path = "$"
    for name in names_in_pointer(reference):
        path = path_below(path, name)
    return path


def names_in_pointer(reference: str) -> list[str]:
    """Return the names in a JSON pointer that is the fragment of a URI."""
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in reference.split("/")[1:]]


def target_of(root: Any, reference: str) -> Any:
    """Return the schema that a reference such as ``#/$defs/a`` leads to.

    :raises LookupError: there is none.
    """
    found = root
    for name in names_in_pointer(reference):
        if isinstance(found, list) and name.isdecimal():
            found = found[int(name)]
        elif isinstance(found, Mapping):
            found = found[name]
        else:
            raise LookupError(reference)
    return found
