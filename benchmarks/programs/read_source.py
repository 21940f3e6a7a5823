"""Reads all rows of a source, as a submitting task does, and prints what that took beyond the imports, as JSON.

Started with the kind of source, one of :data:`READERS`, and its file.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from anthropic_batches_provider.batches.rows import SourceSchema, read_row_file
from benchmarks.programs.size_arguments import peak_memory


def read_file(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        yield from read_row_file(stream, name=str(path), digits_of=frozenset({"id"}))


def read_query(path: Path, sql: str = "SELECT * FROM rows") -> Iterator[Any]:
    from anthropic_batches_provider.edge import sql_reading
    from anthropic_batches_provider.edge.sql_failures import Query

    os.environ["AIRFLOW_CONN_ROWS"] = path.read_text()
    yield from sql_reading.read_query(Query("rows", sql), SourceSchema())


READERS: dict[str, Callable[[Path], Iterator[Any]]] = {"file": read_file, "arrow": read_file, "query": read_query}
IMPORTS = {"arrow": ("pyarrow.parquet", "pyarrow.ipc")}


def main(kind: str, file: str) -> None:
    read = READERS[kind]
    for module in IMPORTS.get(kind, ()):
        importlib.import_module(module)
    if kind == "query":
        list(read_query(Path(file), "SELECT 1 AS one"))  # imports Airflow, its hook and the driver
    memory, cpu = peak_memory(), time.process_time()
    rows = sum(1 for row in read(Path(file)) if isinstance(row, dict))
    print(json.dumps({"rows": rows, "cpu": time.process_time() - cpu, "memory": peak_memory() - memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])
