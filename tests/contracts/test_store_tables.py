"""The recipes of docs/sources.md for tables of other packages; each runs where its package is installed."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pyarrow
import pytest

from anthropic_batches_provider.batches.rows import Reading
from anthropic_batches_provider.edge.row_arguments import RowsArgument

ROWS = [
    {"id": number, "text": f"word {number}", "at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}
    for number in range(2500)
]
SCHEMA = pyarrow.schema([
    ("id", pyarrow.int64()), ("text", pyarrow.string()), ("at", pyarrow.timestamp("us", "UTC"))
])  # fmt: skip
TABLE = pyarrow.Table.from_pylist(ROWS, schema=SCHEMA)


def read(rows: Callable[[], Any]) -> tuple[list[Any], dict[str, str]]:
    """Read the rows twice, and return them with their declared types."""
    argument, reading = RowsArgument(rows), Reading()
    first, second = (list(argument.read(cast("Any", {}), reading)) for _ in range(2))
    assert first == second
    return sorted(first, key=lambda row: row["id"]), reading.schema.declared()


def test_a_table_of_delta_lake(tmp_path: Path) -> None:
    deltalake: Any = pytest.importorskip("deltalake")
    deltalake.write_deltalake(str(tmp_path), TABLE.slice(0, 1000))
    deltalake.write_deltalake(str(tmp_path), TABLE.slice(1000), mode="append")

    def of_delta() -> Any:
        dataset = deltalake.DeltaTable(str(tmp_path)).to_pyarrow_dataset()
        return dataset.scanner(batch_size=1000, batch_readahead=1, fragment_readahead=1).to_reader()

    assert read(of_delta) == (ROWS, {"id": "int64", "text": "string", "at": "timestamp[us, tz=UTC]"})
    earlier = deltalake.DeltaTable(str(tmp_path), version=0).to_pyarrow_dataset()
    assert read(lambda: earlier.scanner(columns=["id"]).to_reader())[0] == [{"id": number} for number in range(1000)]


@pytest.mark.filterwarnings("default")  # of pyiceberg's own parts
def test_a_table_of_iceberg(tmp_path: Path) -> None:
    pyiceberg: Any = pytest.importorskip("pyiceberg.catalog")
    catalog = pyiceberg.load_catalog(
        "lake", type="sql", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse"
    )
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.reviews", schema=SCHEMA)
    table.append(TABLE.slice(0, 1000))
    table.append(TABLE.slice(1000))

    def of_iceberg() -> Any:
        return catalog.load_table("shop.reviews").scan(row_filter="id >= 10").to_arrow_batch_reader()

    rows, types = read(of_iceberg)
    assert rows == ROWS[10:]
    assert types["id"] == "int64"
    assert types["at"] == "timestamp[us, tz=UTC]"


def test_a_relation_of_duckdb(tmp_path: Path) -> None:
    duckdb: Any = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "shop.db")) as connection:
        connection.sql("CREATE TABLE tickets (id BIGINT, text VARCHAR, tags VARCHAR[], cents DECIMAL(9, 2))")
        connection.sql("INSERT INTO tickets SELECT range, 'word ' || range, ['a'], range / 4 FROM range(2500)")

    def tickets() -> Any:
        return duckdb.connect(str(tmp_path / "shop.db")).sql("SELECT * FROM tickets WHERE id > 2490")

    rows, types = read(tickets)
    assert [(row["id"], row["text"], row["tags"], str(row["cents"])) for row in rows] == [
        (number, f"word {number}", ["a"], f"{number / 4:.2f}") for number in range(2491, 2500)
    ]
    assert types == {"id": "int64", "text": "string", "tags": "list<item: string>", "cents": "decimal128(9, 2)"}
