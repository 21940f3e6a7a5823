"""This package at two commits, alternated in one run, to show that a change costs nothing.

``python -m benchmarks.size.before_after FOLDER [--rounds N]``, where FOLDER is a checkout of the earlier commit
(``git worktree add FOLDER COMMIT``). Prints a table. Runs in the current environment, with the simulator of this
checkout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_stack.simulator_process import SimulatorProcess
from anthropic_batches_provider.simulator import SimulatorControl
from benchmarks.peers_environment import REPOSITORY
from benchmarks.size.inputs import Shape, write_requests_of, write_rows
from benchmarks.size.peers import FEW_ROWS, REQUEST_BYTES, ROWS
from benchmarks.size.processes import Processes, Used, least
from benchmarks.size.prompts import TEXT_BYTES

_PROGRAM = "size_ours"
_STEPS = {
    "submit": "submit ready requests",
    "submit_rows": "submit rows with a Jinja prompt",
    "collect": "collect",
}

Growths = Mapping[tuple[str, str], Used]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size.before_after", description=__doc__)
    parser.add_argument("before", type=Path, help="a checkout of the earlier commit")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="number of rounds; the lowest figure counts; default 5"
    )
    options = parser.parse_args(arguments)
    trees = {"before": options.before.absolute(), "after": REPOSITORY}
    with (
        tempfile.TemporaryDirectory(prefix="before-after-") as home,
        SimulatorProcess(Path(home, "simulator")) as simulator,
    ):
        print(*as_table(measure(trees, Path(home), simulator.control, options.rounds)), sep="\n")


def measure(trees: Mapping[str, Path], home: Path, control: SimulatorControl, rounds: int) -> Growths:
    """Return what a large run of each step uses beyond a small one, by tree and step; lowest figures of the rounds."""
    processes = {}
    for name, tree in trees.items():
        (home / name).mkdir()
        processes[name] = Processes(sys.executable, home / name, control, tree=tree)
    seen: dict[tuple[str, str, int], list[Used]] = {}
    for number in range(rounds):
        for rows in (FEW_ROWS, ROWS):
            for submit, source in _sources(home, rows).items():
                for name in list(trees)[:: 1 if number % 2 == 0 else -1]:
                    folder = home / name / f"{submit}-{rows}-{number}"
                    used = processes[name].submit_and_collect(_PROGRAM, source, folder, rows=rows, submit=submit)
                    seen.setdefault((name, submit, rows), []).append(used["submit"])
                    seen.setdefault((name, "collect", rows), []).append(used["collect"])
    return {
        (name, step): least(seen[name, step, ROWS]).beyond(least(seen[name, step, FEW_ROWS]))
        for name in trees
        for step in _STEPS
    }


def as_table(growths: Growths) -> list[str]:
    """Return the lines of the table."""
    lines = ["| | CPU before | after | | memory before | after |", "|---|---|---|---|---|---|"]
    for step, title in _STEPS.items():
        before, after = growths["before", step], growths["after", step]
        change = f"{(after.cpu / before.cpu - 1) * 100:+.1f}%"
        memory = f"{before.memory / 1e6:+.1f} MB | {after.memory / 1e6:+.1f} MB"
        lines.append(f"| {title} | {before.cpu:.2f} s | {after.cpu:.2f} s | {change} | {memory} |")
    return lines


def _sources(home: Path, rows: int) -> dict[str, Path]:
    return {
        "submit": write_requests_of(home / f"requests-{rows}.jsonl", rows, REQUEST_BYTES),
        "submit_rows": write_rows(home / f"rows-{rows}.jsonl", Shape("rows", "rows", rows, TEXT_BYTES)),
    }


if __name__ == "__main__":
    main()
