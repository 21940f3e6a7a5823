"""``python -m benchmarks``: measures, prints the tables, and writes them into ``docs/benchmarks.md`` if asked to."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.faults.cases import CASES
from benchmarks.faults.table import as_table as faults_table
from benchmarks.faults.table import run_cases
from benchmarks.peers_environment import peers_python, versions
from benchmarks.size.runs import SizeRuns
from benchmarks.size.table import as_table as size_table
from demo.simulator_process import SimulatorProcess

_BENCHMARKS = ("faults", "size")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"which benchmarks, of {', '.join(_BENCHMARKS)}; default: all")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    parser.add_argument("--only", metavar="TEXT", help="of the faults only those whose name holds TEXT; not written")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of the size benchmark; default 3")
    parser.add_argument("--home", type=Path, metavar="FOLDER", help="keep all that the runs write in this new folder")
    options = parser.parse_args(arguments)
    if unknown := set(options.what) - set(_BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as passing:
        home = options.home or Path(passing)
        home.mkdir(parents=True, exist_ok=True)
        _measure(options, home.absolute())


def _measure(options: argparse.Namespace, home: Path) -> None:
    python = peers_python()
    for what in options.what or _BENCHMARKS:
        started = time.monotonic()
        table = _faults(python, home, options.only) if what == "faults" else _size(python, home, options.rounds)
        lines = report.measured(table, versions(python), time.monotonic() - started)
        print("", *lines, sep="\n")
        if options.write and not options.only:
            report.write(what, lines)


def _faults(python: str, home: Path, only: str | None) -> list[str]:
    cases = [case for case in CASES if only is None or only in case.name]
    outcomes = run_cases(python, home / "faults", lambda text: print(text, flush=True), cases)
    return faults_table(outcomes, cases)


def _size(python: str, home: Path, rounds: int) -> list[str]:
    folder = home / "size"
    folder.mkdir()
    with SimulatorProcess(folder / "simulator") as simulator:
        return size_table(SizeRuns(python, folder, simulator.control).measure(rounds))


if __name__ == "__main__":
    main()
