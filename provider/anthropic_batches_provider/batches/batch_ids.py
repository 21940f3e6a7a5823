"""The form of a message batch's id, wherever one enters: a template, an argument, an answer or a list.

An id becomes a part of paths, in URLs and in storage, so it must not be able to lead elsewhere. The API's own begin
with ``msgbatch_``; a gateway's may not.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from anthropic_batches_provider.errors import ConfigurationError

_FORM = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,127}")
# Templates, JSON and data frames print a missing value as one of these.
_WORDS = frozenset(("none", "null", "nan", "nat", "nil", "undefined", "true", "false"))


def is_batch_id(value: object) -> TypeGuard[str]:
    """Return whether a value can be the id of a message batch."""
    return isinstance(value, str) and _FORM.fullmatch(value) is not None and value.lower() not in _WORDS


def check_batch_id(value: object, place: str) -> str:
    """Return an id as it is.

    :param place: the argument that holds it, for the message.
    :raises ConfigurationError: the value can be no id; names it, and says what to check.
    """
    if is_batch_id(value):
        return value
    raise ConfigurationError(
        f"{place} holds {value!r:.200}, which is not the id of a message batch: {_fault(value)} "
        "Nothing was sent for it; batches that run keep running."
    )


def _fault(value: object) -> str:
    if not isinstance(value, str):
        return f"it is of type {type(value).__name__}. Give each id as text, such as 'msgbatch_…'."
    if not value.strip():
        return "it is empty. Check that the task or parameter that it comes from gives ids (msgbatch_…)."
    if value.strip().lower() in _WORDS:
        return (
            "it is the word for a missing or other value. Check that the task or parameter that it comes from gives "
            "ids (msgbatch_…): a template prints None where an XCom is missing."
        )
    if re.search(r"[/\\?#%]", value):
        return "it is a URL or a path. Give the id alone (msgbatch_…), without the address around it."
    return (
        "an id has 1 to 128 letters, digits, dots, '-' and '_', and does not begin with a dot. "
        "Give the id as the API returned it (msgbatch_…)."
    )
