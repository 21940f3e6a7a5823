"""What it costs to read rows, by the kind of source: CPU, and memory above the imports.

``python -m benchmarks.size.sources [KIND …] [--rows N] [--rounds N]`` prints a table. Each source holds the same rows
of five columns and about 600 bytes, and is read by a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import psycopg2

from anthropic_batches_provider.batches.rows.json_array import MAX_ARRAY_BYTES
from benchmarks.peers_environment import REPOSITORY
from benchmarks.size.inputs import Shape
from tests.e2e.postgres import postgres
from tests.worlds.warehouse import Warehouse

ROWS = 1_000_000
_PROGRAM = REPOSITORY / "benchmarks" / "programs" / "read_source.py"
_TEXT_BYTES = 500


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source of rows.

    :param title: its name in the table.
    :param file: the name of the file that holds it.
    :param write: writes rows into that file.
    :param reader: one of the readers of ``programs/read_source.py``.
    :param server: runs what serves the rows meanwhile.
    """

    title: str
    file: str
    write: Callable[[Path, Iterable[dict[str, Any]]], None]
    reader: str = "file"
    server: Callable[[Path], AbstractContextManager[None]] = lambda _: nullcontext()


def _write_lines(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8") as target:
        target.writelines(json.dumps(row) + "\n" for row in rows)


def _write_array(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write as many of the rows as an array may hold."""
    with file.open("w", encoding="utf-8") as target:
        between = "["
        for row in rows:
            text = json.dumps(row)
            if target.tell() + len(text) + 8 > MAX_ARRAY_BYTES:
                break
            target.write(between + text)
            between = ",\n"
        target.write("]\n")


def _write_csv(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    first = next(iter(rows))
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(first))
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(rows)


def _write_zstd(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    import zstandard

    plain = file.with_suffix(".plain")
    _write_csv(plain, rows)
    with plain.open("rb") as source, file.open("wb") as target:
        zstandard.ZstdCompressor().copy_stream(source, target)
    plain.unlink()


_GROUP_ROWS = 52_000  # a row group of about 30 MB


def _write_parquet(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    from pyarrow import parquet

    batches = _batches(rows)
    first = next(batches)
    with parquet.ParquetWriter(file, first.schema) as writer:
        for batch in chain((first,), batches):
            writer.write_batch(batch, row_group_size=_GROUP_ROWS)


def _write_arrow(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    from pyarrow import ipc

    batches = _batches(rows)
    first = next(batches)
    with ipc.new_file(str(file), first.schema) as writer:
        for batch in chain((first,), batches):
            writer.write_batch(batch)


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[Any]:
    import pyarrow

    left = iter(rows)
    while group := list(islice(left, _GROUP_ROWS)):
        yield pyarrow.RecordBatch.from_pylist(group)


@contextmanager
def _postgres(file: Path) -> Iterator[None]:
    """Run a server; the file holds Airflow's connection to it."""
    with postgres(file.with_suffix(".lock")) as databases:
        file.write_text(Warehouse.on(databases, "rows").connection())
        yield


def _write_table(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    connection = json.loads(file.read_text())
    where = {"host": connection["host"], "dbname": connection["schema"], "user": connection["login"]}
    table = io.StringIO()
    csv.writer(table).writerows(row.values() for row in rows)
    table.seek(0)
    with closing(psycopg2.connect(**where)) as database:
        cursor = database.cursor()
        cursor.execute("CREATE TABLE rows (id text, language text, stars int, title text, text text)")
        cursor.copy_expert("COPY rows FROM STDIN (FORMAT csv)", table)
        database.commit()


SOURCES = (
    Source(title="JSON Lines", file="rows.jsonl", write=_write_lines),
    Source(title="a JSON array", file="rows.json", write=_write_array),
    Source(title="CSV", file="rows.csv", write=_write_csv),
    Source(title="CSV, zstd", file="rows.csv.zst", write=_write_zstd),
    Source(title="Parquet", file="rows.parquet", write=_write_parquet, reader="arrow"),
    Source(title="Arrow", file="rows.arrow", write=_write_arrow, reader="arrow"),
    Source(title="PostgreSQL", file="rows.json", write=_write_table, reader="query", server=_postgres),
)


@dataclass(frozen=True)
class Reading:
    """What it took to read a source.

    :param rows: the number of rows that were read.
    :param cpu: seconds, the least of all rounds.
    :param memory: bytes above the imports, at the peak; the least of all rounds.
    """

    rows: int
    cpu: float
    memory: int


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size.sources", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"default: all of {[each.title for each in SOURCES]}")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"number of rows; default {ROWS:,}")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="the lowest figure counts; default 3")
    options = parser.parse_args(arguments)
    chosen = [each for each in SOURCES if not options.kinds or each.title in options.kinds]
    with tempfile.TemporaryDirectory(prefix="sources-") as home:
        print(*as_table(measure(chosen, Path(home), options.rows, options.rounds)), sep="\n")


def measure(sources: Iterable[Source], home: Path, rows: int, rounds: int) -> dict[str, Reading]:
    """Return what each source took; only one of them is on the disk at a time.

    :raises subprocess.CalledProcessError: a source could not be read.
    """
    readings = {}
    for source in sources:
        file = home / source.file
        with source.server(file):
            source.write(file, _rows(rows))
            found = [_read(source, file) for _ in range(rounds)]
        readings[source.title] = Reading(
            min(each.rows for each in found), min(each.cpu for each in found), min(each.memory for each in found)
        )
        file.unlink()
    return readings


def as_table(readings: Mapping[str, Reading]) -> list[str]:
    """Return the lines of a Markdown table, a line per source."""
    lines = ["| | rows | CPU | rows per CPU second | memory |", "|---|---|---|---|---|"]
    for title, reading in readings.items():
        speed = round(reading.rows / reading.cpu, -3)
        lines.append(
            f"| {title} | {reading.rows:,} | {reading.cpu:.1f} s | {speed:,.0f} | {reading.memory / 1e6:+.0f} MB |"
        )
    return lines


def _rows(number: int) -> Iterator[dict[str, Any]]:
    texts = islice(Shape("rows", "rows", number, _TEXT_BYTES).texts(), number)
    for row, text in enumerate(texts):
        yield {"id": f"row-{row}", "language": "en", "stars": row % 5, "title": f"Passage {row}, again", "text": text}


def _read(source: Source, file: Path) -> Reading:
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'provider'}:{REPOSITORY}"}
    answer = subprocess.run(
        [sys.executable, str(_PROGRAM), source.reader, str(file)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Reading(**json.loads(answer.stdout))


if __name__ == "__main__":
    main()
