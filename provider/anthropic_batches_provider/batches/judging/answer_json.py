"""Finds the JSON in the text of an answer."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from anthropic_batches_provider.batches.results import Result
from anthropic_batches_provider.batches.undecodable import UNDECODABLE, check_nesting


class AnswerJson(msgspec.Struct, frozen=True, gc=False):
    """The JSON of an answer.

    :param text: as the answer gives it.
    :param value: what it says.
    """

    text: str
    value: Any

    def on_one_line(self) -> msgspec.Raw:
        """Return the answer's own JSON, with its digits and escapes, without line ends."""
        encoded = self.text.encode()
        if b"\n" in encoded or b"\r" in encoded:
            encoded = msgspec.json.format(encoded, indent=-1)
        return msgspec.Raw(encoded)


def json_of(result: Result) -> AnswerJson | None:
    """Return the JSON of an answer; None if there is none.

    It is the whole text. If that is no JSON, it is the last of several text blocks, or what follows a preface.
    """
    text = result.text
    if text is None:
        return None
    try:
        return _decoded(text)
    except _NO_JSON:
        # What was cut off, or refused, is no JSON: a part of it must not be taken for the answer.
        return _after_preface(result.last_text or text) if result.stop_reason == "end_turn" else None


def _decoded(text: str) -> AnswerJson:
    check_nesting(text.encode())
    return AnswerJson(text, _PARSER.decode(text))


def _after_preface(text: str) -> AnswerJson | None:
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
