"""What `rows=` takes besides data, text and callables: sources with arguments of their own, which Airflow renders.

Airflow wires the output of other tasks inside a source and renders its templates, but shows and stores only a label.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.edge.templated_arguments import TemplatedArguments
from anthropic_batches_provider.edge.uris import as_uri, is_path, local_path, shown_uri
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.rows import Reading
    from anthropic_batches_provider.edge.templates import Templates


class RowSource(TemplatedArguments):
    """A source of rows with arguments of its own."""

    @abstractmethod
    def check(self, templates: Templates) -> None:
        """Check when the DAG is parsed, as far as no run is needed.

        :raises ConfigurationError: an argument can never be right.
        """

    @abstractmethod
    def label(self) -> str:
        """Return what Airflow shows and stores of this source; never data."""

    @abstractmethod
    def read(self, context: Context, reading: Reading) -> Iterator[Any]:
        """Yield the rows, from the start at each call."""

    def serialize(self) -> str:
        """Return the label, as Airflow's serialized DAG."""
        return self.label()

    def __str__(self) -> str:
        return self.label()

    __repr__ = __str__


class FileRows(RowSource):
    """The rows of files; :func:`.files` describes the arguments."""

    templated = ("uri", "options")

    def __init__(self, uri: Any, options: FileOptions) -> None:
        self.uri = _as_uris(uri)
        self.options: Any = options.given()

    def check(self, templates: Templates) -> None:
        if templates.is_literal(self.options):
            self._options().check()
        for uri in [self.uri] if isinstance(self.uri, str) else self.uri if isinstance(self.uri, list) else []:
            if isinstance(uri, str) and not templates.in_text(uri):
                local_path(uri)

    def label(self) -> str:
        if isinstance(self.uri, str):
            return f"files({shown_uri(self.uri)})"
        return f"files({self.uri})" if isinstance(self.uri, ResolveMixin) else f"files({len(self.uri)} URIs)"

    def read(self, context: Context, reading: Reading) -> Iterator[Any]:
        from anthropic_batches_provider.edge.row_files import read_row_files

        uris = _as_uris(self.uri)
        options = self._options()
        options.check()
        return read_row_files([uris] if isinstance(uris, str) else uris, reading, options)

    def _options(self) -> FileOptions:
        return FileOptions.rendered(self.options)


class SeveralSources(RowSource):
    """The rows of several sources, one after the other.

    :param sources: sources, URIs and paths.
    """

    templated = ("sources",)

    def __init__(self, sources: Sequence[Any]) -> None:
        self.sources = [each if isinstance(each, RowSource) else FileRows(each, FileOptions()) for each in sources]

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        for each in self.sources:
            yield from each.iter_references()

    def resolve(self, context: Context, *_: Any, may_render: bool = True, **__: Any) -> Self:
        resolved = copy(self)
        resolved.sources = [each.resolve(context, may_render=may_render) for each in self.sources]
        return resolved

    def check(self, templates: Templates) -> None:
        for each in self.sources:
            each.check(templates)

    def label(self) -> str:
        return f"[{', '.join(each.label() for each in self.sources)}]"

    def read(self, context: Context, reading: Reading) -> Iterator[Any]:
        for each in self.sources:
            yield from each.read(context, reading)


def source_of_list(value: Any) -> RowSource | None:
    """Return the source that a list of URIs, paths and sources makes; None if the value is something else."""
    if is_list_of_uris(value):
        return FileRows(value, FileOptions())
    if not isinstance(value, (list, tuple)) or not any(isinstance(each, RowSource) for each in value):
        return None
    others = [each for each in value if not isinstance(each, (RowSource, str)) and not is_path(each)]
    if others:
        raise ConfigurationError(
            f"rows= is a list of sources that also holds a value of type {type(others[0]).__name__}. Give sources, "
            "URIs and paths alone, or rows alone. Nothing was sent."
        )
    return SeveralSources(value)


def is_list_of_uris(value: Any) -> bool:
    """Return whether a value is a list of URIs and paths, and not of rows."""
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(each, str) or is_path(each) for each in value)
    )


def _as_uris(value: Any) -> Any:
    """Return a URI or a list of URIs as text; another task's output as it is.

    :raises ConfigurationError: it is none of these.
    """
    if isinstance(value, RowSource):
        raise ConfigurationError(f"files(…) takes URIs and paths, not {value}. Give rows=[…] a list of both.")
    if isinstance(value, ResolveMixin) or (isinstance(value, str) and value) or is_path(value):
        return as_uri(value, "files")
    if isinstance(value, Sequence) and is_list_of_uris(value):
        return [as_uri(each, "files") for each in value]
    given = "an empty list" if value in ([], ()) else f"a value of type {type(value).__name__}"
    raise ConfigurationError(f"files(…) takes a URI, an absolute path, or a list of these, not {given}.")
