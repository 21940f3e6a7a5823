"""Tells what the sizes took as a table."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.contestants import CONTESTANTS
from benchmarks.size.runs import STEPS, Growth


def as_table(growths: Mapping[tuple[str, str], Growth]) -> list[str]:
    """Return the lines of a Markdown table, a line per program."""
    lines = ["| | submit: CPU | memory | collect: CPU | memory |", "|---|---|---|---|---|"]
    titles = {contestant.dag_id: contestant.title for contestant in CONTESTANTS} | {"limit": "the limit"}
    for program, title in titles.items():
        cells = []
        for step in STEPS:
            growth, limit = growths[program, step], growths["limit", step]
            times = "" if program == "limit" else f" ({growth.cpu / limit.cpu:.1f} times)"
            cells += [f"{growth.cpu:.2f} s{times}", f"{growth.memory / 1e6:+.0f} MB"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines
