"""Up to a million rows through the whole path in one process: constant memory, and time in proportion to the rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.size.processes import Processes, Used

FEW_ROWS = 100
ROWS = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Brought:
    """The cost of processing rows end to end.

    :param shards: the number of create calls, which is one per shard.
    """

    used: Used
    shards: int


def measure(processes: Processes) -> Mapping[int, Brought]:
    """Return what each number of rows uses beyond few rows.

    :raises RuntimeError: the program failed, did not send every row exactly once, or did not collect every row.
    """
    seen = {rows: _run(processes, rows) for rows in (FEW_ROWS, *ROWS)}
    few = seen[FEW_ROWS].used
    return {rows: Brought(seen[rows].used.beyond(few), seen[rows].shards) for rows in ROWS}


def _run(processes: Processes, rows: int) -> Brought:
    folder = processes.home / f"whole-path-{rows}"
    folder.mkdir()
    source = folder / "rows"
    source.write_text(str(rows))
    used = processes.run("whole_path", "whole_path", source, folder)
    creates = processes.control.received().creates
    sent = sum(create.requests or 0 for create in creates)
    if sent != rows:
        raise RuntimeError(f"The program sent {sent} requests for {rows} rows")
    shutil.rmtree(folder / "output")
    processes.control.reset()
    return Brought(used, len(creates))


def as_table(growths: Mapping[int, Brought]) -> list[str]:
    """Return the lines of a Markdown table, a line per number of rows."""
    head = "| rows | shards | CPU | CPU per 1,000 rows | elapsed | memory beyond the smallest |"
    lines = [head, "|---" * 6 + "|"]
    smallest = growths[ROWS[0]].used.memory
    for rows, brought in growths.items():
        used = brought.used
        cells = [
            f"{rows:,}",
            f"{brought.shards}",
            f"{used.cpu:.1f} s",
            f"{used.cpu / (rows - FEW_ROWS) * 1e6:.0f} ms",
            f"{used.elapsed:.0f} s",
            f"{(used.memory - smallest) / 1e6:+.0f} MB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
