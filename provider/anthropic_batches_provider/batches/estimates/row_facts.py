"""What an estimate needs to know of each row, from the bytes of its params."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from anthropic_batches_provider.batches.undecodable import UNDECODABLE

PICTURE_SIZE = 6_000
"""An image or a document counts as so many bytes of text: its bytes in base64 do not show its tokens."""

_MENTIONS = (b'"image"', b'"document"')
_OF_TEXT = ("text", "content")  # documents whose bytes are text, or blocks of their own
_MARK = b'"cache_control"'
_HOUR = b'"1h"'
_UNKNOWN_MODEL = "unknown"


class RowFacts(NamedTuple):
    """What decides what a row costs, beside its tokens.

    :param model: that it asks.
    :param max_tokens: its longest answer.
    :param geography: ``inference_geo``; None if it names none.
    """

    model: str
    max_tokens: int
    geography: str | None


class Pictures(NamedTuple):
    """The images and documents of a row.

    :param number: how many.
    :param data_bytes: their bytes in the params.
    """

    number: int = 0
    data_bytes: int = 0


class _Params(msgspec.Struct, gc=False):
    model: str
    max_tokens: int
    inference_geo: str | None = None


_decode_params = msgspec.json.Decoder(_Params).decode


def facts_of(params: bytes) -> RowFacts:
    """Read a row's params; what the API would refuse has the model ``unknown``, and no price."""
    try:
        found = _decode_params(params)
    except UNDECODABLE:
        return RowFacts(_UNKNOWN_MODEL, 0, None)
    return RowFacts(found.model, max(found.max_tokens, 0), found.inference_geo)


def pictures_of(params: bytes, shared_blocks: int = 0) -> Pictures:
    """Return the images and documents of a row.

    :param shared_blocks: so many blocks at the beginning of its first message are not looked at.
    """
    if _MENTIONS[0] not in params and _MENTIONS[1] not in params:
        return Pictures()
    found = msgspec.json.decode(params)
    messages = found.get("messages") or []
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    if shared_blocks and contents and isinstance(contents[0], list):
        contents[0] = contents[0][shared_blocks:]
    found_in = [_counted(blocks) for blocks in (found.get("system"), *contents)]
    return Pictures(sum(count for count, _ in found_in), sum(data_bytes for _, data_bytes in found_in))


def _counted(value: Any) -> tuple[int, int]:
    """Return how many images and documents are in a list of blocks, and their bytes; blocks may hold others."""
    if not isinstance(value, list):
        return 0, 0
    count = data_bytes = 0
    for block in value:
        if not isinstance(block, dict):
            continue
        given = block.get("source")
        source: dict[str, Any] = given if isinstance(given, dict) else {}
        if block.get("type") in ("image", "document") and source.get("type") not in _OF_TEXT:
            count += 1
            data_bytes += len(msgspec.json.encode(source))
        for inside in (block.get("content"), source.get("content")):
            inner, inner_bytes = _counted(inside)
            count, data_bytes = count + inner, data_bytes + inner_bytes
    return count, data_bytes


def own_mark(params: bytes) -> str | None:
    """Return the longest time to live of the marks of the prompt cache in a row; None if there are none."""
    if _MARK not in params:
        return None
    return "1h" if _HOUR in params else "5m"


def server_tools(params: bytes) -> list[str]:
    """Return the types of the tools that run on the service, such as ``web_search_20250305``."""
    if b'"tools"' not in params:
        return []
    tools = msgspec.json.decode(params).get("tools")
    types = [tool.get("type") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [name for name in types if isinstance(name, str) and name.startswith(_RUN_BY_THE_SERVICE)]


_RUN_BY_THE_SERVICE = ("web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "mcp_toolset")
