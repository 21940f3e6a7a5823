"""Finds the block of a request that ends the shared prefix, and writes it with a mark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from anthropic_batches_provider.batches.json_spans import Span, field_spans, item_spans
from anthropic_batches_provider.batches.prompt_cache.cache_rules import CacheTtl
from anthropic_batches_provider.batches.prompt_cache.own_marks import (
    MARK,
    MESSAGES,
    SYSTEM,
    TOOLS,
    Place,
    place_of,
)

SHARED = "messages"
"""Names the shared blocks among the parts of a prefix, which else are params."""

_UNMARKABLE = frozenset(("thinking", "redacted_thinking"))
_MARKS: dict[CacheTtl, bytes] = {ttl: b'{"type":"ephemeral","ttl":"%b"}' % ttl.encode() for ttl in ("5m", "1h")}


@dataclass(frozen=True, slots=True)
class MarkedBlock:
    """The block that ends the shared prefix.

    :param name: for messages: ``system[1]``.
    :param place: where it stands in the prompt.
    :param part: the part of the prefix that holds it: ``system``, ``tools``, or the shared blocks.
    :param marked: the bytes of that part, with the mark.
    :param problem: why it cannot be marked, to follow its name; "" if it can.
    """

    name: str
    place: Place
    part: str
    marked: bytes
    problem: str = ""


def block_to_mark(params: bytes, parts: dict[str, Span], ttl: CacheTtl) -> MarkedBlock | None:
    """Return the last shared block; else the last of the system prompt, else the last tool. None if there is none.

    :param parts: where the parts of the prefix stand.
    :raises RepeatedFieldError: a block gives a field twice.
    :raises msgspec.MsgspecError: something has another shape than the API's.
    """
    if SHARED in parts:
        return _last_shared_block(params, parts[SHARED], ttl)
    return _last_of_system(params, parts.get("system"), ttl) or _last_tool(params, parts.get("tools"), ttl)


def _last_shared_block(params: bytes, shared: Span, ttl: CacheTtl) -> MarkedBlock:
    blocks = b"[%b]" % shared.of(params)
    index = len(item_spans(blocks, Span(0, len(blocks)))) - 1
    name, place = f"messages[0].content[{index}]", (MESSAGES, 0, index)
    block = _last_block(blocks, Span(0, len(blocks)), ttl, index=index, name=name, part=SHARED, place=place)
    return MarkedBlock(block.name, block.place, block.part, block.marked[1:-1], block.problem)


def _last_of_system(params: bytes, system: Span | None, ttl: CacheTtl) -> MarkedBlock | None:
    given = b"null" if system is None else system.of(params)
    if system is None or given == b"null":
        return None
    if given[:1] == b'"':
        text: str = msgspec.json.decode(given)
        if not text or text.isspace():
            return None
        marked = b'[{"type":"text","text":%b,"%b":%b}]' % (given, MARK.encode(), _MARKS[ttl])
        return MarkedBlock("system", place_of(SYSTEM, 0), "system", marked)
    index = len(item_spans(params, system)) - 1
    if index < 0:
        return None
    name, place = f"system[{index}]", (SYSTEM, index)
    return _last_block(params, system, ttl, index=index, name=name, part="system", place=place)


def _last_tool(params: bytes, tools: Span | None, ttl: CacheTtl) -> MarkedBlock | None:
    """Return the last tool that is in the prompt from the beginning: the API refuses a mark on a deferred one."""
    if tools is None or tools.of(params) == b"null":
        return None
    given: list[Any] = msgspec.json.decode(tools.of(params), type=list[Any])
    for index in reversed(range(len(given))):
        tool = given[index]
        if not (isinstance(tool, dict) and tool.get("defer_loading")):
            name, place = f"tools[{index}]", (TOOLS, index)
            return _last_block(params, tools, ttl, index=index, name=name, part="tools", place=place)
    return None


def _last_block(
    params: bytes, blocks: Span, ttl: CacheTtl, *, index: int, name: str, part: str, place: tuple[int, ...]
) -> MarkedBlock:
    """Mark a block of a list.

    :param blocks: where the list stands.
    """
    block = item_spans(params, blocks)[index]
    replaced, by = _edit(params, block, ttl)
    marked = params[blocks.start : replaced.start] + by + params[replaced.end : blocks.end]
    return MarkedBlock(name, place_of(*place), part, marked, _problem(msgspec.json.decode(block.of(params))))


def _edit(params: bytes, block: Span, ttl: CacheTtl) -> tuple[Span, bytes]:
    """Return what is replaced to mark a block, and by what; a mark that is there stays as it is."""
    fields = field_spans(params, block)
    there = fields.get(MARK)
    ending = Span(block.end - 1, block.end)
    if there is None:
        return ending, b'%b"%b":%b}' % (b"," if fields else b"", MARK.encode(), _MARKS[ttl])
    if there.of(params) == b"null":
        return there, _MARKS[ttl]
    return ending, b"}"


def _problem(block: dict[str, Any]) -> str:
    kind, text = block.get("type"), block.get("text")
    if kind in _UNMARKABLE:
        return f"is a {kind} block, which cannot carry `{MARK}`"
    if kind == "text" and (not isinstance(text, str) or not text or text.isspace()):
        return f"is an empty text, which cannot carry `{MARK}`"
    return ""
