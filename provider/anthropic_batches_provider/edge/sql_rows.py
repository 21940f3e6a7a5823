"""`SqlRows`: the rows of a query as a source, with arguments that Airflow renders and never shows.

It is imported when DAGs are parsed; what connects to a database is imported only when rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.edge.row_sources import RowSource
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.rows import Reading
    from anthropic_batches_provider.edge.templates import Templates

SQL_FILE = ".sql"


class SqlRows(RowSource):
    """The rows of a query, for ``rows=`` or ``requests=``. All arguments are templated.

    They are read once, in bounded memory, in one transaction that only reads and that is rolled back. Airflow shows
    neither the query nor its parameters.

    :param conn_id: the connection of a database for which Airflow has a DB-API hook, such as PostgreSQL or SQLite.
    :param sql: one query, or the name of a file that ends in ``.sql``, found as Airflow finds templates.
    :param parameters: values for the placeholders of the query, as the database's driver takes them: a list or a dict,
        or the output of another task, also inside of it.
    :raises ConfigurationError: an argument can never be right.
    """

    templated = ("conn_id", "sql", "parameters")

    def __init__(self, conn_id: str | Any, sql: str | Any, parameters: Sequence[Any] | Mapping[str, Any] | Any = None):
        self.conn_id = conn_id
        self.sql = sql
        self.parameters = parameters
        self._file: str | None = None
        self._check_types()

    def check(self, templates: Templates) -> None:
        """Do nothing: the constructor has checked all that is known without a connection."""

    def label(self) -> str:
        return f"SqlRows on {str(self.conn_id)[:100]!r}"

    def resolve(self, context: Context, *_: Any, may_render: bool = True, **__: Any) -> Self:
        resolved = super().resolve(context, may_render=may_render)
        if resolved is not self and may_render and isinstance(self.sql, str) and self.sql.endswith(SQL_FILE):
            resolved._file = str(resolved.sql)  # read later: one that is missing fails the task without a retry
        return resolved

    def read(self, context: Context, reading: Reading) -> Iterator[Any]:
        from anthropic_batches_provider.edge.sql_failures import Query
        from anthropic_batches_provider.edge.sql_reading import read_query

        self._check_types()
        return read_query(Query(self.conn_id, self.query_text(context), self.parameters), reading.schema)

    def query_text(self, context: Context) -> str:
        """Return the rendered text of the query.

        :raises ConfigurationError: its file cannot be found or rendered.
        """
        if self._file is not None:
            return _rendered_file(self._file, context)
        sql: str = self.sql
        if sql.endswith(SQL_FILE) and " " not in sql:
            raise ConfigurationError(
                f"{self.label()}: sql= is {sql!r:.200}, which is not read as a file, because a function or another "
                "task gave it. Name the file in the DAG itself, or give the text of the query. Nothing was sent."
            )
        return sql

    def _check_types(self) -> None:
        """Check the types of the arguments, as far as they are known.

        :raises ConfigurationError: one of them can never be right.
        """
        for name in ("conn_id", "sql"):
            value = getattr(self, name)
            if not isinstance(value, ResolveMixin) and not (isinstance(value, str) and value):
                raise ConfigurationError(
                    f"SqlRows({name}=…) takes one text, not {'an empty one' if value == '' else 'a value'} of type "
                    f"{type(value).__name__}."
                )
        parameters = self.parameters
        if parameters is None or isinstance(parameters, (ResolveMixin, Mapping)):
            return
        if isinstance(parameters, (str, bytes)) or not isinstance(parameters, Sequence):
            raise ConfigurationError(
                f"SqlRows(parameters=…) takes a list or a dict of values, not a value of type "
                f"{type(parameters).__name__}. Give one value as a list: parameters=[value]."
            )


def _rendered_file(name: str, context: Context) -> str:
    """Return the rendered text of a file.

    :raises ConfigurationError: it does not exist, or it is no valid template.
    """
    from jinja2 import TemplateError, TemplateNotFound

    task: Any = context["task"]
    environment = task.get_template_env()
    try:
        source = environment.loader.get_source(environment, name)[0]
        return str(task.render_template(f"{source}\n", context))  # its last word must not look like a file's name
    except TemplateNotFound as error:
        raise ConfigurationError(
            f"The SQL file {error.name!r} was not found in the DAG's folder or its template_searchpath. Correct the "
            "name, or put the file there. Nothing was sent."
        ) from None
    except TemplateError as error:
        raise ConfigurationError(
            f"The SQL file {name!r} cannot be rendered: {error}. Correct the template. Nothing was sent."
        ) from None
