"""The JSON of an answer's text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from anthropic_batches_provider.batches.undecodable import UNDECODABLE, check_nesting

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.output.answered_row import AnsweredRow


def parsed_text(row: AnsweredRow, text: str) -> Any:
    """Return the JSON of an answer; None if there is none.

    It is the whole text. If that is no JSON, it is the last of several text blocks, or what follows a preface.

    :param text: all text of the answer.
    """
    try:
        return _decoded(text)
    except _NO_JSON:
        # What was cut off, or refused, is no JSON: a part of it must not be taken for the answer.
        return _after_preface(row.result.last_text or text) if row.result.stop_reason == "end_turn" else None


def _decoded(text: str) -> Any:
    check_nesting(text.encode())
    return _PARSER.decode(text)


def _after_preface(text: str) -> Any:
    """Return the JSON that is the text, or that begins one of its lines and ends it; None if there is none.

    Text that itself begins like JSON has no preface.
    """
    text = text.strip().removesuffix("```").rstrip()
    beginnings = [0] if text.startswith(("{", "[")) else [found.end() - 1 for found in _LINE_OF_JSON.finditer(text)]
    for beginning in beginnings[:_MOST_BEGINNINGS]:
        try:
            return _decoded(text[beginning:])
        except _NO_JSON:
            continue
    return None


_PARSER = msgspec.json.Decoder()
_NO_JSON = (*UNDECODABLE, UnicodeError)
_LINE_OF_JSON = re.compile(r"\n[ \t]*[\[{]")
_MOST_BEGINNINGS = 20
