"""The destination of a task's output: XCom, a folder that belongs to the task alone, or its rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from anthropic_batches_provider.batches.output.formats import DEFAULT_FORMAT
from anthropic_batches_provider.edge.arguments import DEFAULT_XCOM_MAX_BYTES
from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.edge.row_sources import RowSource
from anthropic_batches_provider.edge.sql_table import TABLE_SCHEME, SqlTable
from anthropic_batches_provider.edge.uris import as_uri, split_scheme
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.ledger import Storage
    from anthropic_batches_provider.batches.output.columns import RowLayout
    from anthropic_batches_provider.batches.output.destination import Destination

XCOM = "xcom"  # as ``destination=``
_STAGED_PARTS = "table"  # in the job folder
_DATABASES = frozenset(
    {TABLE_SCHEME, "postgres", "postgresql", "sqlite", "mysql", "mssql", "oracle", "jdbc", "odbc"}
)  # schemes
_WHAT_TO_GIVE = (
    "Give the URI or the absolute path of a folder, SqlTable(conn_id, table) for a table of a database, or 'xcom', "
    "which returns the rows."
)


def as_destination(destination: Any) -> str | SqlTable:
    """Return a value of ``destination=`` with a path as text.

    :param destination: as a DAG's author gave it, or as Airflow resolved it.
    :raises ConfigurationError: it names neither a folder nor a table, or is a path that :func:`.as_uri` refuses.
    """
    if isinstance(destination, SqlTable):
        return destination
    if isinstance(destination, type):
        raise ConfigurationError(f"destination= is the class {destination.__name__}. {_WHAT_TO_GIVE}")
    if destination is None or isinstance(destination, RowSource):
        raise ConfigurationError(f"destination= is of type {type(destination).__name__}. {_WHAT_TO_GIVE}")
    text: Any = as_uri(destination, "destination")
    if isinstance(text, str) and split_scheme(text)[0].partition("+")[0].lower() in _DATABASES:
        raise ConfigurationError(
            "destination= is the address of a database. Give destination=SqlTable(conn_id, table), with the id of an "
            "Airflow connection to it."
        )
    return cast("str", text)


def restored_destination(pinned: Any) -> str | SqlTable:
    """Return a destination from what was kept of it over a deferral."""
    return SqlTable(**pinned) if isinstance(pinned, dict) else str(pinned)


def pinned_destination(destination: str | SqlTable) -> Any:
    """Return a destination as plain values."""
    return destination.pinned() if isinstance(destination, SqlTable) else destination


def folder_of_task(uri: str, map_index: int | None) -> str:
    """Return the folder of a task instance: of one of a mapped task, its own folder in the destination."""
    folder = uri.rstrip("/")
    return folder if map_index is None or map_index < 0 else f"{folder}/map_index={map_index}"


def destination_of(context: Context, uri: str, output_format: str, *, owner: str) -> Destination:
    """Return the folder that a task writes to; each instance of a mapped task has its own folder in it.

    :param owner: the unit of work that may write there.
    :raises ConfigurationError: this worker cannot write the format.
    """
    from anthropic_batches_provider.batches.output.destination import Destination
    from anthropic_batches_provider.batches.output.formats import find_format

    find_format(output_format).check_installed()
    task_instance: Any = context["ti"]
    folder = folder_of_task(uri, task_instance.map_index)
    try:
        storage = open_storage(folder, holds_ledger=False)
    except ConfigurationError as error:
        raise ConfigurationError(f"destination=: {error}") from error
    return Destination(storage=storage, owner=owner, output_format=output_format)


def is_table(destination: str | SqlTable, output_format: str) -> bool:
    """Return whether an output has the same typed columns in each row."""
    from anthropic_batches_provider.batches.output.formats import find_format

    return isinstance(destination, SqlTable) or (destination != XCOM and find_format(output_format).is_table)


def check_destination_arguments(operator: Any) -> None:
    """Refuse arguments of an operator that mean nothing for its destination: for a table, or for XCom.

    :param operator: has an attribute for each argument.
    :raises ConfigurationError: names the argument.
    """
    usage_table = operator.usage_table
    if isinstance(operator.destination, SqlTable) and str(operator.destination) == str(usage_table):
        raise ConfigurationError(
            f"destination= and usage_table= are the same table, {usage_table}, whose rows are either answers or usage. "
            "Give usage_table= a table of its own. Nothing was sent."
        )
    if operator.destination == XCOM and operator.output_format != DEFAULT_FORMAT:
        raise ConfigurationError(
            f"output_format={operator.output_format!r} is given, but no file is written: destination= is 'xcom', the "
            "default, which returns the rows. Set destination= to the URI of a folder, or leave output_format out."
        )
    if not isinstance(operator.destination, SqlTable):
        return
    for name, default in (("output_format", DEFAULT_FORMAT), ("xcom_max_bytes", DEFAULT_XCOM_MAX_BYTES)):
        if getattr(operator, name) != default:
            raise ConfigurationError(
                f"{name}= is given together with destination=SqlTable(…), and means nothing for a table. Leave it out."
            )


def check_table(table: SqlTable, owner: str, layout: RowLayout, *, are_all_known: bool) -> None:
    """Check a table as far as it can be checked before the rows are read.

    :param layout: of the rows; the type of an own column is empty.
    :param are_all_known: whether the rows have no other columns of their own.
    """
    from anthropic_batches_provider.batches.output.table_columns import table_columns
    from anthropic_batches_provider.edge.sql_tables.target import SqlTarget

    table.check()
    SqlTarget(table, owner).check_before_reading(table_columns(layout), are_all_known=are_all_known)


def staged_parts_of_job(job_uri: str) -> Storage:
    """Return the folder of a job that holds the parts of a table until they are loaded."""
    return open_storage(f"{job_uri.rstrip('/')}/{_STAGED_PARTS}", holds_ledger=False)


def table_destination(table: SqlTable, parts: Storage, *, owner: str) -> Destination:
    """Return the rows of a table that belong to a task.

    :param parts: the folder that holds the parts until they are loaded.
    :param owner: the unit of work whose rows they are.
    """
    from anthropic_batches_provider.batches.output.destination import Destination
    from anthropic_batches_provider.batches.output.formats import STAGED
    from anthropic_batches_provider.edge.sql_tables.target import SqlTarget

    table.check()
    return Destination(storage=parts, owner=owner, output_format=STAGED.name, table=SqlTarget(table, owner))
