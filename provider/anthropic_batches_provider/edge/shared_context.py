"""The value of ``shared_context=``: texts and files that come before each row's prompt.

Airflow wires and renders it, but stores only labels: never the text of a file, of another task, or of a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import XComArg
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.edge.mapped_arguments import is_literal_argument
from anthropic_batches_provider.edge.shared_files import NAME, NOT_SENT, content_of, found_file, local_file
from anthropic_batches_provider.edge.templated_arguments import refuse_task
from anthropic_batches_provider.edge.templates import Templates
from anthropic_batches_provider.edge.uris import as_uri, is_path, shown_uri
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.requests.shared_parts import SharedPart

TEXT_FILES = (".txt", ".md")
"""A name that ends in one of these is looked for where Airflow finds templates."""

_LONGEST_PATH = 4096
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_SUFFIX = re.compile(r"[^\s.]\.[A-Za-z][A-Za-z0-9]{0,7}\Z")
_FORMS = "a text, a URI, a pathlib.Path, an ObjectStoragePath, or a list of these"


@dataclass(frozen=True, slots=True)
class _Text:
    """A text, whatever it looks like."""

    text: str


@dataclass(frozen=True, slots=True)
class _File:
    """A file by its URI or absolute path."""

    uri: str


@dataclass(frozen=True, slots=True)
class _Named:
    """A file by its name, to be found as Airflow finds templates."""

    name: str


class SharedContext(ResolveMixin):
    """The value of ``shared_context=`` as a template field.

    :param value: a text, a path, the output of another task, or a list of these; None for nothing.
    :raises ConfigurationError: it is a task in place of its output, or a path that :func:`.as_uri` refuses.
    """

    def __init__(self, value: Any, *, is_resolved: bool = False) -> None:
        self.is_given = value is not None
        self.items = tuple(_items_of(value)) if self.is_given else ()
        self._is_resolved = is_resolved

    @classmethod
    def of(cls, value: Any) -> SharedContext:
        """Return a value in its wrapper."""
        return value if isinstance(value, SharedContext) else cls(value)

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        """Yield the references to the upstream tasks whose output is among the texts."""
        for item in self.items:
            if isinstance(item, ResolveMixin):
                yield from XComArg.iter_xcom_references(item)

    def resolve(self, context: Context, *_: Any, **__: Any) -> SharedContext:
        """Return a copy with its templates rendered, and the output of other tasks in place; that is never rendered."""
        if self._is_resolved or not self.is_given:
            return self
        may_render = is_literal_argument(context, NAME)
        resolved = [each for item in self.items for each in _resolved(item, context, may_render=may_render)]
        return SharedContext(resolved, is_resolved=True)

    def check(self, templates: Templates) -> None:
        """Check when the DAG is parsed what no run can make right.

        :raises ConfigurationError: a text names no file and is no text, or a value is of another type.
        """
        if self.is_given and not self.items:
            raise _nothing()
        for item in self.items:
            is_template = (isinstance(item, str) and templates.in_text(item)) or (
                isinstance(item, _File) and templates.marked(item.uri)
            )
            if not is_template and not isinstance(item, ResolveMixin):
                _checked(_part_of(item))

    def blocks(self, context: Context, *, model: object) -> tuple[Mapping[str, Any], ...]:
        """Read the files, and return the content blocks that all rows share.

        :param context: of the running task, which has resolved this.
        :param model: its id.
        :raises ConfigurationError: a text or a file cannot be sent.
        :raises SourceError: a file cannot be read now; a retry may read it.
        """
        if not self.is_given:
            return ()
        if not self.items:
            raise _nothing()
        from anthropic_batches_provider.batches.requests.shared_parts import shared_blocks

        parts = [_read(_part_of(item), self._place(number), context) for number, item in enumerate(self.items, 1)]
        return shared_blocks(parts, model=model)

    def uris(self) -> list[str]:
        """Return the URIs and absolute paths among the files, as far as they are known; no names of template files."""
        return [part.uri for item in self.items if isinstance(part := _kind_of(item), _File)]

    def serialize(self) -> str:
        """Return a label for Airflow's serialized DAG and rendered fields."""
        labels = ", ".join(self._label(item) for item in self.items)
        return f"[{labels}]" if len(self.items) > 1 else labels

    __str__ = serialize

    def _label(self, item: Any) -> str:
        if isinstance(item, ResolveMixin):
            return str(item)
        if isinstance(item, str) and not self._is_resolved and "\n" not in item and len(item) <= 200:  # the DAG has it
            return item
        kind = _kind_of(item)
        if isinstance(kind, _Text):
            return f"<text of {len(kind.text):,} characters>"
        uri = kind.uri if isinstance(kind, _File) else kind.name if isinstance(kind, _Named) else ""
        return shown_uri(uri).strip("'") if uri else f"<{type(item).__name__}>"

    def _place(self, number: int) -> str:
        return f"{NAME}=" if len(self.items) == 1 else f"Item {number} of {NAME}="


def _items_of(value: Any) -> Iterator[Any]:
    """Yield the texts, files and outputs of tasks in a value; lists in lists are taken apart."""
    if (
        isinstance(value, Sequence)
        and not isinstance(value, (str, bytes, bytearray, memoryview))
        and not is_path(value)
    ):
        for each in value:
            yield from _items_of(each)
        return
    refuse_task(value, NAME)
    yield _File(as_uri(value, NAME)) if is_path(value) else value


def _resolved(item: Any, context: Context, *, may_render: bool) -> Iterator[Any]:
    """Yield what an item becomes in a run."""
    task: Any = context["task"]
    if isinstance(item, ResolveMixin):
        yield from _items_of(item.resolve(context))
        return
    text = item.uri if isinstance(item, _File) else item
    templates = Templates.of(task)
    if not isinstance(text, str) or not may_render or not templates.in_text(text):
        yield item
    elif isinstance(item, _File):
        yield _File(task.render_template(text, context) if templates.marked(text) else text)
    elif templates.marked(text):  # what it renders is a text or a name; other texts keep their last line break
        yield from _items_of(task.render_template(text, context))
    else:
        yield _Text(str(task.render_template(text, context)))


def _kind_of(item: Any) -> _Text | _File | _Named | None:
    """Return what an item is; None if it can be sent in no form."""
    if not isinstance(item, str):
        return item if isinstance(item, (_Text, _File, _Named)) else None
    line = item.strip()
    if "\n" in line or "\r" in line or len(line) > _LONGEST_PATH:
        return _Text(item)
    if line.startswith("/"):
        return _File(line)
    if _URI.match(line):
        return _Text(item) if re.search(r"\s", line) else _File(line)
    return _Named(line) if line.lower().endswith(TEXT_FILES) else _Text(item)


def _part_of(item: Any) -> _Text | _File | _Named:
    """Return what an item is.

    :raises ConfigurationError: it is of another type, or a text that must be a mistake.
    """
    kind = _kind_of(item)
    if kind is None:
        output = " (a task that returns nothing has the output None)" if item is None else ""
        raise ConfigurationError(f"{NAME}= has type {type(item).__name__}{output}. Give {_FORMS}. {NOT_SENT}")
    if isinstance(kind, _Text) and isinstance(item, str):
        _refuse_mistyped(item)
    if isinstance(kind, _File) and _WEB.match(kind.uri):
        raise ConfigurationError(
            f"{NAME}= is the web address {shown_uri(kind.uri)}, and files are read from disks and object stores alone. "
            f"Download it in a task before, and give its output or its file. {NOT_SENT}"
        )
    return kind


def _refuse_mistyped(text: str) -> None:
    """Refuse a text that looks like the name of a file, or like nothing, and would be sent as a text.

    :raises ConfigurationError: says what to give, and how to give the text.
    """
    line = text.strip()
    if line == "None":
        raise ConfigurationError(
            f"{NAME}= is the text 'None', which is what a template renders that finds nothing: no XCom, or a parameter "
            f"without a value. Correct the template. If this is the text itself, end it with a full stop. {NOT_SENT}"
        )
    if "\n" in line or "\r" in line or not _SUFFIX.search(line):
        return
    if _URI.match(line):
        raise ConfigurationError(
            f"{NAME}= is {line!r:.200}, which looks like a URI but holds white space. Give a file of such a name as "
            f"ObjectStoragePath(…). If this is the text itself, end it with a full stop. {NOT_SENT}"
        )
    if not re.search(r"\s", line):
        raise ConfigurationError(
            f"{NAME}= is {line!r:.200}, which looks like the name of a file, and is no URI and no absolute path. Give "
            f"the file as pathlib.Path(__file__).parent / {line!r:.200}, or by its URI; only files that end in "
            f"{' or '.join(TEXT_FILES)} are found by name. If this is the text itself, end it with a full stop. "
            f"{NOT_SENT}"
        )


def _checked(part: _Text | _File | _Named) -> None:
    """Check what is known of a part before anything is read.

    :raises ConfigurationError: it is an empty text, or no absolute path.
    """
    if isinstance(part, _Text) and not part.text.strip():
        raise ConfigurationError(f"{NAME}= holds an empty text. Give its text, or leave it out. {NOT_SENT}")
    if isinstance(part, _File):
        local_file(part.uri)


def _read(part: _Text | _File | _Named, place: str, context: Context) -> SharedPart:
    from anthropic_batches_provider.batches.requests.shared_parts import SharedPart

    if isinstance(part, _Text):
        return SharedPart(place, part.text)
    if isinstance(part, _Named):
        return SharedPart(f"The file {part.name!r} of {NAME}=", content_of(str(found_file(part.name, context))))
    return SharedPart(f"The file {shown_uri(part.uri)} of {NAME}=", content_of(part.uri))


def _nothing() -> ConfigurationError:
    return ConfigurationError(
        f"{NAME}= is an empty list. Give {_FORMS}, or leave it out: then rows share nothing but `system` and `tools`. "
        f"{NOT_SENT}"
    )
