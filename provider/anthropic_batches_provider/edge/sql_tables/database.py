"""A database as this room uses it: connections, sessions in transactions, quoted names, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anthropic_batches_provider.edge.sql_connections import database_hook
from anthropic_batches_provider.edge.sql_tables import drivers
from anthropic_batches_provider.edge.sql_tables.column_types import POSTGRES, SQLITE
from anthropic_batches_provider.edge.sql_tables.load_failures import LoadCalls
from anthropic_batches_provider.edge.sql_tables.sessions import PARAMETER, Session

_NOTHING_SENT = "Nothing was sent."
_CHECKS_AGAIN = "A retry checks the table again."
_QUOTES = {"mysql": ("`", "`"), "mariadb": ("`", "`"), "mssql": ("[", "]")}
_USUAL_QUOTES = ('"', '"')
_EXACTLY = {POSTGRES: 'CAST({} AS text) COLLATE "C"', SQLITE: "{} COLLATE BINARY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedColumns:
    """What is known of rows whose columns no argument of the task chooses.

    :param subject: what errors call their table.
    :param nullable: the columns that are null in some rows.
    :param where_listed: the page that lists all of them.
    """

    subject: str
    nullable: frozenset[str]
    where_listed: str


class Database:
    """The database of an Airflow connection; connecting is put off until it is needed.

    :param table: the table that errors are about; "" for none.
    :param standing: what is true now, for errors.
    :param retry: what a retry does, for errors.
    :param fixed: what the table is for, if the task does not choose its columns.
    """

    def __init__(
        self,
        conn_id: str,
        table: str = "",
        *,
        standing: str = _NOTHING_SENT,
        retry: str = _CHECKS_AGAIN,
        fixed: FixedColumns | None = None,
    ) -> None:
        self.conn_id = conn_id
        self.standing = standing
        self.fixed = fixed
        self.subject = f"SqlTable on {conn_id!r}" + (f", table {table!r}" if table else "")
        if fixed is not None:
            self.subject = f"{fixed.subject}{self.subject}"
        self.calls = LoadCalls(self.subject, standing, retry, _lock_wait(), has_fixed_columns=fixed is not None)

    @cached_property
    def hook(self) -> Any:
        """The DB-API hook of the connection.

        :raises ConfigurationError: there is none.
        """
        return database_hook(self.conn_id, "SqlTable", standing=self.standing)

    @cached_property
    def kind(self) -> str:
        """Which database it is: ``postgresql``, ``sqlite``, or another name of an SQL dialect."""
        return str(self.hook.dialect_name)

    @property
    def mark(self) -> str:
        """The placeholder of a parameter."""
        return str(self.hook.placeholder)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Open a connection; what is not committed is rolled back.

        :raises ConfigurationError: the connection must be changed.
        :raises SourceError: the database could not be reached, or refused the login.
        """
        connection = self.calls.connect(self.hook.get_conn)
        try:
            self.calls.connect(self._prepare, connection)
            yield connection
        finally:
            with suppress(Exception):  # the connection may be lost
                connection.close()

    def _prepare(self, connection: Any) -> None:
        if self.hook.get_autocommit(connection):
            self.hook.set_autocommit(connection, False)
        drivers.table_driver_of(connection).prepare(connection)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a connection whose errors are ours; what is not committed is rolled back.

        Raises the same errors as :meth:`connected`.
        """
        with self.connected() as connection:
            yield Session(connection, drivers.table_driver_of(connection), self.calls, self.mark)

    def quoted(self, name: str) -> str:
        """Return a name of one part, quoted."""
        begin, end = self._quotes
        return begin + name.replace(end, end * 2) + end

    @cached_property
    def _quotes(self) -> tuple[str, str]:
        chosen = str(getattr(self.hook, "escape_word_format", '"{}"'))
        begin, _, end = chosen.partition("{}")
        if (begin, end) != _USUAL_QUOTES and begin and end:
            return begin, end
        return _QUOTES.get(self.kind, _USUAL_QUOTES)

    def is_owned(self, owner_column: str) -> str:
        """Return the condition that a row belongs to an owner, with one parameter or more: the owner each time.

        A column may compare texts without case, or by another collation; another owner's rows must never match.

        :param owner_column: its name, not quoted.
        """
        owner = self.quoted(owner_column)
        exactly = _EXACTLY.get(self.kind)
        is_equal = f"{owner} = {PARAMETER}"  # by the column's own rule, so that an index on it is used
        return is_equal if exactly is None else f"{is_equal} AND {exactly.format(owner)} = {PARAMETER}"

    def quoted_table(self, table: str) -> str:
        """Return the name of a table, with its schema if it has one, quoted."""
        return ".".join(self.quoted(part) for part in table.split("."))


def _lock_wait() -> str:
    seconds = drivers.LOCK_WAIT_SECONDS
    return f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"
