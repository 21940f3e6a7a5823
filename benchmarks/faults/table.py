"""Runs all cases and reports them as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.faults.cases import CASES, ROWS, Case, Outcome
from benchmarks.faults.dag_test_runs import DagTestRuns
from benchmarks.faults.stack_runs import StackRuns

Outcomes = Mapping[tuple[str, str], Outcome]
Tell = Callable[[str], None]

_AT_ONCE = 2


def run_cases(python: str, home: Path, tell: Tell, cases: Sequence[Case] = CASES) -> Outcomes:
    """Run every case against all three packages; the real Airflow and the ``dag.test()`` processes run concurrently.

    :param tell: called with a line for each outcome as it comes.
    """
    outcomes: dict[tuple[str, str], Outcome] = {}

    def keep(case: Case, contestant: Contestant, outcome: Outcome) -> None:
        outcomes[case.name, contestant.dag_id] = outcome
        tell(f"{case.name}: {contestant.title}: {_cell(outcome)} ({outcome.seconds:.0f} s; {outcome.tasks})")

    def on_the_stack() -> None:
        if chosen := [case for case in cases if case.how == "stack"]:
            with StackRuns.started(python, home / "stack") as runs:
                for case in chosen:
                    for contestant in CONTESTANTS:
                        keep(case, contestant, runs.run(case, contestant))

    by_dag_test = DagTestRuns(python, home / "dag-test")

    def by_itself(case: Case, contestant: Contestant) -> None:
        keep(case, contestant, by_dag_test.run(case, contestant))

    with ThreadPoolExecutor(_AT_ONCE + 1) as pool:
        waiting: list[Future[None]] = [pool.submit(on_the_stack)]
        for case in cases:
            if case.how == "dag.test":
                waiting += [pool.submit(by_itself, case, contestant) for contestant in CONTESTANTS]
        for future in waiting:
            future.result()
    return outcomes


def as_table(outcomes: Outcomes, cases: Sequence[Case] = CASES) -> list[str]:
    """Return the lines of a Markdown table, a line per case and a column per contestant."""
    titles = [contestant.title for contestant in CONTESTANTS]
    lines = [f"| what goes wrong | run by | {' | '.join(titles)} |", "|---" * (len(titles) + 2) + "|"]
    for case in cases:
        cells = [_cell(outcomes[case.name, contestant.dag_id]) for contestant in CONTESTANTS]
        lines.append(f"| {_with_settings(case)} | {_HOW[case.how]} | {' | '.join(cells)} |")
    return lines


_HOW = {"dag.test": "`dag.test()`", "stack": "real Airflow"}


def _with_settings(case: Case) -> str:
    if not case.settings:
        return case.name
    return f"{case.name} ({', '.join(f'`{name}={value}`' for name, value in case.settings.items())})"


def _cell(outcome: Outcome) -> str:
    batches = f"{outcome.batches} {'batch' if outcome.batches == 1 else 'batches'}"
    billed = f"{outcome.billed} billed"
    if outcome.billed > ROWS:
        billed = f"**{billed}**"
    return f"{outcome.state}, {batches}, {billed}, {outcome.delivered} delivered"
