"""Where a table is, in words that outlive the connection that leads there: its identity as an asset and in lineage.

Invariants: an address has no credentials, and it does not depend on the name of a connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_SCHEMES = {"postgresql": ("postgres", 5432), "mysql": ("mysql", 3306)}
"""Airflow's own schemes of such assets, with the default port; https://airflow.apache.org/registry, 2026-11."""

_SQLITE = "sqlite"
_REDSHIFT = "redshift"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAddress:
    """Where a table is.

    :param kind: the SQL dialect, such as ``postgresql`` or ``sqlite``.
    :param host: "" if the database is a file, or is reached without a host.
    :param database: its name; of SQLite, the path of its file.
    :param schema: "" where the database has none.
    """

    kind: str
    host: str = ""
    port: int | None = None
    database: str
    schema: str = ""
    table: str

    @property
    def asset_uri(self) -> str:
        """The URI of the table as an asset; one that Airflow knows no rules for begins with ``x-``."""
        scheme, port = _SCHEMES.get(self.kind, (f"x-{self.kind}", None))
        if not self.host:
            scheme = f"x-{self.kind}"
        names = (self.database.strip("/"), self.schema, self.table)
        path = "/".join(quote(name, safe="/" if self.kind == _SQLITE else "") for name in names if name)
        return f"{scheme}://{self._authority(port)}/{path}"

    @property
    def namespace(self) -> str:
        """The name of the database in lineage, for one whose hook gives none."""
        return f"{self.kind}://{self.database if self.kind == _SQLITE else self._authority(None)}"

    @property
    def name(self) -> str:
        """The name of the table in lineage, in its namespace."""
        names = (self.schema, self.table) if self.kind == _SQLITE else (self.database, self.schema, self.table)
        return ".".join(name for name in names if name)

    def _authority(self, default_port: int | None) -> str:
        port = self.port or default_port
        return self.host if not self.host or port is None else f"{self.host}:{port}"


def address_of(conn_id: str, table: str) -> TableAddress:
    """Return where a table is; asks the database for its schema if the name has none.

    :param table: its name, with or without its schema.
    """
    from airflow.providers.common.compat.sdk import BaseHook

    connection: Any = BaseHook.get_connection(conn_id)
    hook: Any = BaseHook.get_hook(conn_id)
    kind = _REDSHIFT if connection.extra_dejson.get("redshift") else str(hook.dialect_name)
    schema, _, name = table.rpartition(".")
    if kind == _SQLITE:
        return TableAddress(kind=kind, database=connection.host or "", schema=schema, table=name)
    found = getattr(hook, "database", None) or connection.schema or ""
    if kind == "mysql":
        found, schema = schema or found, ""
    elif kind in ("postgresql", _REDSHIFT):
        found = found or connection.login or ""  # PostgreSQL's own default
        schema = schema or str(hook.get_first("SELECT current_schema()")[0])
    host = connection.host or ""
    return TableAddress(
        kind=kind,
        host="" if host.startswith("/") else host.lower(),  # a socket of this machine
        port=connection.port,
        database=found,
        schema=schema,
        table=name,
    )
