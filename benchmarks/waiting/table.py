"""Everybody's thousand waits side by side, and ten thousand of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.contestants import COMMON_AI, CONTESTANTS, OFFICIAL, OURS
from benchmarks.waiting.runs import Waited, Waits
from benchmarks.waiting.scenario import INTERVAL_SECONDS

MANY = 1_000
VERY_MANY = 10_000
_NOTHING = "nothing"
_TITLES = {_NOTHING: "nothing: they only sleep"} | {each.dag_id: each.title for each in CONTESTANTS}
# At 10,000 the peers would need 9 GB, and threads for 1,000 calls a second.
RUNS = (*((program, MANY) for program in _TITLES), (_NOTHING, VERY_MANY), (OURS.dag_id, VERY_MANY))

Runs = Mapping[tuple[str, int], Waited]


def measure(waits: Waits) -> Runs:
    """Return what each run comes to, by program and number of triggers.

    :raises RuntimeError: a program failed, or a batch was heard of before it had ended.
    """
    return {run: waits.run(*run) for run in RUNS}


def as_table(runs: Runs) -> list[str]:
    """Return the lines of a Markdown table, a line per run, and what they come to."""
    head = (
        "| waits | of | CPU | beyond sleeping | memory | beyond sleeping | HTTP calls | longest stall "
        "| longest turn: CPU | without collections | full collections | end to event: median | latest |"
    )
    lines = [head, "|---" * 13 + "|"]
    for (program, triggers), waited in runs.items():
        use, floor = waited.use, runs[_NOTHING, triggers].use
        cells = [
            f"{triggers:,}",
            _TITLES[program],
            f"{use.cpu:.2f} s",
            "" if program == _NOTHING else f"{use.cpu - floor.cpu:.2f} s",
            f"{use.memory / 1e6:+.0f} MB",
            "" if program == _NOTHING else f"{(use.memory - floor.memory) / 1e6:+.0f} MB",
            f"{waited.calls:,}",
            *(f"{seconds * 1e3:.0f} ms" for seconds in (use.stall, use.turn, use.turn_without_collections)),
            f"{use.collections}",
            *(f"{seconds:.1f} s" for seconds in _median_and_latest(waited)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", _beside_the_peers(runs), "", _with_more(runs)]


def _median_and_latest(waited: Waited) -> tuple[float, ...]:
    delays = waited.delays
    return (delays[len(delays) // 2], delays[-1]) if delays else ()


def _beside_the_peers(runs: Runs) -> str:
    """Say how many times as much as this package the better peer takes, in all and beyond what sleeping takes."""
    floor, ours = runs[_NOTHING, MANY].use, runs[OURS.dag_id, MANY]
    peers = [runs[peer.dag_id, MANY] for peer in (OFFICIAL, COMMON_AI)]

    def times(amount: Callable[[Waited], float], nothing: float) -> str:
        least = min(map(amount, peers))
        beyond = (least - nothing) / (amount(ours) - nothing)
        return f"{beyond:.0f} times" + (f" ({least / amount(ours):.0f} in all)" if nothing else "")

    return (
        f"{MANY:,} waits: the better peer takes, beyond what sleeping takes, "
        f"{times(lambda waited: waited.use.cpu, floor.cpu)} the CPU of this package and "
        f"{times(lambda waited: waited.use.memory, floor.memory)} its memory, and makes "
        f"{times(lambda waited: waited.calls, 0)} its calls. Later than one interval after the end of their batch, "
        f"{INTERVAL_SECONDS} s, heard of it: {', '.join(_late(runs, each.dag_id, MANY) for each in CONTESTANTS)}."
    )


def _with_more(runs: Runs) -> str:
    few, many = (runs[OURS.dag_id, triggers] for triggers in (MANY, VERY_MANY))
    floors = [runs[_NOTHING, triggers].use for triggers in (MANY, VERY_MANY)]
    cpu = (many.use.cpu - floors[1].cpu) / (few.use.cpu - floors[0].cpu)
    memory = (many.use.memory - floors[1].memory) / (few.use.memory - floors[0].memory)
    return (
        f"{VERY_MANY:,} waits of this package take, beyond what sleeping takes, {cpu:.1f} times the CPU and "
        f"{memory:.1f} times the memory of {MANY:,}, and make {many.calls} calls, of the 1,000 that a Start account "
        f"has in a minute. Later than one interval heard of the end: {_late(runs, OURS.dag_id, VERY_MANY)}."
    )


def _late(runs: Runs, program: str, triggers: int) -> str:
    late = sum(delay > INTERVAL_SECONDS for delay in runs[program, triggers].delays)
    return f"{late:,} of {_TITLES[program]}"
