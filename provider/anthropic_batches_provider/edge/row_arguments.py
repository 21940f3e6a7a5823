"""The source of rows: a list, an XComArg, a callable, a URI, or a source with arguments of its own.

Airflow wires and resolves it, but never shows the data. Data is never rendered as a template and never stored among
the rendered fields: only a URI is templated, and what a source's author wrote into its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import XComArg
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.batches.frame_kinds import is_frame, is_read_once, reader_inside
from anthropic_batches_provider.batches.requests.wrong_shapes import way_to_rows
from anthropic_batches_provider.edge.mapped_arguments import is_literal_argument
from anthropic_batches_provider.edge.row_files import read_row_files
from anthropic_batches_provider.edge.row_sources import RowSource, source_of_list
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.templated_arguments import refuse_task
from anthropic_batches_provider.edge.uris import as_uri, is_path, shown_uri
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.rows import Reading


class RowsArgument(ResolveMixin):
    """The value of ``rows=`` or ``requests=`` as a template field.

    As a plain attribute, an XComArg would be neither wired nor resolved. As an ordinary template field, callables would
    be called with unsuitable arguments, and data would be rendered and stored. So the field holds this object.

    :param source: a URI or a path, a source of :mod:`.row_sources`, or a list of these; an XComArg or an argument of a
        mapped task group; a callable; or an iterable of rows.
    :param name: the name of the argument, for errors.
    :raises ConfigurationError: it is a task, or a ``@task`` function that was not called, in place of its output; or a
        path that :func:`.as_uri` refuses.
    """

    def __init__(self, source: Any, name: str = "rows", *, is_resolved: bool = False) -> None:
        if not is_frame(source):  # whose columns are attributes
            refuse_task(source, name)
        if is_path(source):
            source = as_uri(source, name)
        elif (listed := source_of_list(source)) is not None:
            source = listed
        self.source = source
        self.name = name
        self._is_resolved = is_resolved
        self._is_used_up = False

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        """Yield the references to the upstream tasks that produce this value."""
        if isinstance(self.source, ResolveMixin):
            yield from XComArg.iter_xcom_references(self.source)

    def resolve(self, context: Context, *_: Any, **__: Any) -> RowsArgument:
        """Return a copy with an XComArg resolved and a URI rendered; Airflow calls this for each task instance."""
        source = self.source
        if isinstance(source, RowSource):
            source = source.resolve(context, may_render=self._may_be_rendered(context))
        elif isinstance(source, ResolveMixin):
            source = source.resolve(context)
        elif isinstance(source, str) and self._may_be_rendered(context):
            task: Any = context["task"]
            source = task.render_template(source, context)
        return RowsArgument(source, self.name, is_resolved=True)

    def _may_be_rendered(self, context: Context) -> bool:
        return is_literal_argument(context, self.name)

    def serialize(self) -> str:
        """Return a label for Airflow's serialized DAG and rendered fields; never data."""
        if self.source is None:
            return ""
        if isinstance(self.source, ResolveMixin):
            return str(self.source)
        if isinstance(self.source, str):  # a template may have rendered data
            return shown_uri(self.source).strip("'") if self._is_resolved else self.source
        if callable(self.source):
            return f"<rows of {getattr(self.source, '__qualname__', type(self.source).__qualname__)}>"
        return f"<{len(self.source)} rows>" if hasattr(self.source, "__len__") else "<rows>"

    def __str__(self) -> str:
        return self.serialize()

    def read(self, context: Context, reading: Reading | None = None) -> Iterator[Any]:
        """Iterate over the rows, from the start at each call.

        :param reading: what the job needs of them; None for nothing but dicts.
        :raises FileNotFoundError: a URI without wildcards names no object.
        :raises ConfigurationError: rows cannot be read from a source of this kind, or a folder is missing.
        """
        from anthropic_batches_provider.batches.rows import Reading, read_items

        reading = reading or Reading()
        source = self.source
        if callable(source):
            source = _call(source, context)
        if is_path(source) or isinstance(source, str):
            return read_row_files([as_uri(source, self.name)], reading)
        if (listed := source_of_list(source)) is not None:
            source = listed
        if isinstance(source, RowSource):
            return source.read(context, reading)
        refuse_source(source)
        self._use(source)
        items = [source] if is_frame(source) else source
        return read_items(items, ready_requests=reading.ready_requests, schema=reading.schema)

    def _use(self, source: Any) -> None:
        """Refuse to read an iterator or a reader again, be it in a list: it would seem to hold no rows.

        :raises ConfigurationError: it was read before.
        """
        once = source if is_read_once(source) else reader_inside(source)
        if source is not self.source or once is None:
            return
        if self._is_used_up:
            raise ConfigurationError(
                f"The rows must be read again, but a {type(once).__name__} can be read only once. Give a function "
                f"that makes it: {self.name}=lambda: …. Nothing was sent."
            )
        self._is_used_up = True


def refuse_source(source: Any) -> None:
    """Refuse a source that gives no rows.

    :raises ConfigurationError: says what it is, and what to give instead.
    """
    if is_frame(source):
        return
    if isinstance(source, SqlTable):
        raise ConfigurationError(
            "SqlTable(…) is a destination, and no rows are read from it. To read rows of a table, give "
            "SqlRows(conn_id, query). Nothing was sent."
        )
    if (way := way_to_rows(source)) is not None:
        raise ConfigurationError(
            f"Rows cannot be read from a {type(source).__name__} itself. Give `{way}`, or a function that yields dicts "
            "of its rows. Nothing was sent."
        )
    if not isinstance(source, Iterable) or isinstance(source, (bytes, Mapping)):
        raise ConfigurationError(
            f"Rows cannot be read from a value of type {type(source).__name__}. Give a list of dicts, a table in "
            "memory, a callable that returns or yields these, the output of another task, or the URI of files."
        )


def _call(function: Callable[..., Any], context: Context) -> Any:
    from airflow.providers.common.compat.sdk import determine_kwargs

    return function(**determine_kwargs(function, (), cast("Mapping[str, Any]", context)))
