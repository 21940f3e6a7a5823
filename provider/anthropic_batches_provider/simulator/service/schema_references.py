"""The targets of ``$ref`` inside a JSON Schema."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote


def target_of(root: Any, reference: str) -> Any:
    """Return the part of ``root`` that an internal reference (``#/$defs/A``) points to; None if there is none."""
    found: Any = root
    for part in reference.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
