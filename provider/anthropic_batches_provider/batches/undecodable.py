"""JSON from outside that cannot be decoded, or could not be by the next reader.

Nesting is one of the reasons: a few kilobytes of brackets exceed Python's limit on recursion. That limit is a setting
of the process; where it is raised, the stack itself overflows. So what is nested too deeply is refused first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The errors by which decoding says that bytes are not the JSON that was expected."""

_MOST_LEVELS = 512
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def check_nesting(text: bytes) -> None:
    """Refuse JSON that is nested more than 512 levels deep.

    :raises RecursionError: it is; decoders say the same of what they cannot follow.
    """
    if text.count(b"[") + text.count(b"{") <= _MOST_LEVELS:
        return
    if any(depth > _MOST_LEVELS for _, _, depth in brackets(text)):
        raise RecursionError(f"nested more than {_MOST_LEVELS} levels deep")


def brackets(text: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield where each bracket outside strings begins and ends, and how deep the text is nested after it."""
    depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in b"[{":
            depth += 1
        elif token[0] in b"]}":
            depth -= 1
        else:
            continue
        yield token.start(), token.end(), depth
