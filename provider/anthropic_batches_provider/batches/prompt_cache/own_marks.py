"""The marks that a request already has: ``cache_control`` of its own, in the order in which the API reads them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

MARK = "cache_control"
Place = tuple[int, ...]
"""Where a block ends: the part of the prompt, then an index in each list on the way; places sort as the API reads."""

TOOLS, SYSTEM, MESSAGES = range(3)
_END = sys.maxsize  # a block ends after the blocks inside of it


class OwnMark(NamedTuple):
    """A mark that a request already has.

    :param ttl: ``5m`` or ``1h``, or what else is written there.
    """

    place: Place
    ttl: object


def place_of(*indices: int) -> Place:
    """Return the place of a block.

    :param indices: the part of the prompt, then an index in each list on the way.
    """
    return (*indices, _END)


def own_marks(params: bytes) -> Iterator[OwnMark]:
    """Yield the marks of Messages params on tools, on blocks of the system prompt, and on blocks of messages."""
    parts = msgspec.json.decode(params)
    yield from _in_blocks(parts.get("tools"), (TOOLS,))
    yield from _in_blocks(parts.get("system"), (SYSTEM,))
    for index, message in enumerate(_dicts(parts.get("messages"))):
        yield from _in_blocks(message.get("content"), (MESSAGES, index))


def _in_blocks(blocks: Any, holder: tuple[int, ...]) -> Iterator[OwnMark]:
    """Yield the marks in a list of blocks; those inside of a block, such as a tool's result, come before its own."""
    for index, block in enumerate(_dicts(blocks)):
        here = (*holder, index)
        if holder[0] == MESSAGES:
            source = block.get("source")
            yield from _in_blocks(block.get("content") or (isinstance(source, dict) and source.get("content")), here)
        if block.get(MARK) is not None:
            yield OwnMark(place_of(*here), ttl_of(block[MARK]))


def _dicts(value: Any) -> list[dict[str, Any]]:
    """Return the items of a list, with an empty dict in place of what is none."""
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def ttl_of(mark: Any) -> object:
    """Return the time to live of a mark; how it is written if it is none."""
    return mark.get("ttl", "5m") if isinstance(mark, dict) else repr(mark)
