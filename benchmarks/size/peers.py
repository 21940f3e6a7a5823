"""The same size for all three packages and for two bare programs."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.contestants import COMMON_AI, CONTESTANTS, OFFICIAL, OURS
from benchmarks.size.inputs import write_requests_of
from benchmarks.size.processes import Processes, Used, least

ROWS = 100_000
FEW_ROWS = 100
REQUEST_BYTES = 2_000
STEPS = ("submit", "collect")
_LIMIT = "limit"
_BARE = {_LIMIT: "the limit", "limit_bytes": "the limit, bytes passed through"}
_TITLES = {contestant.dag_id: contestant.title for contestant in CONTESTANTS} | _BARE

Growths = Mapping[tuple[str, str], Used]


def measure(processes: Processes, rounds: int) -> Growths:
    """Return what the large run uses beyond the small one, by program and step; lowest figures of the rounds.

    :raises RuntimeError: a program failed, or did not send or write every row.
    """
    home = processes.home
    sources = {
        rows: write_requests_of(home / f"requests-{rows}.jsonl", rows, REQUEST_BYTES) for rows in (FEW_ROWS, ROWS)
    }
    seen: dict[tuple[str, str, int], list[Used]] = {}
    for number in range(rounds):
        for program in _TITLES:
            for rows, source in sources.items():
                folder = home / f"{program}-{rows}-{number}"
                for step, used in processes.submit_and_collect(f"size_{program}", source, folder, rows=rows).items():
                    seen.setdefault((program, step, rows), []).append(used)
    return {
        (program, step): least(seen[program, step, ROWS]).beyond(least(seen[program, step, FEW_ROWS]))
        for program in _TITLES
        for step in STEPS
    }


def as_table(growths: Growths) -> list[str]:
    """Return the lines of a Markdown table, a line per program, and a summary."""
    lines = ["| | submit: CPU | memory | collect: CPU | memory |", "|---|---|---|---|---|"]
    for program, title in _TITLES.items():
        cells = []
        for step in STEPS:
            growth = growths[program, step]
            times = "" if program == _LIMIT else f" ({growth.cpu / growths[_LIMIT, step].cpu:.1f} times)"
            cells += [f"{growth.cpu:.2f} s{times}", f"{growth.memory / 1e6:+.0f} MB"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return [*lines, "", " ".join(_comparison(growths, step) for step in STEPS)]


def _comparison(growths: Growths, step: str) -> str:
    ours, limit = growths[OURS.dag_id, step].cpu, growths[_LIMIT, step].cpu
    peer = min(growths[contestant.dag_id, step].cpu for contestant in (OFFICIAL, COMMON_AI))
    return f"To {step}: {ours / limit:.1f} times the limit; the better peer takes {peer / ours:.1f} times as much."
