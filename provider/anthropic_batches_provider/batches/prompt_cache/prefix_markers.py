"""Marks the end of the prefix that all requests of a job share, once and identically in each.

Invariants: only the mark is added; all else of a request stays byte for byte. A request whose prefix has other bytes
than that of the first is refused: it would write an entry of its own, at a premium.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from anthropic_batches_provider.batches.json_spans import RepeatedFieldError, Span, field_spans, item_spans
from anthropic_batches_provider.batches.limits import MAX_CACHE_BREAKPOINTS
from anthropic_batches_provider.batches.prompt_cache.cache_rules import CacheTtl, PromptCache
from anthropic_batches_provider.batches.prompt_cache.marked_blocks import SHARED, MarkedBlock, block_to_mark
from anthropic_batches_provider.batches.prompt_cache.own_marks import MARK, own_marks
from anthropic_batches_provider.batches.requests.wording import row_name, shortened
from anthropic_batches_provider.errors import ConfigurationError

PREFIX_PARAMS = ("model", "tools", "system", "output_config", "tool_choice", "thinking")
"""The params that are part of an entry of the cache, or by which entries are kept apart."""

_PARTS = (*PREFIX_PARAMS, SHARED)
_MENTION = b'"cache_control"'
_TINY = {"type": "text", "text": "."}
_IN_CONTENT = b'[{"content":[0'
_NEVER = b"]"  # no JSON begins like this
_decode_value = msgspec.json.Decoder(msgspec.Raw).decode


class PrefixMarker:
    """Marks the requests of one job as its first.

    :param first: the Messages params of the first row.
    :param number: its position, from 0.
    :raises ConfigurationError: it cannot be marked; says what to do.
    """

    def __init__(self, first: bytes, number: int, asked: PromptCache) -> None:
        self._asked = asked
        self._number = number
        found = _parts_of(first, number, asked)
        self._block = block = _block_of(first, number, found, asked)
        self._prefix = {name: span.of(first) for name, span in found.parts.items()}
        # A row that has the bytes before and after the own part of the first differs in its own part alone.
        self._opening, (start, end) = found.opening, found.own
        self._head, self._tail = first[:start], first[end:]
        self._marked_head, self._marked_tail = self._head, self._tail
        replaced = found.parts[block.part]
        if replaced.start < start:
            self._marked_head = self._head[: replaced.start] + block.marked + self._head[replaced.end :]
        else:
            self._marked_tail = first[end : replaced.start] + block.marked + first[replaced.end :]
        _check_own_marks(first, number, block, asked.ttl)

    @property
    def model(self) -> str:
        """The model that all rows ask."""
        return str(msgspec.json.decode(self._prefix["model"]))

    @property
    def prefix_bytes(self) -> int:
        """How many bytes of each request are the prefix."""
        return sum(map(len, self._prefix.values()))

    def marked(self, params: bytes, number: int) -> bytes:
        """Return the params of a row with the mark.

        :param number: its position, from 0.
        :raises ConfigurationError: they cannot be marked, or their prefix differs; names the row and the field.
        """
        if params.startswith(self._head) and params.endswith(self._tail):
            own = params[len(self._head) : len(params) - len(self._tail)]
            if _MENTION not in own and _is_value(self._opening + own):
                return b"%b%b%b" % (self._marked_head, own, self._marked_tail)
        return self._found_and_marked(params, number)

    def _found_and_marked(self, params: bytes, number: int) -> bytes:
        parts = _parts_of(params, number, self._asked).parts
        for name in _PARTS:
            if not _is_same(params, parts.get(name), self._prefix.get(name)):
                raise _other_prefix(name, number, self._number)
        _check_own_marks(params, number, self._block, self._asked.ttl)
        start, end = parts[self._block.part]
        view = memoryview(params)
        return b"".join((view[:start], self._block.marked, view[end:]))

    def counted_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return params whose prompts differ by the prefix alone: with it, and without; the rest is a tiny message."""
        prefix = {name: msgspec.json.decode(value) for name, value in self._prefix.items() if name != SHARED}
        shared = msgspec.json.decode(b"[%b]" % self._prefix.get(SHARED, b""))
        whole = prefix | {"messages": [{"role": "user", "content": [*shared, _TINY]}]}
        return whole, {"model": prefix["model"], "messages": [{"role": "user", "content": [_TINY]}]}


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the parts of a request stand.

    :param parts: those of the prefix, by name.
    :param own: the row's own: its messages, or what follows the shared blocks in them.
    :param opening: makes the row's own part one JSON value, if it is the end of the messages and nothing else.
    """

    parts: dict[str, Span]
    own: Span
    opening: bytes


def _parts_of(params: bytes, number: int, asked: PromptCache) -> _Parts:
    """Find the parts of a request.

    :raises ConfigurationError: they have another shape than the API's, or mark each row's own prompt.
    """
    try:
        fields = field_spans(params)
        parts = {name: fields[name] for name in PREFIX_PARAMS if name in fields or name == "model"}
        found = _Parts(parts, fields["messages"], b"")
        if asked.shared_blocks:
            found = _with_shared_blocks(params, found, asked.shared_blocks)
    except RepeatedFieldError as error:
        raise _refused(number, f"{error} in its params, and only one of them counts", "Give it once") from error
    except (msgspec.MsgspecError, LookupError) as error:
        raise _refused(number, f"its params have another shape than the API's ({error!r})", "Correct them") from error
    if MARK in fields and fields[MARK].of(params) != b"null":
        raise _refused(
            number,
            f"its params hold `{MARK}`, which would put each row's own prompt into the cache, at a premium",
            f"Leave `{MARK}` out: prompt_cache= marks what the rows share",
        )
    return found


def _with_shared_blocks(params: bytes, found: _Parts, shared_blocks: int) -> _Parts:
    """Find the blocks at the beginning of the first message, too.

    :raises LookupError: there are fewer, or the message is not the user's.
    """
    message = field_spans(params, item_spans(params, found.own)[0])
    role, content = message["role"], message["content"]
    if role.of(params) != b'"user"':
        raise LookupError("the first message is not the user's")
    blocks = item_spans(params, content)
    if len(blocks) < shared_blocks:
        raise LookupError(f"the first message has fewer than {shared_blocks} blocks")
    shared = Span(blocks[0].start, blocks[shared_blocks - 1].end)
    # A role after the content would be in the row's own part, where it could be another one.
    opening = _IN_CONTENT if role.start < content.start else _NEVER
    return _Parts(found.parts | {SHARED: shared}, Span(shared.end, found.own.end), opening)


def _block_of(params: bytes, number: int, found: _Parts, asked: PromptCache) -> MarkedBlock:
    """Return the block that is marked, of the first row.

    :raises ConfigurationError: there is none, or it cannot carry a mark.
    """
    try:
        block = block_to_mark(params, found.parts, asked.ttl)
    except RepeatedFieldError as error:
        raise _refused(number, f"{error} in one block, and only one of them counts", "Give it once") from error
    except msgspec.MsgspecError as error:
        raise _refused(number, f"its system prompt or a tool is no content block ({error})", "Correct it") from error
    if block is None:
        raise _refused(
            number,
            "the rows share nothing that can be marked: it has no shared_context, no system prompt and no tools",
            "Give what the rows share as shared_context= or system=, or leave prompt_cache out",
        )
    if block.problem:
        raise _refused(number, f"{block.name} {block.problem}", "Correct it, or leave prompt_cache out")
    return block


def _check_own_marks(params: bytes, number: int, block: MarkedBlock, ttl: CacheTtl) -> None:
    """Check that ours can stand beside the marks that a request already has.

    :raises ConfigurationError: one at our place has another TTL, the order of TTLs is refused, or there are too many.
    """
    if _MENTION not in params:
        return
    marks = list(own_marks(params))
    there = [mark for mark in marks if mark.place == block.place]
    if there and there[0].ttl != ttl:
        raise _refused(
            number,
            f"{block.name} already has `{MARK}` with the ttl {shortened(str(there[0].ttl))}, and not {ttl}",
            f"Leave `{MARK}` out there, or give it and prompt_cache the same ttl",
        )
    wrong_before = ttl == "1h" and any(mark.ttl == "5m" and mark.place < block.place for mark in marks)
    wrong_after = ttl == "5m" and any(mark.ttl == "1h" and mark.place > block.place for mark in marks)
    if wrong_before or wrong_after:
        where = "5m before ours of 1h" if wrong_before else "1h after ours of 5m"
        raise _refused(
            number,
            f"it has `{MARK}` with the ttl {where}, and the API takes no longer ttl after a shorter one",
            f'Give its marks the ttl {ttl}, or set prompt_cache="{"5m" if wrong_before else "1h"}"',
        )
    if len(marks) + (not there) > MAX_CACHE_BREAKPOINTS:
        raise _refused(
            number,
            f"it has `{MARK}` {len(marks)} times, and once more with prompt_cache; the API takes "
            f"{MAX_CACHE_BREAKPOINTS}",
            "Remove one of its own marks, or leave prompt_cache out",
        )


def _is_value(text: bytes) -> bool:
    """Return whether a text is exactly one JSON value."""
    try:
        _decode_value(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _is_same(params: bytes, span: Span | None, first: bytes | None) -> bool:
    if span is None or first is None:
        return span is None and first is None
    return span.end - span.start == len(first) and params.startswith(first, span.start)


def _other_prefix(part: str, number: int, first_number: int) -> ConfigurationError:
    name = "the shared beginning of its first message" if part == SHARED else f"its `{part}`"
    return _refused(
        number,
        f"{name} is not, byte for byte, that of row {first_number}, so that they cannot share an entry of the cache",
        f"Give all rows the same {', '.join(PREFIX_PARAMS)} and shared_context, or leave prompt_cache out",
    )


def _refused(number: int, what: str, way: str) -> ConfigurationError:
    return ConfigurationError(
        f"{row_name(number)} cannot be marked for the prompt cache: {what}. {way}. Nothing was sent."
    )
