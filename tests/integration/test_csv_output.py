"""CSV that this package writes, loaded by PostgreSQL: null and empty text stay what they are."""

from __future__ import annotations

import io
from contextlib import closing
from typing import Any

import psycopg2

from tests.e2e.postgres import Databases
from tests.worlds.delimited_rows import PIECES, csv_of
from tests.worlds.warehouse import Warehouse


def test_postgresql_loads_the_same_texts_and_nulls(databases: Databases) -> None:
    warehouse = Warehouse.on(databases, "csv_output")
    warehouse.execute("CREATE TABLE loaded (id int, a text, b text)")
    cells: list[Any] = [*PIECES, None, "", "\\N", "\\.\n\\.", "a\n\\.\nb"]
    rows = [(number, cell, f"{cell}{cell}") for number, cell in enumerate(cells)]
    data = csv_of(["id", "a", "b"], rows, ["int64", "string", "string"])
    with closing(psycopg2.connect(host=warehouse.host, dbname=warehouse.name, user="postgres")) as connection:
        connection.cursor().copy_expert("COPY loaded FROM STDIN (FORMAT csv, HEADER true)", io.BytesIO(data))
        connection.commit()
    assert warehouse.execute("SELECT id, a, b FROM loaded ORDER BY id") == rows


def test_postgresql_loads_a_single_column(databases: Databases) -> None:
    warehouse = Warehouse.on(databases, "csv_output_of_one_column")
    warehouse.execute("CREATE TABLE loaded (a text)")
    data = csv_of(["a"], [["\\."], [None], ["x"], [""]])
    with closing(psycopg2.connect(host=warehouse.host, dbname=warehouse.name, user="postgres")) as connection:
        connection.cursor().copy_expert("COPY loaded FROM STDIN (FORMAT csv, HEADER true)", io.BytesIO(data))
        connection.commit()
    assert warehouse.execute("SELECT a FROM loaded") == [("\\.",), ("",), ("x",), ("",)]
