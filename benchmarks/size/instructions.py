"""The instructions that this package executes for a row, at two commits: a figure that a busy machine does not change.

``python -m benchmarks.size.instructions FOLDER``, where FOLDER is a checkout of the commit before. Needs valgrind,
whose cachegrind counts. Prints what 10,000 rows take beyond 1,000, and takes half an hour.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from airflow_stack.simulator_process import SimulatorProcess
from benchmarks.peers_environment import REPOSITORY
from benchmarks.size.inputs import Shape, write_priced_rows, write_requests_of, write_rows
from benchmarks.size.peers import REQUEST_BYTES
from benchmarks.size.processes import Processes
from benchmarks.size.prompts import TEXT_BYTES

_PROGRAM = "size_ours"
COUNTING = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")
_ROWS = (1_000, 10_000)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size.instructions", description=__doc__)
    parser.add_argument("before", type=Path, help="a checkout of the commit before")
    options = parser.parse_args(arguments)
    print("| | instructions a row, before | after | |", "|---|---|---|---|", sep="\n")
    before, after = (instructions_a_row(tree) for tree in (options.before.absolute(), REPOSITORY))
    for step, count in before.items():
        print(f"| {step} | {count:,.0f} | {after[step]:,.0f} | {(after[step] / count - 1) * 100:+.1f}% |")


def instructions_a_row(tree: Path) -> dict[str, float]:
    """Return how many instructions each step takes for one row more."""
    few, many = (_instructions(tree, rows) for rows in _ROWS)
    return {step: (many[step] - few[step]) / (_ROWS[1] - _ROWS[0]) for step in many}


def _instructions(tree: Path, rows: int) -> dict[str, int]:
    counted: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory(prefix="instructions-") as name,
        SimulatorProcess(Path(name, "simulator")) as simulator,
    ):
        home = Path(name)
        processes = Processes(sys.executable, home, simulator.control, tree=tree, under=COUNTING)
        texts = Shape("rows", "rows", rows, TEXT_BYTES)
        sources = {
            "submit": write_requests_of(home / "requests.jsonl", rows, REQUEST_BYTES),
            "submit_rows": write_rows(home / "rows.jsonl", texts),
            "submit_prices": (prices := write_priced_rows(home / "prices.jsonl", texts)),
            "submit_kept_prices": prices,
        }
        for submit, source in sources.items():
            folder = home / submit
            processes.submit_and_collect(_PROGRAM, source, folder, rows=rows, submit=submit)
            counted[submit] = _counted(folder / f"{submit}.log")
            counted[f"collect after {submit}"] = _counted(folder / "collect.log")
    return counted


def _counted(log: Path) -> int:
    (count,) = COUNTED.findall(log.read_text(errors="replace"))
    return int(count.replace(",", ""))


if __name__ == "__main__":
    main()
