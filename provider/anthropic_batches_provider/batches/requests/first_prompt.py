"""The prompt of a request: the text of its first user message, read from the bytes that are sent."""

from __future__ import annotations

from typing import Any

import msgspec

from anthropic_batches_provider.batches.undecodable import UNDECODABLE, check_nesting

_BETWEEN_BLOCKS = "\n"


class _Block(msgspec.Struct):
    text: Any = None


class _Message(msgspec.Struct):
    role: str = ""
    content: str | list[_Block] = ""


class _Params(msgspec.Struct):
    messages: list[_Message]


class _Request(msgspec.Struct):
    params: _Params


_decode = msgspec.json.Decoder(_Request).decode


def prompt_of(request: bytes, *, shared_blocks: int = 0) -> str | None:
    """Return the text of the first user message of a request; that of several text blocks is joined by line feeds.

    :param request: a line of a shard: ``{"custom_id": …, "params": {…}}``.
    :param shared_blocks: how many blocks of that message all rows share: these are left out.
    :returns: "" if the message holds no text, such as an image alone; None if the request has no user message, or is of
        another shape, which the API refuses.
    """
    try:
        check_nesting(request)
        messages = _decode(request).params.messages
    except UNDECODABLE:
        return None
    first = next((message.content for message in messages if message.role == "user"), None)
    if first is None or isinstance(first, str):
        return first
    return _BETWEEN_BLOCKS.join(block.text for block in first[shared_blocks:] if isinstance(block.text, str))
