"""The DB-API hook of an Airflow connection, with errors for the person who must correct the connection."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError


def database_hook(conn_id: str, user: str, *, standing: str = "Nothing was sent.") -> Any:
    """Return the hook of a connection; it is not connected yet.

    :param user: the class whose argument names the connection: ``SqlRows`` or ``SqlTable``.
    :param standing: what is true now: the last sentence of each error.
    :raises ConfigurationError: there is no such connection, or it has no DB-API hook.
    """
    from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

    where = f"{user} on {conn_id!r}"
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"There is no Airflow connection {conn_id!r}. Add it, or correct {user}(conn_id=…). {standing}"
        ) from None
    _check_file_of_sqlite(where, connection, standing, may_be_made=user == "SqlTable")
    try:
        hook = connection.get_hook()
    except (AirflowException, ImportError) as error:
        raise ConfigurationError(
            f"{where}: its connection type {connection.conn_type!r} has no hook here: {error}. Install the provider of "
            f"the database and its driver. {standing}"
        ) from None
    common_sql = sys.modules.get("airflow.providers.common.sql.hooks.sql")  # whose import takes seconds
    if common_sql is None or not isinstance(hook, common_sql.DbApiHook):
        raise ConfigurationError(
            f"{where}: its connection type {connection.conn_type!r} leads to {type(hook).__name__}, which is no hook "
            f"of an SQL database. Give the connection of one. {standing}"
        )
    return hook


def _check_file_of_sqlite(where: str, connection: Any, standing: str, *, may_be_made: bool) -> None:
    """Refuse a database of SQLite that is not there: its driver would make an empty one, or one for each session.

    :param may_be_made: whether an empty database is of use.
    :raises ConfigurationError: names the file.
    """
    if connection.conn_type != "sqlite":
        return
    if (connection.host or "") in ("", ":memory:"):
        raise ConfigurationError(
            f"{where}: the connection names no database file, and each session would see an empty database of its own. "
            f"Give the absolute path of the file as the connection's host. {standing}"
        )
    file = Path(connection.host)
    if file.is_absolute() and not file.exists():
        made = f", or make an empty one: touch {shlex.quote(str(file))}" if may_be_made else ""
        raise ConfigurationError(
            f"{where}: there is no database file {str(file)!r}. Correct the host of the connection{made}. {standing}"
        )
