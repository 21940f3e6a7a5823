"""This package at two commits, alternated in one run, to show that a change costs nothing.

``python -m benchmarks.size.before_after FOLDER [--rounds N]``, where FOLDER is a checkout of the earlier commit
(``git worktree add FOLDER COMMIT``). Prints a table. Runs in the current environment, with the simulator of this
checkout.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

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
    "collect": "collect into JSON Lines",
    "collect_gzip": "collect into JSON Lines, gzip",
    "collect_xcom": "collect into memory, for XCom",
}
_RUNS = (
    ("submit", "collect"),
    ("submit_rows", "collect"),
    ("submit_rows", "collect_gzip"),
    ("submit_rows", "collect_xcom"),
)

Growths = Mapping[tuple[str, str], Used]


@dataclass(frozen=True)
class Compared:
    """What a large run of each step uses beyond a small one, by tree and step.

    :param growths: the lowest figures of the rounds.
    :param ratios: of each step, for each round, the CPU after by that before.
    """

    growths: Growths
    ratios: Mapping[str, Sequence[float]]


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


def measure(trees: Mapping[str, Path], home: Path, control: SimulatorControl, rounds: int) -> Compared:
    """Return what a large run of each step uses beyond a small one, at both commits."""
    processes = {}
    for name, tree in trees.items():
        (home / name).mkdir()
        processes[name] = Processes(sys.executable, home / name, control, tree=tree)
    seen: dict[tuple[str, str, int], list[list[Used]]] = {}
    for number in range(rounds):
        for rows in (FEW_ROWS, ROWS):
            sources = _sources(home, rows)
            for submit, collect in _RUNS:
                for name in list(trees)[:: 1 if number % 2 == 0 else -1]:
                    folder = home / name / f"{submit}-{collect}-{rows}-{number}"
                    used = processes[name].submit_and_collect(
                        _PROGRAM, sources[submit], folder, rows=rows, submit=submit, collect=collect
                    )
                    for step, kind in ((submit, "submit"), (collect, "collect")):
                        of_rounds = seen.setdefault((name, step, rows), [[] for _ in range(rounds)])
                        of_rounds[number].append(used[kind])
                    shutil.rmtree(folder)
    growths = {(name, step): _growth(seen, name, step, slice(None)) for name in trees for step in _STEPS}
    ratios = {
        step: [
            _growth(seen, "after", step, slice(number, number + 1)).cpu
            / _growth(seen, "before", step, slice(number, number + 1)).cpu
            for number in range(rounds)
        ]
        for step in _STEPS
    }
    return Compared(growths, ratios)


def _growth(seen: Mapping[tuple[str, str, int], list[list[Used]]], name: str, step: str, rounds: slice) -> Used:
    """Return the lowest figures of some rounds."""
    few, many = (least(list(chain.from_iterable(seen[name, step, rows][rounds]))) for rows in (FEW_ROWS, ROWS))
    return many.beyond(few)


def as_table(compared: Compared) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| | CPU before | after | | round by round: median, least, most | memory before | after |",
        "|---|---|---|---|---|---|---|",
    ]
    for step, title in _STEPS.items():
        before, after = compared.growths["before", step], compared.growths["after", step]
        ratios = compared.ratios[step]
        spread = ", ".join(_change(found) for found in (median(ratios), min(ratios), max(ratios)))
        memory = f"{before.memory / 1e6:+.1f} MB | {after.memory / 1e6:+.1f} MB"
        change = _change(after.cpu / before.cpu)
        lines.append(f"| {title} | {before.cpu:.2f} s | {after.cpu:.2f} s | {change} | {spread} | {memory} |")
    return lines


def _change(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f}%"


def _sources(home: Path, rows: int) -> dict[str, Path]:
    return {
        "submit": write_requests_of(home / f"requests-{rows}.jsonl", rows, REQUEST_BYTES),
        "submit_rows": write_rows(home / f"rows-{rows}.jsonl", Shape("rows", "rows", rows, TEXT_BYTES)),
    }


if __name__ == "__main__":
    main()
