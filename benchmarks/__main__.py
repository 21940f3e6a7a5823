"""``python -m benchmarks``: measures, prints the tables and, on request, writes them into the docs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from airflow_stack.simulator_process import SimulatorProcess
from benchmarks import bills, cache, costs, estimates, imports, report
from benchmarks.faults.cases import CASES
from benchmarks.faults.table import as_table as faults_table
from benchmarks.faults.table import run_cases
from benchmarks.peers_environment import DISTRIBUTIONS, peers_python, versions
from benchmarks.size import judging, peers, prompts, shapes, tables, whole_path
from benchmarks.size.processes import Processes
from benchmarks.waiting import table as waiting
from benchmarks.waiting.runs import Waits

_BENCHMARKS = (
    "faults",
    "size",
    "prompts",
    "judging",
    "tables",
    "cache",
    "costs",
    "bills",
    "estimates",
    "waiting",
    "imports",
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"benchmarks to run, of {', '.join(_BENCHMARKS)}; default: all")
    parser.add_argument("--write", action="store_true", help="write the tables into the pages of the docs")
    parser.add_argument("--only", metavar="TEXT", help="run only the faults whose name contains TEXT; not written")
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="rounds of size, prompts, judging and costs; default 3"
    )
    parser.add_argument("--home", type=Path, metavar="FOLDER", help="keep all files of the runs in this new folder")
    options = parser.parse_args(arguments)
    if unknown := set(options.what) - set(_BENCHMARKS):
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}; --help lists the known ones")
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as passing:
        home = options.home or Path(passing)
        home.mkdir(parents=True, exist_ok=True)
        _measure(options, home.absolute())


def _measure(options: argparse.Namespace, home: Path) -> None:
    load_before = report.load()
    for what in options.what or _BENCHMARKS:
        python, distributions = _environment(what)
        sections = _sections(what, python, home, options)
        started = time.monotonic()
        for section in sections:
            lines = report.measured(section, versions(python, distributions), time.monotonic() - started, load_before)
            started = time.monotonic()
            print("", *lines, sep="\n", flush=True)
            if options.write and not options.only:
                report.write(section.name, lines)


def _environment(what: str) -> tuple[str, Sequence[str]]:
    """Return the Python that a benchmark runs in, and the distributions whose versions count."""
    if what in ("judging", "prompts"):  # they compare this package with itself alone
        return sys.executable, ("airflow-provider-anthropic-batches", "pydantic", "jsonschema-rs", "msgspec")
    if what == "costs":
        return sys.executable, ("airflow-provider-anthropic-batches", "genai-prices", "msgspec")
    if what == "bills":
        return sys.executable, ("airflow-provider-anthropic-batches", "genai-prices", "apache-airflow")
    if what == "estimates":
        return sys.executable, ("airflow-provider-anthropic-batches", "genai-prices")
    if what == "tables":
        return sys.executable, ("airflow-provider-anthropic-batches", "jsonschema-rs", "msgspec", "pyarrow", "psycopg")
    return peers_python(), DISTRIBUTIONS


def _sections(what: str, python: str, home: Path, options: argparse.Namespace) -> Iterator[report.Section]:
    if what == "faults":
        return _faults(python, home, options.only)
    if what == "cache":
        return _cache(python, home)
    if what == "costs":
        return _costs(home, options.rounds)
    if what == "bills":
        return _bills(python, home)
    if what == "imports":
        return _imports(python)
    if what == "judging":
        return _judging(home, options.rounds)
    if what == "prompts":
        return _prompts(home, options.rounds)
    if what == "tables":
        return _tables(home)
    if what == "estimates":
        return _estimates()
    return _size(python, home, options.rounds) if what == "size" else _waiting(python, home)


def _faults(python: str, home: Path, only: str | None) -> Iterator[report.Section]:
    cases = [case for case in CASES if only is None or only in case.name]
    outcomes = run_cases(python, home / "faults", lambda text: print(text, flush=True), cases)
    yield report.Section("faults", faults_table(outcomes, cases))


def _cache(python: str, home: Path) -> Iterator[report.Section]:
    yield report.Section("cache", cache.as_table(cache.measure(python, home / "cache")))


def _costs(home: Path, rounds: int) -> Iterator[report.Section]:
    folder = home / "costs"
    folder.mkdir()
    yield report.Section("costs", costs.as_table(costs.measure(folder, rounds)), rounds)


def _bills(python: str, home: Path) -> Iterator[report.Section]:
    yield report.Section("bills", bills.as_table(bills.measure(python, home / "bills")))


def _imports(python: str) -> Iterator[report.Section]:
    yield report.Section("imports", imports.as_table(imports.measure(python)))


def _size(python: str, home: Path, rounds: int) -> Iterator[report.Section]:
    folder = home / "size"
    folder.mkdir()
    with SimulatorProcess(folder / "simulator") as simulator:
        processes = Processes(python, folder, simulator.control)
        yield report.Section("size", peers.as_table(peers.measure(processes, rounds)), rounds)
        yield report.Section("shapes", shapes.as_table(shapes.measure(processes, rounds)), rounds)
        yield report.Section("whole path", whole_path.as_table(whole_path.measure(processes)))


def _prompts(home: Path, rounds: int) -> Iterator[report.Section]:
    folder = home / "prompts"
    folder.mkdir()
    with SimulatorProcess(folder / "simulator") as simulator:
        processes = Processes(sys.executable, folder, simulator.control)
        yield report.Section("prompts", prompts.as_table(prompts.measure(processes, rounds)), rounds)


def _judging(home: Path, rounds: int) -> Iterator[report.Section]:
    folder = home / "judging"
    folder.mkdir()
    with SimulatorProcess(folder / "simulator") as simulator:
        processes = Processes(sys.executable, folder, simulator.control)
        yield report.Section("judging", judging.as_table(judging.measure(processes, rounds)), rounds)


def _tables(home: Path) -> Iterator[report.Section]:
    folder = home / "tables"
    folder.mkdir()
    with SimulatorProcess(folder / "simulator") as simulator:
        processes = Processes(sys.executable, folder, simulator.control)
        yield report.Section("tables", tables.as_table(tables.measure(processes, rounds=1)))


def _estimates() -> Iterator[report.Section]:
    yield report.Section("estimates", estimates.sampled_table(estimates.sampled()))
    backfills = estimates.jobs(estimates.BACKFILLS, dates=estimates.DATES)
    yield report.Section("estimated jobs", estimates.jobs_table(estimates.jobs(), backfills))
    yield report.Section("estimated pilots", estimates.pilots_table(estimates.pilots()))
    yield report.Section("speed of estimates", [estimates.speed_line(*estimates.cpu_of_many_rows())])


def _waiting(python: str, home: Path) -> Iterator[report.Section]:
    folder = home / "waiting"
    with SimulatorProcess(folder / "simulator") as simulator:
        yield report.Section("waiting", waiting.as_table(waiting.measure(Waits(python, folder, simulator.control))))


if __name__ == "__main__":
    main()
