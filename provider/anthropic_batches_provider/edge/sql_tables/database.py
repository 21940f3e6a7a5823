"""A database as this room uses it: connections in transactions, quoted names, and what depends on the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any


class Database:
    """The database of an Airflow connection; connecting is put off until it is needed."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    @cached_property
    def hook(self) -> Any:
        """The DB-API hook of the connection."""
        from airflow.providers.common.compat.sdk import BaseHook

        return BaseHook.get_hook(self.conn_id)

    @property
    def kind(self) -> str:
        """Which database it is: ``postgresql``, ``sqlite``, or another name of an SQL dialect."""
        return str(self.hook.dialect_name)

    @property
    def mark(self) -> str:
        """The placeholder of a parameter."""
        return str(self.hook.placeholder)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Open a connection; what is not committed is rolled back."""
        connection = self.hook.get_conn()
        try:
            yield connection
        finally:
            connection.close()

    def quoted(self, name: str) -> str:
        """Return a name of one part, quoted."""
        return '"' + name.replace('"', '""') + '"'

    def quoted_table(self, table: str) -> str:
        """Return the name of a table, with its schema if it has one, quoted."""
        return ".".join(self.quoted(part) for part in table.split("."))
