"""The types of Arrow's columns as text, and back: what a source declares of its columns.

The text is Arrow's own, such as ``timestamp[us, tz=UTC]``, with one difference: the name of a struct's field that is no
plain word is a JSON string, because what Arrow writes for it cannot be read back. Only what the values need is
declared; how they are stored (dictionaries, runs, views) and that they may not be null is left out.
"""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_NAME = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\W\d]\w*)\s*:')
_HEAD = re.compile(r"\s*([a-z_0-9]+)")
_LEAF = re.compile(r"\s*([a-z_0-9]+(?:\[[^\]]*\]|\([^)]*\))?)")
_SIZE = re.compile(r"\[(\d+)\]")
_UUID = "extension<arrow.uuid>"
_NAMED = {
    "date32[day]": "date32", "date64[ms]": "date64", "halffloat": "float16", "float": "float32", "double": "float64",
    "bool": "bool_",
}  # fmt: skip
_WITH_UNIT = re.compile(r"(timestamp|time32|time64|duration)\[(s|ms|us|ns)(?:, tz=(.+))?\]")
_DECIMAL = re.compile(r"(decimal(?:32|64|128|256))\((\d+), (-?\d+)\)")
_FIXED_BINARY = re.compile(r"fixed_size_binary\[(\d+)\]")


def declared_types(schema: Any) -> dict[str, str]:
    """Return the types of a schema's columns as text, without columns whose type only Arrow has."""
    texts = {field.name: type_text(field.type) for field in schema}
    return {name: text for name, text in texts.items() if text is not None}


def type_text(kind: Any) -> str | None:
    """Return the text of the type that the values of an Arrow type have; None for a union or an interval."""
    import pyarrow
    from pyarrow import types

    if isinstance(kind, pyarrow.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _UUID
        return "bool" if kind.extension_name == "arrow.bool8" else type_text(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return type_text(kind.value_type)
    if types.is_nested(kind):
        return _nested_text(kind)
    return None if types.is_interval(kind) else str(kind).replace("_view", "")


def _nested_text(kind: Any) -> str | None:
    from pyarrow import types

    if types.is_union(kind):
        return None
    if types.is_map(kind):
        return _filled("map<{}>", type_text(kind.key_type), type_text(kind.item_type))
    if types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        return _filled("struct<{}>", *(_field_text(field.name, field.type) for field in fields))
    item = _field_text("item", kind.value_type)
    if types.is_fixed_size_list(kind):
        return _filled(f"fixed_size_list<{{}}>[{kind.list_size}]", item)
    is_large = types.is_large_list(kind) or types.is_large_list_view(kind)
    return _filled("large_list<{}>" if is_large else "list<{}>", item)


def _filled(form: str, *parts: str | None) -> str | None:
    return None if None in parts else form.format(", ".join(map(str, parts)))


def _field_text(name: str, kind: Any) -> str | None:
    text = type_text(kind)
    return None if text is None else f"{name_text(name)}: {text}"


def name_text(name: str) -> str:
    """Return how the name of a struct's field stands in the text of its type."""
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def arrow_type_of(text: str) -> Any:
    """Return the pyarrow type that a text of :func:`type_text` means.

    :raises ValueError: it is no such text.
    """
    reader = _TypeReader(text)
    kind = reader.type()
    reader.end()
    return kind


class _TypeReader:
    """Reads a type from its text, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def type(self) -> Any:
        import pyarrow

        head = self._take(_HEAD, advance=False)[1]
        if head == "extension":
            self._word(_UUID)
            return pyarrow.uuid()
        if head == "struct":
            return pyarrow.struct(self._children(head, self._field))
        if head == "map":
            types = self._children(head, self.type)
            return pyarrow.map_(*self._of_length(2, types))
        if head in ("list", "large_list", "fixed_size_list"):
            ((_, item),) = self._of_length(1, self._children(head, self._field))
            if head == "fixed_size_list":
                return pyarrow.list_(item, int(self._take(_SIZE)[1]))
            return pyarrow.list_(item) if head == "list" else pyarrow.large_list(item)
        try:
            return _leaf(self._take(_LEAF)[1])
        except ValueError as error:
            raise self._error() from error

    def end(self) -> None:
        if self._text[self._at :].strip():
            raise self._error()

    def _children(self, head: str, read: Any) -> list[Any]:
        self._word(head)
        self._word("<")
        found: list[Any] = []
        while not self._next_is(">"):
            if found:
                self._word(",")
            found.append(read())
        self._word(">")
        return found

    def _of_length(self, length: int, children: list[Any]) -> list[Any]:
        if len(children) != length:
            raise self._error()
        return children

    def _field(self) -> tuple[str, Any]:
        name = self._take(_NAME)[1]
        return (json.loads(name) if name.startswith('"') else name), self.type()

    def _next_is(self, word: str) -> bool:
        return self._text[self._at :].lstrip().startswith(word)

    def _word(self, word: str) -> None:
        self._take(re.compile(r"\s*" + re.escape(word)))

    def _take(self, pattern: re.Pattern[str], *, advance: bool = True) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._error()
        if advance:
            self._at = found.end()
        return found

    def _error(self) -> ValueError:
        return ValueError(f"{self._text!r} is no type of Arrow: it cannot be read from character {self._at + 1} on")


def _leaf(text: str) -> Any:
    import pyarrow

    if found := _WITH_UNIT.fullmatch(text):
        name, unit, zone = found.groups()
        return getattr(pyarrow, name)(unit, zone) if name == "timestamp" else getattr(pyarrow, name)(unit)
    if found := _DECIMAL.fullmatch(text):
        return getattr(pyarrow, found[1])(int(found[2]), int(found[3]))
    if found := _FIXED_BINARY.fullmatch(text):
        return pyarrow.binary(int(found[1]))
    return getattr(pyarrow, _NAMED[text])() if text in _NAMED else pyarrow.type_for_alias(text)
