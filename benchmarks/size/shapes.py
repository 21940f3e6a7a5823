"""Many small rows, few large ones, other scripts, and characters that other tools take for line ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.size.inputs import Shape, write_requests
from benchmarks.size.processes import Processes, Used, least

FEW_ROWS = 10
SHAPES = (
    Shape("plain", "2 KB, ASCII", 100_000, 2_000),
    Shape("small", "100 bytes", 100_000, 100),
    Shape("large", "1 MB", 200, 1_000_000),
    Shape("japanese", "2 KB, Japanese", 100_000, 2_000, "いろはにほへと ちりぬるを わかよたれそ つねならむ。"),
    Shape("emoji", "2 KB, emoji", 100_000, 2_000, "🦊 jumps over 🐶, 👩🏽‍🚀 looks on. "),
    Shape("separators", "2 KB, U+2028, U+0085 and CR throughout", 100_000, 2_000, "one\u2028two\u0085three\rfour "),
)


def measure(processes: Processes, rounds: int) -> Mapping[str, Mapping[str, Used]]:
    """Return what each shape uses beyond few rows of it, by name and step.

    :raises RuntimeError: the program failed, or a row is missing or out of place.
    """
    seen: dict[tuple[str, int, str], list[Used]] = {}
    for number in range(rounds):
        for shape in SHAPES:
            for rows in (FEW_ROWS, shape.rows):
                few = Shape(shape.name, shape.title, rows, shape.text_bytes, shape.sentence)
                source = write_requests(processes.home / f"shape-{shape.name}-{rows}.jsonl", few)
                folder = processes.home / f"shape-{shape.name}-{rows}-{number}"
                for step, used in processes.submit_and_collect("size_ours", source, folder, rows=rows).items():
                    seen.setdefault((shape.name, rows, step), []).append(used)
                _check_order(folder / "output", rows)
    return {
        shape.name: {
            step: least(seen[shape.name, shape.rows, step]).beyond(least(seen[shape.name, FEW_ROWS, step]))
            for step in ("submit", "collect")
        }
        for shape in SHAPES
    }


def as_table(growths: Mapping[str, Mapping[str, Used]]) -> list[str]:
    """Return the lines of a Markdown table, a line per shape."""
    head = (
        "| rows of | number | total text | submit: CPU | per row | per MB | memory | collect: CPU | per row | memory |"
    )
    lines = [head, "|---" * 10 + "|"]
    for shape in SHAPES:
        submit, collect = (growths[shape.name][step] for step in ("submit", "collect"))
        megabytes = shape.rows * shape.text_bytes / 1e6
        cells = [
            shape.title,
            f"{shape.rows:,}",
            f"{megabytes:,.0f} MB",
            f"{submit.cpu:.2f} s",
            f"{submit.cpu / shape.rows * 1e6:,.0f} µs",
            f"{submit.cpu / megabytes * 1e3:.1f} ms",
            f"{submit.memory / 1e6:+.0f} MB",
            f"{collect.cpu:.2f} s",
            f"{collect.cpu / shape.rows * 1e6:,.0f} µs",
            f"{collect.memory / 1e6:+.0f} MB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _check_order(output: Path, rows: int) -> None:
    lines = (line for file in sorted(output.glob("*.jsonl")) for line in file.open("rb"))
    for number, line in enumerate(lines):
        row = json.loads(line)
        if row["key"] != f"row-{number}" or f"passage {number}." not in row["text"]:
            raise RuntimeError(f"Line {number} of {rows} in {output} is not the expected row: {line[:200]!r}")
