"""Rows with a Jinja prompt, compared with ready requests."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.size.inputs import Shape, write_requests, write_rows
from benchmarks.size.processes import Processes, Used, least

ROWS = 100_000
FEW_ROWS = 100
TEXT_BYTES = 1_800
_STEPS = {"ready requests": "submit", "rows with a Jinja prompt": "submit_rows"}


def measure(processes: Processes, rounds: int) -> Mapping[str, Used]:
    """Return what submitting many rows uses beyond few rows, by the kind of input.

    :raises RuntimeError: the program failed, or did not send or write every row.
    """
    seen: dict[tuple[str, int], list[Used]] = {}
    for number in range(rounds):
        for kind, step in _STEPS.items():
            for rows in (FEW_ROWS, ROWS):
                shape = Shape(step, kind, rows, TEXT_BYTES)
                write = write_requests if step == "submit" else write_rows
                source = write(processes.home / f"prompts-{step}-{rows}.jsonl", shape)
                folder = processes.home / f"prompts-{step}-{rows}-{number}"
                used = processes.submit_and_collect("size_ours", source, folder, rows=rows, submit=step)
                seen.setdefault((kind, rows), []).append(used["submit"])
    return {kind: least(seen[kind, ROWS]).beyond(least(seen[kind, FEW_ROWS])) for kind in _STEPS}


def as_table(growths: Mapping[str, Used]) -> list[str]:
    """Return the lines of a Markdown table, a line per kind of input."""
    lines = ["| | submit: CPU | memory | rows per CPU second |", "|---|---|---|---|"]
    for kind, growth in growths.items():
        per_second = round((ROWS - FEW_ROWS) / growth.cpu, -3)
        lines.append(f"| {kind} | {growth.cpu:.2f} s | {growth.memory / 1e6:+.0f} MB | {per_second:,.0f} |")
    return lines
