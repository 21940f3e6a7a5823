"""A database with rows to read: on a real PostgreSQL server, with each driver that Airflow's hook can use."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import psycopg2

from anthropic_batches_provider.batches.rows import SourceSchema
from anthropic_batches_provider.edge.sql_failures import Query
from anthropic_batches_provider.edge.sql_reading import read_query
from tests.e2e.postgres import Databases

CONN_ID = "warehouse"


def drivers() -> list[str]:
    """Return the drivers that Airflow's hook can use here."""
    hook = importlib.import_module("airflow.providers.postgres.hooks.postgres")
    return ["psycopg2", "psycopg"] if getattr(hook, "USE_PSYCOPG3", False) else ["psycopg2"]


@contextmanager
def used_driver(driver: str) -> Iterator[None]:
    """Let Airflow's hook use a driver."""
    hook = importlib.import_module("airflow.providers.postgres.hooks.postgres")
    if driver not in drivers():
        raise ValueError(f"{driver} is not installed")
    if not hasattr(hook, "USE_PSYCOPG3"):
        yield
        return
    with mock.patch.object(hook, "USE_PSYCOPG3", driver == "psycopg"):
        yield


@dataclass(frozen=True)
class Warehouse:
    """A database of its own for a module of tests.

    :param host: the folder of the server's socket.
    """

    host: str
    name: str

    @classmethod
    def on(cls, databases: Databases, name: str) -> Warehouse:
        databases.create(name)
        return cls(str(databases.folder), name)

    def connection(self, **extra: Any) -> str:
        """Return Airflow's connection as JSON."""
        return json.dumps(
            {"conn_type": "postgres", "host": self.host, "schema": self.name, "login": "postgres", "extra": extra}
        )

    def execute(self, statement: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement in a connection of its own, commit it, and return its rows."""
        with closing(psycopg2.connect(host=self.host, dbname=self.name, user="postgres")) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


def rows_of(sql: str, parameters: Any = None, *, schema: SourceSchema | None = None) -> Iterator[dict[str, Any]]:
    """Read a query of the connection ``warehouse``."""
    return read_query(Query(CONN_ID, sql, parameters), schema or SourceSchema())
