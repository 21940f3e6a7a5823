"""A thousand waits of each package side by side, and ten thousand of this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.contestants import COMMON_AI, CONTESTANTS, OFFICIAL, OURS
from benchmarks.waiting.runs import Waited, Waits
from benchmarks.waiting.scenario import INTERVAL_SECONDS

MANY = 1_000
VERY_MANY = 10_000
_NOTHING = "nothing"
_TITLES = {_NOTHING: "nothing: they only sleep"} | {each.dag_id: each.title for each in CONTESTANTS}
_AS_IT_IS, _FROZEN = False, True
# At 10,000 the peers would need 9 GB, and threads for 1,000 calls a second.
RUNS = (
    *((program, MANY, _AS_IT_IS) for program in _TITLES),
    *((program, MANY, _FROZEN) for program in _TITLES),
    (_NOTHING, VERY_MANY, _AS_IT_IS),
    (OURS.dag_id, VERY_MANY, _AS_IT_IS),
)

Runs = Mapping[tuple[str, int, bool], Waited]


def measure(waits: Waits) -> Runs:
    """Return the result of each run, by program, number of triggers, and whether the heap was frozen.

    :raises RuntimeError: a program failed, or reported the end of a batch before it had ended.
    """
    return {
        (program, triggers, frozen): waits.run(program, triggers, frozen=frozen) for program, triggers, frozen in RUNS
    }


def as_table(runs: Runs) -> list[str]:
    """Return the lines of two Markdown tables, a line per run, and a summary."""
    return [*_costs(runs), "", _beside_the_peers(runs), "", _with_more(runs), "", *_stalls(runs)]


def _costs(runs: Runs) -> list[str]:
    head = (
        "| waits | of | CPU | beyond sleeping | memory | beyond sleeping | HTTP calls | end to event: median | latest |"
    )
    lines = [head, "|---" * 9 + "|"]
    for (program, triggers, frozen), waited in runs.items():
        if frozen:
            continue
        use, floor = waited.use, runs[_NOTHING, triggers, _AS_IT_IS].use
        cells = [
            f"{triggers:,}",
            _TITLES[program],
            f"{use.cpu:.2f} s",
            "" if program == _NOTHING else f"{use.cpu - floor.cpu:.2f} s",
            f"{use.memory / 1e6:+.0f} MB",
            "" if program == _NOTHING else f"{(use.memory - floor.memory) / 1e6:+.0f} MB",
            f"{waited.calls:,}",
            *(f"{seconds:.1f} s" for seconds in _median_and_latest(waited)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _stalls(runs: Runs) -> list[str]:
    head = (
        "| waits | of | heap | longest stall | without collections | longest turn: CPU | without collections "
        "| full collections |"
    )
    lines = [head, "|---" * 8 + "|"]
    for (program, triggers, frozen), waited in runs.items():
        use = waited.use
        seconds = (use.stall, use.stall_without_collections, use.turn, use.turn_without_collections)
        cells = [
            f"{triggers:,}",
            _TITLES[program],
            "frozen" if frozen else "as it is",
            *(f"{each * 1e3:.0f} ms" for each in seconds),
            f"{use.collections}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _median_and_latest(waited: Waited) -> tuple[float, ...]:
    delays = waited.delays
    return (delays[len(delays) // 2], delays[-1]) if delays else ()


def _beside_the_peers(runs: Runs) -> str:
    """Say how many times as much as this package the better peer uses, in total and beyond what sleeping uses."""
    floor, ours = runs[_NOTHING, MANY, _AS_IT_IS].use, runs[OURS.dag_id, MANY, _AS_IT_IS]
    peers = [runs[peer.dag_id, MANY, _AS_IT_IS] for peer in (OFFICIAL, COMMON_AI)]

    def times(amount: Callable[[Waited], float], nothing: float) -> str:
        least = min(map(amount, peers))
        beyond = (least - nothing) / (amount(ours) - nothing)
        return f"{beyond:.0f} times" + (f" ({least / amount(ours):.0f} in total)" if nothing else "")

    return (
        f"{MANY:,} waits: the better peer takes, beyond what sleeping takes, "
        f"{times(lambda waited: waited.use.cpu, floor.cpu)} the CPU of this package and "
        f"{times(lambda waited: waited.use.memory, floor.memory)} its memory, and makes "
        f"{times(lambda waited: waited.calls, 0)} its calls. Events that came later than one interval "
        f"({INTERVAL_SECONDS} s) after the end of their batch: "
        f"{', '.join(_late(runs, each.dag_id, MANY) for each in CONTESTANTS)}."
    )


def _with_more(runs: Runs) -> str:
    few, many = (runs[OURS.dag_id, triggers, _AS_IT_IS] for triggers in (MANY, VERY_MANY))
    floors = [runs[_NOTHING, triggers, _AS_IT_IS].use for triggers in (MANY, VERY_MANY)]
    cpu = (many.use.cpu - floors[1].cpu) / (few.use.cpu - floors[0].cpu)
    memory = (many.use.memory - floors[1].memory) / (few.use.memory - floors[0].memory)
    return (
        f"{VERY_MANY:,} waits of this package take, beyond what sleeping takes, {cpu:.1f} times the CPU and "
        f"{memory:.1f} times the memory of {MANY:,}, and make {many.calls} calls, of the 1,000 that a Start account "
        f"may make in a minute. Events that came later than one interval: {_late(runs, OURS.dag_id, VERY_MANY)}."
    )


def _late(runs: Runs, program: str, triggers: int) -> str:
    late = sum(delay > INTERVAL_SECONDS for delay in runs[program, triggers, _AS_IT_IS].delays)
    return f"{late:,} of {_TITLES[program]}"
