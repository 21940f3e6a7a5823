"""What a prompt prints for a value: text as it is, data as JSON, and nothing that only Python would understand.

Jinja prints by ``str()``: a missing value as ``None`` or ``nan``, a dict as Python code, an object with its address.
The words would be sent and paid for. Here a missing value is an error, unless ``default`` replaces it, and so is a
value that no text stands for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Set, ValuesView
from enum import Enum
from typing import Any

from jinja2 import Environment, StrictUndefined, Undefined
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import FILTERS
from jinja2.nodes import Concat
from jinja2.runtime import markup_join

from anthropic_batches_provider.batches.requests.encoding import NotJsonError, written_json
from anthropic_batches_provider.batches.requests.exact_values import is_missing, is_of_driver

_DATA = (Mapping, list, tuple, Set)
_TEXT_FILTERS = (
    "capitalize", "center", "e", "escape", "forceescape", "indent", "lower", "string", "striptags", "title",
    "trim", "truncate", "upper", "urlize", "wordcount", "wordwrap",
)  # fmt: skip


class NotPrintableError(ValueError):
    """A value that a prompt cannot print. The text completes "the prompt prints …".

    :ivar is_missing: whether it stands for a missing value.
    """

    def __init__(self, problem: str, *, is_missing: bool = False) -> None:
        super().__init__(problem)
        self.is_missing = is_missing


class UndefinedInPrompt(StrictUndefined):
    """A name that a prompt uses and that is not there; any other undefined value is one of the row's own."""

    __slots__ = ()


def printed(value: Any) -> Any:
    """Return what a prompt prints for a value: text, or something whose ``str()`` is the text.

    :raises NotPrintableError: it is missing, or no text stands for it.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value
    if isinstance(value, UndefinedInPrompt):
        return value  # its own error says more
    if isinstance(value, Undefined):
        raise NotPrintableError("a missing value (Undefined)", is_missing=True)  # most kinds print nothing
    if hasattr(value, "__html__"):
        return value  # what knows HTML knows its text
    if is_missing(value):
        raise NotPrintableError(f"a missing value ({value!r:.40})", is_missing=True)
    if isinstance(value, Enum) and isinstance(value, (str, int, float)):
        return value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return value
    if isinstance(value, (ValuesView, ItemsView)):
        value = list(value)
    if isinstance(value, _DATA) or (kind.__module__ == "numpy" and hasattr(value, "__len__")):
        try:
            return written_json(value)
        except NotJsonError as error:
            raise NotPrintableError(f"a {kind.__name__} that is not JSON: {error}") from error
    return _printed_object(value)


def prepare_printing(environment: Environment) -> None:
    """Let an environment print by these rules. Filters of the environment's own stay, and so does its ``finalize``.

    ``default`` also replaces missing values; ``tojson`` gives plain JSON, without HTML escapes; filters of text and
    ``~`` refuse what cannot be printed.
    """
    environment.finalize = _after(environment.finalize)
    environment.code_generator_class = _CheckedConcatenation
    escape = environment.autoescape
    environment.__dict__["printed_text"] = _joined_markup if (escape(None) if callable(escape) else escape) else _joined
    ours = {
        **{name: _checking_filter(FILTERS[name]) for name in _TEXT_FILTERS},
        **{name: _checking_filter(FILTERS[name], checks_all=True) for name in ("format", "replace")},
        "urlencode": _refusing_missing(FILTERS["urlencode"]),
        "join": _checking_join(FILTERS["join"]),
        "default": _default,
        "d": _default,
        "tojson": _to_json,
    }
    environment.filters = {
        name: ours[name] if name in ours and function is FILTERS[name] else function
        for name, function in environment.filters.items()
    }


def _printed_object(value: Any) -> Any:
    kind: Any = type(value)
    if isinstance(value, Enum):
        raise NotPrintableError(f"the Enum {value}; print its .value")
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise NotPrintableError(f"{kind.__name__}, which are no text; decode them in the source of the rows")
    if is_of_driver(value):
        raise NotPrintableError(f"a {kind.__name__} of the database's driver; cast it to text in the query")
    if isinstance(value, Iterator) or (callable(value) and kind.__str__ is object.__str__):
        raise NotPrintableError(f"a {kind.__name__}, which is no value; call it, or loop over it")
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        raise NotPrintableError(f"an object of type {kind.__name__}, which has no text; print one of its attributes")
    return value


def _after(finalize: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return what prints a value after the environment's own rule for it, if there is one."""
    if finalize is None:
        return printed
    if hasattr(finalize, "jinja_pass_arg"):
        return finalize
    return lambda value: printed(finalize(value))


def _joined_markup(parts: Iterable[Any]) -> str:
    return markup_join([printed(part) for part in parts])


def _joined(parts: Iterable[Any]) -> str:
    return "".join([str(printed(part)) for part in parts])


class _CheckedConcatenation(CodeGenerator):
    """Compiles ``a ~ b`` into a join of the printed parts."""

    def visit_Concat(self, node: Concat, frame: Frame) -> None:  # noqa: N802 - the name is Jinja's
        self.write("environment.printed_text((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


def _checking_filter(function: Callable[..., Any], *, checks_all: bool = False) -> Callable[..., Any]:
    """Wrap a filter of text: what it gets as text must be printable, and with ``checks_all`` its arguments too."""
    position = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        end = len(args) if checks_all else position + 1
        texts = [printed(arg) for arg in args[position:end]]
        if checks_all:
            kwargs = {name: printed(arg) for name, arg in kwargs.items()}
        return function(*args[:position], *texts, *args[end:], **kwargs)

    return checking


def _refusing_missing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter of text that also takes data: only a missing value is refused."""

    @functools.wraps(function)
    def refusing(value: Any, *args: Any, **kwargs: Any) -> Any:
        return function(printed(value) if is_missing(value) else value, *args, **kwargs)

    return refusing


def _checking_join(function: Callable[..., Any]) -> Callable[..., Any]:
    position = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        values = args[position]
        if "attribute" not in kwargs and len(args) <= position + 2:
            values = [printed(value) for value in values]
        separators = [printed(arg) for arg in args[position + 1 : position + 2]]
        return function(*args[:position], values, *separators, *args[position + 2 :], **kwargs)

    return checking


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """Return the value; a default for one that is undefined or missing, or, with ``boolean``, false."""
    if isinstance(value, Undefined) or is_missing(value) or (boolean and not value):
        return default_value
    return value


def _to_json(value: Any, indent: int = 0) -> str:
    """Return a value as plain JSON, in the order of its columns."""
    if isinstance(value, Undefined):
        return str(value)  # raises its own error
    try:
        return written_json(value, indent)
    except NotJsonError as error:
        raise NotPrintableError(f"a {type(value).__name__} that is not JSON: {error}") from error
