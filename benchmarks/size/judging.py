"""Answers of a given form: what it costs to hold each of them against the user's schema."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.size.inputs import Shape, write_rows
from benchmarks.size.processes import Processes, Used, least

ROWS = 100_000
FEW_ROWS = 100
TEXT_BYTES = 200
_UNJUDGED = "JSON, held against nothing"
_STEPS = {
    _UNJUDGED: "submit_labels",
    "`output_schema` is a JSON Schema": "submit_labels_by_schema",
    "`output_schema` is a pydantic model": "submit_labels_by_model",
}


def measure(processes: Processes, rounds: int) -> Mapping[str, Used]:
    """Return what collecting many rows uses beyond few rows, by how their answers are judged.

    :raises RuntimeError: the program failed, or did not send or write every row.
    """
    seen: dict[tuple[str, int], list[Used]] = {}
    for number in range(rounds):
        for kind, step in _STEPS.items():
            for rows in (FEW_ROWS, ROWS):
                source = write_rows(processes.home / f"labels-{rows}.jsonl", Shape("", "", rows, TEXT_BYTES))
                folder = processes.home / f"{step}-{rows}-{number}"
                used = processes.submit_and_collect("size_ours", source, folder, rows=rows, submit=step)
                seen.setdefault((kind, rows), []).append(used["collect"])
    return {kind: least(seen[kind, ROWS]).beyond(least(seen[kind, FEW_ROWS])) for kind in _STEPS}


def as_table(growths: Mapping[str, Used]) -> list[str]:
    """Return the lines of a Markdown table, a line per way of judging."""
    lines = ["| | collect: CPU | times that without | memory |", "|---|---|---|---|"]
    for kind, growth in growths.items():
        times = growth.cpu / growths[_UNJUDGED].cpu
        lines.append(f"| {kind} | {growth.cpu:.2f} s | {times:.2f} | {growth.memory / 1e6:+.0f} MB |")
    return lines
