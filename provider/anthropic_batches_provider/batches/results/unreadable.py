"""Reads a line of results that is not of a known form: whose it is, and whether it says that nothing was answered.

A succeeded answer that cannot be decoded was paid for. It becomes a row of its own kind (``unreadable``), so that it is
neither sent again nor holds up the other rows.

Nothing here recurses: what is nested too deeply is passed over before it is decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from anthropic_batches_provider.batches.undecodable import brackets

_DEEPEST = 32
_MOST_DIGITS = 400
_BEGINNING = re.compile(rb'\s*\{\s*"custom_id"\s*:\s*("[^"\\]*")')


def custom_id_of(line: bytes) -> str | None:
    """Return the custom_id of a line that the decoder refuses; None if it names none, or is not JSON at all."""
    return custom_id_in(read_loosely(line), line)


def custom_id_in(found: Mapping[str, Any], line: bytes) -> str | None:
    """Return the custom_id of a line of which only some parts could be read."""
    custom_id = found.get("custom_id")
    if isinstance(custom_id, str):
        return custom_id
    beginning = _BEGINNING.match(line)
    named: str | None = _loads(beginning[1]) if beginning else None
    return named


def read_loosely(line: bytes) -> dict[str, Any]:
    """Return the parts of a JSON object that are not nested too deeply; empty if it is none."""
    found = _loads(_without_deep_parts(line))
    return found if isinstance(found, dict) else {}


def is_complete(line: bytes) -> bool:
    """Return whether each bracket that a line opens is closed again."""
    depth = 0
    for _, _, depth in brackets(line):  # noqa: B007 - the last one counts
        pass
    return depth == 0


def _loads(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8", "replace"), parse_int=_integer)
    except ValueError:
        return None


def _integer(digits: str) -> int | None:
    """Return None for more digits than Python converts."""
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def _without_deep_parts(line: bytes) -> bytes:
    """Return the line with ``null`` in place of each part that is nested more than 32 levels deep."""
    kept, begin, before = bytearray(), 0, 0
    for start, end, depth in brackets(line):
        if before == _DEEPEST < depth:
            kept += line[begin:start] + b"null"
        elif depth == _DEEPEST < before:
            begin = end
        before = depth
    return bytes(kept + line[begin:]) if before <= _DEEPEST else b""
