"""Where the fields and items of JSON stand in its bytes: a part can be replaced, and all else stays byte for byte."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_name = msgspec.json.Decoder(str).decode

_NAME = re.compile(rb'\s*,?\s*("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)
_BETWEEN = b", \t\r\n"
_AFTER = re.compile(rb"\s*[,}]")


class RepeatedFieldError(ValueError):
    """An object gives a field twice: which of the two counts is the reader's choice."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` is given twice")
        self.name = name


class Span(NamedTuple):
    """Where a value begins and ends."""

    start: int
    end: int

    def of(self, text: bytes) -> bytes:
        """Return the bytes of the value."""
        return text[self.start : self.end]


def field_spans(text: bytes, span: Span | None = None) -> dict[str, Span]:
    """Return where the values of an object's fields stand, in their order.

    :param text: JSON.
    :param span: where the object stands in it; None if it is all of it.
    :raises RepeatedFieldError: it gives a field twice.
    :raises msgspec.MsgspecError: it is no object.
    """
    start, end = span or Span(0, len(text))
    values = _decode_fields(text[start:end])
    spans: dict[str, Span] = {}
    at = text.index(b"{", start) + 1
    while named := _NAME.match(text, at, end):
        name = _decode_name(named[1])
        value = bytes(values[name])
        at = named.end() + len(value)
        # Of a field that comes twice, only the last value was decoded: it may not be the one that stands here.
        if name in spans or not text.startswith(value, named.end()) or not _AFTER.match(text, at, end):
            raise RepeatedFieldError(name)
        spans[name] = Span(named.end(), at)
    return spans


def item_spans(text: bytes, span: Span) -> list[Span]:
    """Return where the items of an array stand.

    :param text: JSON.
    :param span: where the array stands in it.
    :raises msgspec.MsgspecError: it is no array.
    """
    spans: list[Span] = []
    at = span.start + 1
    for item in _decode_items(span.of(text)):
        while text[at] in _BETWEEN:
            at += 1
        spans.append(Span(at, at + len(memoryview(item))))
        at = spans[-1].end
    return spans
