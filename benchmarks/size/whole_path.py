"""Up to a million rows through the whole path in one process: memory that stays, time that grows with the rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from benchmarks.size.processes import Processes, Used

FEW_ROWS = 100
ROWS = (10_000, 100_000, 1_000_000)
_QUEUE_LIMIT = 2_000_000


def measure(processes: Processes) -> Mapping[int, Used]:
    """Return what each number of rows takes beyond few rows.

    :raises RuntimeError: the program failed, or not every row came home.
    """
    processes.control.change_settings(queue_limit=_QUEUE_LIMIT)
    seen = {rows: _run(processes, rows) for rows in (FEW_ROWS, *ROWS)}
    return {rows: seen[rows].beyond(seen[FEW_ROWS]) for rows in ROWS}


def _run(processes: Processes, rows: int) -> Used:
    folder = processes.home / f"whole-path-{rows}"
    folder.mkdir()
    source = folder / "rows"
    source.write_text(str(rows))
    used = processes.run("whole_path", "whole_path", source, folder)
    shutil.rmtree(folder / "output")
    processes.control.reset()
    return used


def as_table(growths: Mapping[int, Used]) -> list[str]:
    """Return the lines of a Markdown table, a line per number of rows."""
    lines = ["| rows | CPU | CPU per 1,000 rows | elapsed | memory beyond the smallest |", "|---|---|---|---|---|"]
    smallest = growths[ROWS[0]].memory
    for rows, growth in growths.items():
        per_thousand = growth.cpu / (rows - FEW_ROWS) * 1e6
        cells = [f"{rows:,}", f"{growth.cpu:.1f} s", f"{per_thousand:.0f} ms", f"{growth.elapsed:.0f} s"]
        lines.append(f"| {' | '.join(cells)} | {(growth.memory - smallest) / 1e6:+.0f} MB |")
    return lines
