"""The source of rows: a list, an XComArg, a callable or a URI. Airflow wires and resolves it, but never shows the data.

Data is never rendered as a template and never stored among the rendered fields: only a URI is templated.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from airflow.providers.common.compat.sdk import XComArg
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.edge.mapped_arguments import is_literal_argument
from anthropic_batches_provider.edge.object_storage import local_path, object_path, open_object, open_storage
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

_GLOB_CHARACTERS = frozenset("*?[")


class RowsArgument(ResolveMixin):
    """The value of ``rows=`` or ``requests=`` as a template field.

    As a plain attribute, an XComArg would be neither wired nor resolved. As an ordinary template field, callables would
    be called with unsuitable arguments, and data would be rendered and stored. So the field holds this object.

    :param source: a URI, an XComArg or an argument of a mapped task group, a callable, or an iterable of rows.
    """

    def __init__(self, source: Any) -> None:
        self.source = source

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        """Yield the references to the upstream tasks that produce this value."""
        if isinstance(self.source, ResolveMixin):
            yield from XComArg.iter_xcom_references(self.source)

    def resolve(self, context: Context, *_: Any, **__: Any) -> RowsArgument:
        """Return a copy with an XComArg resolved and a URI rendered; Airflow calls this for each task instance."""
        source = self.source
        if isinstance(source, ResolveMixin):
            source = source.resolve(context)
        elif isinstance(source, str) and self._may_be_rendered(context):
            task: Any = context["task"]
            source = task.render_template(source, context)
        return RowsArgument(source)

    @staticmethod
    def _may_be_rendered(context: Context) -> bool:
        return is_literal_argument(context, "rows") and is_literal_argument(context, "requests")

    def serialize(self) -> str:
        """Return a label for Airflow's serialized DAG and rendered fields; never data."""
        if self.source is None:
            return ""
        if isinstance(self.source, (str, ResolveMixin)):
            return str(self.source)
        if callable(self.source):
            return f"<rows of {getattr(self.source, '__qualname__', type(self.source).__qualname__)}>"
        return f"<{len(self.source)} rows>" if hasattr(self.source, "__len__") else "<rows>"

    def __str__(self) -> str:
        return self.serialize()

    def read(
        self, context: Context, *, ready_requests: bool = False, digits_of: Collection[str] | None = None
    ) -> Iterator[Any]:
        """Iterate over the rows, from the start at each call.

        :param ready_requests: whether the rows are ready requests; a file may then yield :class:`.ReadyLine` instead of
            dicts.
        :param digits_of: the columns whose numbers must keep the digits of their file; None for all.
        :raises FileNotFoundError: a URI without glob characters names no object.
        :raises ConfigurationError: rows cannot be read from a source of this kind.
        """
        source = self.source
        if callable(source):
            source = _call(source, context)
        if isinstance(source, str):
            return _read_uri(source, ready_requests=ready_requests, digits_of=digits_of)
        if (way := _way_to_rows(source)) is not None:
            raise ConfigurationError(
                f"Rows cannot be read from a {type(source).__name__}: to iterate over it yields its columns. "
                f"Give `{way}`, or a function that yields dicts of its rows. Nothing was sent."
            )
        if isinstance(source, Iterable) and not isinstance(source, (bytes, Mapping)):
            return iter(source)
        raise ConfigurationError(
            f"Rows cannot be read from a value of type {type(source).__name__}. Give a list of dicts, a callable that "
            "returns or yields dicts, the output of another task, or the URI of JSON Lines files."
        )


def find_files(uri: str) -> list[str]:
    """Return the URIs that a URI names: itself or, if it holds ``*``, ``?`` or ``[``, the matching files, sorted.

    ``*`` does not match ``/``. A listing that fails raises its error; it is never taken for an empty folder.
    """
    if not _GLOB_CHARACTERS & set(uri):
        return [uri]
    scheme, separator, rest = uri.partition("://")
    segments = (rest if separator else uri).split("/")
    fixed = next(number for number, segment in enumerate(segments) if _GLOB_CHARACTERS & set(segment))
    base = "/".join(segments[:fixed])
    found = [f"{scheme}://{base}" if separator else base]
    for segment in segments[fixed:]:
        found = [
            f"{folder}/{name}" for folder in found for name in _names(folder) if fnmatch.fnmatchcase(name, segment)
        ]
    return sorted(found)


def _read_uri(uri: str, *, ready_requests: bool, digits_of: Collection[str] | None) -> Iterator[Any]:
    from anthropic_batches_provider.batches.rows import read_row_file

    row_number = 0
    for file in find_files(uri):
        with _open(file) as stream:
            row_number = yield from read_row_file(
                stream,
                name=file,
                first_row_number=row_number,
                ready_requests=ready_requests,
                digits_of=digits_of,
            )


def _way_to_rows(source: object) -> str | None:
    from anthropic_batches_provider.batches.requests.wrong_shapes import way_to_rows

    return way_to_rows(source)


def _open(uri: str) -> BinaryIO:
    path = local_path(uri)
    if path is not None:
        if not path.exists():
            raise FileNotFoundError(
                f"There is no file {uri!r} to read rows from. Check the path; a retry looks for it again. "
                "Nothing was sent."
            )
        return path.open("rb")
    remote = object_path(uri)
    return open_object(remote.fs, remote.path)


def _names(folder: str) -> list[str]:
    try:
        return open_storage(folder or "/").list("")
    except NotADirectoryError:
        return []


def _call(function: Callable[..., Any], context: Context) -> Any:
    from airflow.providers.common.compat.sdk import determine_kwargs

    return function(**determine_kwargs(function, (), cast("Mapping[str, Any]", context)))
