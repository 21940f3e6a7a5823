"""The content blocks that all rows share: the first of each row's first user message, encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from anthropic_batches_provider.batches.json_spans import RepeatedFieldError, Span, field_spans, item_spans
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_arguments
from anthropic_batches_provider.batches.requests.params import check_size
from anthropic_batches_provider.batches.requests.wording import row_name
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError


def encoded_blocks(blocks: Sequence[Mapping[str, Any]]) -> bytes:
    """Return content blocks as JSON, with a comma after each: what stands before further blocks in their list.

    :raises ConfigurationError: they are no content blocks, or no JSON.
    """
    if not all("type" in block for block in blocks):
        raise ConfigurationError(
            "`shared_context` must be text, files, or content blocks, such as {'type': 'text', 'text': …}."
        )
    try:
        return b"".join(b"%b," % encode_arguments(block) for block in blocks)
    except NotJsonError as error:
        raise ConfigurationError(f"`shared_context` cannot be sent: {error}. Clean its text.") from error


def with_shared_blocks(params: bytes, blocks: bytes, number: int) -> bytes:
    """Put shared blocks before the content of the first message of a row, which must be the user's.

    A content of text becomes a list of blocks. All else stays byte for byte.

    :param params: Messages params.
    :param blocks: as :func:`encoded_blocks` returns them.
    :param number: the row's position, from 0.
    :raises InvalidRowError: the first message is not the user's, or has no content; or the params are too long now.
    """
    content = _first_content(params, number)
    given = content.of(params)
    if given[:1] == b'"':
        within = b'{"type":"text","text":%b}]' % given
    else:
        items = item_spans(params, content)
        within = params[items[0].start : content.end] if items else b""
    shared = b"[%b%b" % (blocks, within) if within else b"[%b]" % blocks[:-1]
    encoded = b"%b%b%b" % (params[: content.start], shared, params[content.end :])
    check_size(encoded, number)
    return encoded


def _first_content(params: bytes, number: int) -> Span:
    """Return where the content of the first message stands.

    :raises InvalidRowError: the first message is not the user's, or has no content.
    """
    try:
        message = field_spans(params, item_spans(params, field_spans(params)["messages"])[0])
        content = message["content"]
        if message["role"].of(params) == b'"user"' and content.of(params)[:1] in (b'"', b"["):
            return content
    except (msgspec.MsgspecError, RepeatedFieldError, LookupError):
        pass  # as if it were not there: the row is refused, and by which rule matters little
    raise InvalidRowError(
        f"{row_name(number)}: the first of its `messages` must be {{'role': 'user', 'content': …}}, with text or a "
        "list of blocks: shared_context is put before that content. Correct request_builder, or leave shared_context "
        "out.",
        row_number=number,
    )
