"""Reads all rows of a source, or seals them, as a submitting task does; prints what that took beyond the imports.

Started with the kind of source (one of :data:`READERS`), its file, and what to do: ``read`` or ``seal``.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import (
    ColumnTypes,
    Reading,
    RowColumns,
    prepare_rows,
    read_row_file,
    splicer,
)
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards
from benchmarks.programs.size_arguments import peak_memory


def read_file(path: Path, reading: Reading) -> Iterator[Any]:
    with path.open("rb") as stream:
        yield from read_row_file(
            stream,
            name=str(path),
            digits_of=frozenset({"id", "text"}),
            schema=reading.schema,
            splice=reading.splice,
        )


def read_query(path: Path, reading: Reading, sql: str = "SELECT * FROM rows") -> Iterator[Any]:
    from anthropic_batches_provider.edge import sql_reading
    from anthropic_batches_provider.edge.sql_failures import Query

    os.environ["AIRFLOW_CONN_ROWS"] = path.read_text()
    yield from sql_reading.read_query(Query("rows", sql), reading.schema)


READERS: dict[str, Callable[[Path, Reading], Iterator[Any]]] = {
    "file": read_file,
    "arrow": read_file,
    "query": read_query,
}
IMPORTS = {"arrow": ("pyarrow.parquet", "pyarrow.ipc")}


def count_rows(read: Callable[[Path, Reading], Iterator[Any]], file: Path) -> int:
    return sum(1 for row in read(file, Reading()) if isinstance(row, dict))


def seal_rows(read: Callable[[Path, Reading], Iterator[Any]], file: Path) -> int:
    """Write the rows into shards, and return how many there are."""
    prompt = PromptTemplate("Label this passage:\n{{ row.text }}", SandboxedEnvironment(), {})
    question = Question(prompt=prompt, model="claude-haiku-4-5", max_tokens=64)
    columns = RowColumns(key="id")
    types = ColumnTypes(columns)
    params = question.spliced_params()
    reading = Reading(schema=types.schema, splice=None if params is None else splicer(columns, params, types))
    found = 0
    with tempfile.TemporaryDirectory() as name:
        spool = Path(name)
        prepared = prepare_rows(
            read(file, reading), columns=columns, encode=question.encode_params, spool_folder=spool, types=types
        )
        for shard in cut_shards(prepared, nonce="0" * 12, limits=ShardLimits(), folder=spool):
            found += shard.requests
            shard.requests_path.unlink()
            shard.rows_path.unlink()
    return found


STEPS = {"read": count_rows, "seal": seal_rows}


def main(kind: str, file: str, step: str) -> None:
    read = READERS[kind]
    for module in IMPORTS.get(kind, ()):
        importlib.import_module(module)
    if kind == "query":
        list(read_query(Path(file), Reading(), "SELECT 1 AS one"))  # imports Airflow, its hook and the driver
    memory, cpu = peak_memory(), time.process_time()
    rows = STEPS[step](read, Path(file))
    print(json.dumps({"rows": rows, "cpu": time.process_time() - cpu, "memory": peak_memory() - memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])
