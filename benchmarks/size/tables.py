"""A million rows of one table into another: CPU by stage, and memory above the imports.

``python -m benchmarks.size.tables [PATH …] [--rows N] [--rounds N]`` prints a table. Each path takes the same rows in a
process of its own: read, prompt, seal, submit to the simulator, collect, write or load, publish. Then the output is
checked: its rows, the sums of its columns, their types.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_stack.simulator_process import SimulatorProcess
from benchmarks.programs.tables import STAGES
from benchmarks.size.processes import Processes
from benchmarks.size.table_contents import Found, in_lines, in_parquet, in_table, write_parquet, write_table
from tests.e2e.postgres import postgres
from tests.worlds.warehouse import Warehouse

ROWS = 1_000_000
_PROGRAM = "tables"


@dataclass(frozen=True)
class TablePath:
    """A path from one table to another.

    :param source: ``file`` or ``database``.
    :param output: a format of files, or ``table`` for one of the same database.
    :param types: of the columns that are checked.
    """

    title: str
    source: str
    output: str
    types: Mapping[str, str]

    @property
    def step(self) -> str:
        """The name that the program has for it."""
        return f"{self.source}_to_{self.output}"


_TYPES_OF_ARROW = {
    "id": "int64",
    "language": "string",
    "stars": "int32",
    "price": "decimal128(10, 2)",
    "written": "timestamp[us, tz=UTC]",
    "parsed_label": "string",
    "parsed_score": "double",
    "usage_output_tokens": "int64",
}
_TYPES_OF_POSTGRESQL = {
    "id": "bigint",
    "language": "text",
    "stars": "bigint",
    "price": "numeric",
    "written": "timestamp with time zone",
    "parsed_label": "text",
    "parsed_score": "double precision",
    "usage_output_tokens": "bigint",
}
PATHS = (
    TablePath("Parquet → JSON Lines", "file", "jsonl", {}),
    TablePath("Parquet → Parquet", "file", "parquet", _TYPES_OF_ARROW),
    TablePath("PostgreSQL → PostgreSQL", "database", "table", _TYPES_OF_POSTGRESQL),
)


@dataclass(frozen=True)
class Taken:
    """What a path took.

    :param stages: CPU seconds by stage.
    :param memory: bytes above the imports, at the peak.
    :param size: of the output, in bytes.
    """

    stages: Mapping[str, float]
    memory: int
    size: int


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size.tables", description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATH", help=f"default: all of {[each.title for each in PATHS]}")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"number of rows; default {ROWS:,}")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="the lowest figures count; default 1")
    options = parser.parse_args(arguments)
    if unknown := set(options.paths) - {each.title for each in PATHS}:
        parser.error(f"unknown path: {', '.join(sorted(unknown))}; --help lists the known ones")
    chosen = [each for each in PATHS if not options.paths or each.title in options.paths]
    with (
        tempfile.TemporaryDirectory(prefix="tables-") as home,
        SimulatorProcess(Path(home, "simulator")) as simulator,
    ):
        processes = Processes(sys.executable, Path(home), simulator.control)
        print(*as_table(measure(processes, options.rounds, chosen, options.rows), options.rows), sep="\n")


def measure(
    processes: Processes, rounds: int, paths: Iterable[TablePath] = PATHS, rows: int = ROWS
) -> dict[str, Taken]:
    """Return what each path took, by its title; the lowest figures of the rounds.

    :raises RuntimeError: the program failed, or its output is not that of the rows.
    """
    return {
        path.title: _least([_take(processes, path, rows, f"{path.step}-{number}") for number in range(rounds)])
        for path in paths
    }


def as_table(taken: Mapping[str, Taken], rows: int = ROWS) -> list[str]:
    """Return the lines of a Markdown table, a line per path."""
    lines = [
        "| | read and seal | submit | collect and write | load and swap | other | CPU | per row | memory | output |",
        "|---" * 10 + "|",
    ]
    for title, path in taken.items():
        cpu = sum(path.stages.values())
        cells = [f"{path.stages[stage]:.1f} s" if stage in path.stages else "" for stage in STAGES]
        cells += [f"{cpu:.1f} s", f"{cpu / rows * 1e6:.0f} µs", f"{path.memory / 1e6:+.0f} MB"]
        lines.append(f"| {title} | {' | '.join(cells)} | {path.size / 1e6:,.0f} MB |")
    return lines


def _least(taken: Sequence[Taken]) -> Taken:
    """Return the lowest figures of several rounds: a busy machine only ever adds to them."""
    stages = {stage: min(each.stages[stage] for each in taken) for stage in taken[0].stages}
    return Taken(stages, min(each.memory for each in taken), min(each.size for each in taken))


def _take(processes: Processes, path: TablePath, rows: int, name: str) -> Taken:
    folder = processes.home / name
    folder.mkdir()
    if path.source == "database":
        found = _run_in_database(processes, path, rows, folder)
    else:
        source = write_parquet(folder / "passages.parquet", rows)
        processes.run(_PROGRAM, path.step, source, folder)
        found = (in_lines if path.output == "jsonl" else in_parquet)(folder / "output")
    found.check(rows, path.types)
    told = json.loads((folder / f"{path.step}-told.json").read_text())
    stages = json.loads((folder / "stages.json").read_text())
    processes.control.reset()
    shutil.rmtree(folder)
    return Taken(stages, told["peak_memory"] - told["imports_memory"], found.size)


def _run_in_database(processes: Processes, path: TablePath, rows: int, folder: Path) -> Found:
    """Read the rows from a database, and write the answers into it."""
    with postgres(folder / "postgres.lock") as databases:
        warehouse = Warehouse.on(databases, "warehouse")
        write_table(warehouse, rows)
        connection = folder / "connection.json"
        connection.write_text(warehouse.connection())
        processes.run(_PROGRAM, path.step, connection, folder)
        return in_table(warehouse)


if __name__ == "__main__":
    main()
