"""Reads a request's params: its text, its size in tokens, its cache breakpoints.

Tokens are estimated at four characters each; a picture or document counts a flat number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

CHARACTERS_PER_TOKEN = 4
TOKENS_OF_A_PICTURE = 1_500
TOKENS_OF_A_MESSAGE = 4
MAX_BREAKPOINTS = 4
# The size of a content_hash and a question_hash.
HASH_BYTES = 16
_MARK = b'"cache_control"'

Params = dict[str, Any]


@dataclass(frozen=True)
class Block:
    """A piece of the prompt, in the order that caching sees: tools, system, messages."""

    text: str
    tokens: int
    ttl: str | None  # "5m" or "1h" if the block carries a cache breakpoint


@dataclass(frozen=True)
class Breakpoint:
    """A cacheable prefix of the prompt."""

    prefix: bytes
    tokens: int
    ttl: str


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text from its length, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def prompt_blocks(params: Params) -> Iterator[Block]:
    """Yield the whole input of the model, in the order that caching sees."""
    for tool in _list_of_dicts(params.get("tools")):
        yield _block(_written(tool), tool)
    yield from _content_blocks(params.get("system"))
    for message in _list_of_dicts(params.get("messages")):
        yield from _content_blocks(message.get("content"))


def _list_of_dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _content_blocks(content: Any) -> Iterator[Block]:
    if isinstance(content, str):
        yield Block(content, text_tokens(content), None)
    for block in _list_of_dicts(content):
        kind = block.get("type")
        if kind == "text" and isinstance(block.get("text"), str):
            yield _block(block["text"], block)
        elif kind in ("image", "document"):
            yield Block(str(kind), TOKENS_OF_A_PICTURE, _ttl(block))
        else:
            yield _block(_written(block), block)


def _written(block: dict[str, Any]) -> str:
    """Return a block as JSON, without its cache breakpoint, which is no part of the prompt."""
    return msgspec.json.encode({name: value for name, value in block.items() if name != "cache_control"}).decode()


def _block(text: str, holder: dict[str, Any]) -> Block:
    return Block(text, text_tokens(text), _ttl(holder))


def _ttl(holder: dict[str, Any]) -> str | None:
    control = holder.get("cache_control")
    return str(control.get("ttl", "5m")) if isinstance(control, dict) else None


def input_tokens(params: Params) -> int:
    """Estimate the tokens of the prompt: its blocks, and a few tokens for each message."""
    messages = params.get("messages")
    overhead = TOKENS_OF_A_MESSAGE * (len(messages) if isinstance(messages, list) else 0)
    return sum(block.tokens for block in prompt_blocks(params)) + overhead


def prompt_text(params: Params) -> str:
    """Join all text of the prompt, for rules that match on it."""
    return "\n".join(block.text for block in prompt_blocks(params))


def question(params: Params) -> str:
    """Return the text of the last user message; empty if there is none."""
    for message in reversed(_list_of_dicts(params.get("messages"))):
        if message.get("role") == "user":
            return "\n".join(block.text for block in _content_blocks(message.get("content")))
    return ""


def begun_answer(params: Params) -> str:
    """Return the text of the assistant's turns that end the conversation: the beginning of an answer to continue."""
    begun: list[str] = []
    for message in reversed(_list_of_dicts(params.get("messages"))):
        if message.get("role") != "assistant":
            break
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else _list_of_dicts(content)
        begun.insert(0, "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text"))
    return "".join(begun)


def breakpoints(params: Params) -> list[Breakpoint]:
    """Find the cacheable prefixes, shortest first; the model's minimum is not applied."""
    automatic = _ttl(params)
    found: list[Breakpoint] = []
    prefix = blake2b(str(params.get("model")).encode(), digest_size=16)
    tokens = 0
    blocks = list(prompt_blocks(params))
    for number, block in enumerate(blocks, start=1):
        prefix.update(block.text.encode("utf-8", "surrogatepass") + b"\x1f")
        tokens += block.tokens
        ttl = block.ttl or (automatic if number == len(blocks) else None)
        if ttl is not None:
            found.append(Breakpoint(prefix.digest(), tokens, ttl))
    return found


def content_hash(params: bytes | memoryview | msgspec.Raw) -> bytes:
    """Hash params to 16 bytes that do not depend on spaces or on the order of keys."""
    return _digest(msgspec.json.decode(params))


def question_hash(params: bytes) -> bytes:
    """Hash params as :func:`content_hash` does, but without marks of the prompt cache: they change no question.

    A system prompt of one text block counts as its text, since a mark needs the block.
    """
    found = msgspec.json.decode(params)
    if _MARK in params:
        _remove_marks(found)
    match found:
        case {"system": [{"type": "text", "text": text, **others}]} if not others:
            found["system"] = text
    return _digest(found)


def _remove_marks(params: Params) -> None:
    contents = [message.get("content") for message in _list_of_dicts(params.get("messages"))]
    blocks = [
        block for each in (params.get("tools"), params.get("system"), *contents) for block in _list_of_dicts(each)
    ]
    inner = [block for holder in blocks for block in _list_of_dicts(holder.get("content"))]
    for holder in (params, *blocks, *inner):
        holder.pop("cache_control", None)


def _digest(params: Params) -> bytes:
    return blake2b(msgspec.json.encode(params, order="deterministic"), digest_size=HASH_BYTES).digest()
