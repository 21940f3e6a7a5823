"""A process that loads rows into a table until it is killed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from multiprocessing.connection import Connection

from tests.worlds.forkserver import forkserver
from tests.worlds.loaded_tables import SQLITE, LoadedTable, parts_of
from tests.worlds.warehouse import used_driver

PROCESSES = forkserver("tests.worlds.killed_loads", "airflow.providers.postgres.hooks.postgres")


@dataclass(frozen=True)
class Order:
    """An order to load rows.

    :param version: the label of all rows.
    """

    driver: str
    connection: str
    version: str
    rows: int
    parts: int


def load(order: Order, begins: Connection) -> None:
    """Tell when the load begins, and load."""
    os.environ["AIRFLOW_CONN_WAREHOUSE"] = order.connection
    if order.driver == SQLITE:
        _load(order, begins)
    else:
        with used_driver(order.driver):
            _load(order, begins)


def _load(order: Order, begins: Connection) -> None:
    table = LoadedTable(order.driver, order.connection, lambda *_: [])
    parts = parts_of(order.version, rows=order.rows, parts=order.parts)
    assert table.target().uri
    from airflow.providers.common.compat.sdk import BaseHook

    BaseHook.get_hook("warehouse")  # what takes time only once
    begins.send(None)
    table.load(parts)
    begins.send(None)
