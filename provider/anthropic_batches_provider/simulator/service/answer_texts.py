"""The forms that the text of an answer can take: fenced, behind a preface, cut off, begun, continued."""

from __future__ import annotations

import msgspec

PREFACE = "Here is the answer in the form that you asked for."


def fenced(text: str) -> str:
    """Return ``text`` as a block of JSON in Markdown."""
    return f"```json\n{text}\n```"


def prefaced(text: str) -> str:
    """Return a sentence, a blank line, and ``text``."""
    return f"{PREFACE}\n\n{text}"


def cut_off(text: str, *, never_json: bool) -> str:
    """Return about the first half of ``text``, and at least a character.

    :param never_json: return less, down to nothing, as long as it is JSON: half of ``1234`` is.
    """
    end = max(1, len(text) // 2)
    while never_json and end and _is_json(text[:end]):
        end -= 1
    return text[:end]


def beginning_of(text: str) -> str:
    """Return about the first half of ``text``, and at least a character.

    It does not end in whitespace, which the service does not take at the end of a conversation.
    """
    return text[: max(1, len(text) // 2)].rstrip() or text


def rest_of(text: str, begun: str) -> str:
    """Return what is left of ``text`` after ``begun``; all of it, if it does not begin so."""
    return text.removeprefix(begun)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
