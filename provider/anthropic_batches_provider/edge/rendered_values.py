"""What rendered template fields become: numbers, headers, and the params that every request has."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.batches.output.failed_rows import check_max_failed_rows
from anthropic_batches_provider.errors import ConfigurationError

_WHOLE = re.compile(r"[0-9]{1,15}")
_FRACTION = re.compile(r"[0-9]{0,15}\.[0-9]{1,30}")

# The Messages params that are numbers: for these, the text that a template renders is never meant as a text.
_NUMBERS = frozenset(("max_tokens", "budget_tokens", "temperature", "top_k", "top_p"))


def whole_number(name: str, value: Any) -> Any:
    """Return the number that a rendered text writes in digits; what is no text stays as it is.

    :param name: of the argument, for the message.
    :raises ConfigurationError: the text is no whole number.
    """
    if not isinstance(value, str):
        return value
    if not _WHOLE.fullmatch(value.strip()):
        raise ConfigurationError(
            f"{name}= rendered {value!r:.80}, which is not a whole number. Let its template give digits alone, such as "
            "'1000'. Nothing was sent."
        )
    return int(value)


def failed_rows_limit(value: Any) -> int | float:
    """Return the limit on failed rows that an argument gives: a number of rows, or a share of them.

    :param value: a number, or the text of one: digits are rows, a decimal fraction is a share.
    :raises ConfigurationError: it is no such limit.
    """
    limit = _number(value) if isinstance(value, str) else value
    check_max_failed_rows(limit)
    return limit  # type: ignore[no-any-return]


def beta_headers(value: Any) -> tuple[str, ...]:
    """Return the values of the header ``anthropic-beta`` that an argument gives; empty texts are left out.

    :param value: a list of texts, or a rendered text: values separated by commas, or a list in Python or JSON notation.
    :raises ConfigurationError: it is neither.
    """
    found = _listed(value) if isinstance(value, str) else () if value is None else value
    if (
        not isinstance(found, (Sequence, set, frozenset))
        or isinstance(found, (str, bytes))
        or not all(isinstance(each, str) and each != "None" for each in found)
    ):
        raise ConfigurationError(
            f"betas= must be a list of values of the header anthropic-beta, not {value!r:.200}. Give texts, such as "
            "['context-1m-2025-08-07'], or a template that renders them, separated by commas. Nothing was sent."
        )
    ordered = found if isinstance(found, Sequence) else sorted(found)
    return tuple(each for each in ordered if each.strip())


def rendered_params(params: Any, *, marked: Callable[[str], bool], render: Callable[[Any], Any]) -> Any:
    """Return Messages params with their templates rendered, at any depth; all else is the same object as before.

    A text without marks is left as it is: Jinja would take a newline from its end, and a file's name for a template. Of
    the params that are numbers, a rendered text of digits is the number.

    :param marked: whether a text holds the marks of a template.
    :param render: renders a text, or resolves the output of a task.
    """

    def rendered(value: Any, name: Any) -> Any:
        if isinstance(value, ResolveMixin) or (isinstance(value, str) and marked(value)):
            found = render(value)
            return _number(found) if isinstance(found, str) and name in _NUMBERS else found
        if type(value) is dict:
            return {key: rendered(each, key) for key, each in value.items()}
        if type(value) in (list, tuple):
            return type(value)(rendered(each, None) for each in value)
        return value

    try:
        return rendered(params, None)
    except RecursionError:  # refused, with words, when the question is checked
        return params


def _number(text: str) -> Any:
    """Return the number that a text writes in digits, with or without a fraction; else the text, which is none."""
    digits = text.strip()
    if _WHOLE.fullmatch(digits):
        return int(digits)
    return float(digits) if _FRACTION.fullmatch(digits) else text


def _listed(text: str) -> Any:
    text = text.strip()
    try:
        return ast.literal_eval(text) if text[:1] in ("[", "(") else [each.strip() for each in text.split(",")]
    except (ValueError, SyntaxError):
        return None
