"""The per-row prompt: a Jinja template compiled once and run by its root render function.

``Template.render`` copies the whole context for each row. Here one context serves all rows. Values that a row leaves
behind in it are cleared before the next row, so that no row ever sees another's values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from jinja2 import Environment, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.runtime import Context

from anthropic_batches_provider.batches.requests.exact_values import is_missing
from anthropic_batches_provider.batches.requests.printing import (
    NotPrintableError,
    UndefinedInPrompt,
    prepare_printing,
    printed,
)
from anthropic_batches_provider.batches.requests.prompt_syntax import checked_source, no_template
from anthropic_batches_provider.batches.requests.wording import in_other_form, listed, reason, row_name, shortened
from anthropic_batches_provider.errors import InvalidRowError

_TOP_LEVEL_NAME = re.compile(r"'(\w+)' is undefined")


_LOADS_OTHERS = (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)


class PrintedColumn(NamedTuple):
    """A column of the row that a prompt prints as it is."""

    name: str


class PromptTemplate:
    """A prompt, rendered once per row with ``row`` and the run's context.

    An attribute of a row is its column, if it has one: ``{{ row.items }}`` is the column ``items``. If there is no such
    column, it is the dict's method, which can be called (``row.items()``) but not printed. The same is true for objects
    inside a row. Undefined names are errors, whichever undefined type the environment has.

    Not thread-safe.

    :ivar columns: the columns that the template mentions; None if it may print any.
    :ivar mentions_row: whether its text can depend on the row.
    :ivar pieces: literal text and columns that are printed as they are, in order; None if it holds anything else.
    :param source: the template's text.
    :param environment: compiles and sandboxes; its filters, globals and loader are kept. It is not changed.
    :param context: the names that the template sees in addition to ``row``; copied.
    :raises ConfigurationError: if the source is empty or not a valid template; names the line.
    """

    def __init__(self, source: str, environment: Environment, context: Mapping[str, Any]) -> None:
        self.source = checked_source(source)
        overlay = environment.overlay(undefined=_Missing, enable_async=False)
        overlay.__dict__["getattr"] = _columns_first(overlay.getattr)
        prepare_printing(overlay)
        try:
            parsed = overlay.parse(source)
            # Inheritance changes the context's blocks permanently; such a template gets a new context per row.
            self._extends = parsed.find(nodes.Extends) is not None
            self._columns = _columns_by_line(parsed)
            self.mentions_row = _mentions_row(parsed)
            prints_any = _prints_any_column(parsed, named=len(self._columns))
            self.columns = None if prints_any else frozenset(name for _, name in self._columns)
            self._template = overlay.from_string(source)
            prints_plainly = environment.finalize is None and overlay.autoescape is False
            pieces = _pieces(parsed) if prints_plainly else None
        except TemplateSyntaxError as error:
            raise no_template(error) from error
        self._values = dict(context)
        self._root = self._template.root_render_func
        self._context = self._new_context()
        self.pieces = pieces if pieces is not None and self._prints(pieces) else None

    def render(self, row: Mapping[str, Any], number: int) -> str:
        """Return the prompt of one row.

        :param row: the row; plain dicts are used as they are, other mappings are copied.
        :param number: the row's position, from 0.
        :raises InvalidRowError: if the template fails on this row; names the variable and the columns that exist.
        """
        if type(row) is not dict:
            row = dict(row)
        context = self._new_context() if self._extends else self._context
        if context.vars:
            context.vars.clear()
            context.exported_vars.clear()
        context.parent["row"] = row
        try:
            return "".join(self._root(context))
        except Exception as error:
            raise InvalidRowError(self._failure(error, row, number), row_number=number) from error

    def _prints(self, pieces: Sequence[str | PrintedColumn]) -> bool:
        """Return whether the template prints what its pieces say; an environment may print in ways of its own."""
        row = {
            piece.name: f"<{number} & 'x'>" for number, piece in enumerate(pieces) if isinstance(piece, PrintedColumn)
        }
        try:
            printed_row = self.render(row, 0)
        except InvalidRowError:
            return False
        return printed_row == "".join(piece if isinstance(piece, str) else row[piece.name] for piece in pieces)

    def unsendable_column(self, row: Mapping[str, Any]) -> str | None:
        """Return the first column that the prompt may print and whose text no encoding allows; None if none is."""
        for name in row if self.columns is None else [name for name in row if name in self.columns]:
            try:
                str(printed(row[name])).encode()
            except UnicodeEncodeError:
                return name
            except Exception:  # noqa: BLE001, S112 - a value that is not printed may be of any kind
                continue
        return None

    def _new_context(self) -> Context:
        return self._template.new_context(self._values)

    def _failure(self, error: Exception, row: Mapping[str, Any], number: int) -> str:
        line = self._failed_line(error.__traceback__)
        if isinstance(error, NotPrintableError):
            return self._not_printable(error, row, number, line)
        what = error.message if isinstance(error, UndefinedError) and error.message else reason(error)
        name = match[1] if (match := _TOP_LEVEL_NAME.fullmatch(what)) else None
        if name is None:
            hint = "Fix the row or the prompt; `| default('…')` allows for a value that some rows lack"
        elif name in row:
            hint = f"Columns are attributes of `row`: write {{{{ row.{name} }}}}"
        else:
            hint = f"A prompt sees `row` and: {listed(sorted(self._values))}"
        names = [] if isinstance(error, UndefinedError) else self._columns_at(line, row)
        return (
            f"{row_name(number)}: the prompt fails at line {line}{_in_column(names)}: {shortened(what, 300)}. "
            f"{hint}. The row's columns are: {listed(row)}."
        )

    def _not_printable(self, error: NotPrintableError, row: Mapping[str, Any], number: int, line: int | str) -> str:
        """Return a sentence that names the column at fault, as far as its line tells."""
        here = self._columns_at(line, row)
        names = [name for name in here if not error.is_missing or _is_nothing(row[name])]
        shown = f"row.{names[0]}" if len(names) == 1 else "…"
        hint = (
            f"Fix the row, leave it out, or allow for it: {{{{ {shown} | default('') }}}}"
            if error.is_missing
            else "Fix the prompt or the row"
        )
        return f"{row_name(number)}: the prompt prints {error} (line {line}{_in_column(names)}). {hint}."

    def _columns_at(self, line: int | str, row: Mapping[str, Any]) -> list[str]:
        """Return the columns of a row that a line of the template mentions."""
        return list(dict.fromkeys(name for at, name in self._columns if at == line and name in row))

    def _failed_line(self, traceback: TracebackType | None) -> int | str:
        line: int | str = "?"
        while traceback is not None:
            if traceback.tb_frame.f_globals.get("__jinja_template__") is self._template:
                line = self._template.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


def _columns_by_line(template: nodes.Template) -> list[tuple[int, str]]:
    """Return where a template mentions a column of the row: pairs of a line and a column's name."""
    attributes = [(node.lineno, node.attr) for node in template.find_all(nodes.Getattr) if _is_row(node.node)]
    items = [
        (node.lineno, node.arg.value)
        for node in template.find_all(nodes.Getitem)
        if _is_row(node.node) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
    ]
    return attributes + items


def _pieces(template: nodes.Template) -> tuple[str | PrintedColumn, ...] | None:
    """Return literal text and printed columns, in order; None if a template holds anything else."""
    pieces: list[str | PrintedColumn] = []
    for output in template.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            piece = node.data if isinstance(node, nodes.TemplateData) else _printed_column(node)
            if piece is None:
                return None
            pieces.append(piece)
    return tuple(pieces)


def _printed_column(node: nodes.Expr) -> PrintedColumn | None:
    if isinstance(node, nodes.Getattr) and _is_row(node.node):
        return PrintedColumn(node.attr)
    if isinstance(node, nodes.Getitem) and _is_row(node.node) and isinstance(node.arg, nodes.Const):
        return PrintedColumn(node.arg.value) if isinstance(node.arg.value, str) else None
    return None


def _mentions_row(template: nodes.Template) -> bool:
    loads_others = any(template.find(kind) for kind in _LOADS_OTHERS)
    return loads_others or any(map(_is_row, template.find_all(nodes.Name)))


def _prints_any_column(template: nodes.Template, *, named: int) -> bool:
    """Return whether a template may print columns that it does not name.

    :param named: how often it mentions the row to name a column of it.
    """
    if any(template.find(kind) for kind in _LOADS_OTHERS):
        return True
    if any(isinstance(call.node, nodes.Getattr) and _is_row(call.node.node) for call in template.find_all(nodes.Call)):
        return True  # row.items()
    return sum(map(_is_row, template.find_all(nodes.Name))) != named


def _is_row(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Name) and node.name == "row"


def _in_column(names: list[str]) -> str:
    if len(names) == 1:
        return f", in column {names[0]!r}"
    return f", in one of {listed(names)}" if names else ""


def _is_nothing(value: object) -> bool:
    return isinstance(value, Undefined) or is_missing(value)


class _Missing(UndefinedInPrompt):
    """Strict undefined that names the existing columns, and fails only when it is used."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint is None and type(self._undefined_obj) is dict:
            if (other := in_other_form(self._undefined_name, self._undefined_obj)) is not None:
                return f"there is {other!a}, but {self._undefined_name!a} is another Unicode form of that name"
            return f"{self._undefined_name!r} is not among {listed(self._undefined_obj)}"
        return super()._undefined_message


class _DictMethod:
    """A dict's method, reached by a name that no column has; it can be called, but it is not a value."""

    __slots__ = ("_method", "_name")

    def __init__(self, name: str, method: Callable[..., Any]) -> None:
        self._name = name
        self._method = method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._method(*args, **kwargs)

    def __str__(self) -> str:
        raise UndefinedError(f"there is no column {self._name!r}; to call the dict's method, write {self._name}()")

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise UndefinedError(f"there is no column {self._name!r}; to call the dict's method, write {self._name}()")


def _columns_first(attribute_of: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wrap ``Environment.getattr`` so that a dict's keys come before its methods; the sandbox still checks."""

    def columns_first(obj: Any, name: str) -> Any:
        if type(obj) is dict:
            if name in obj:
                return obj[name]
            method = attribute_of(obj, name)
            return method if isinstance(method, Undefined) else _DictMethod(name, method)
        return attribute_of(obj, name)

    return columns_first
