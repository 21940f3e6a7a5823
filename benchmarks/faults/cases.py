"""The faults, and the outcome of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from anthropic_batches_provider.simulator import SimulatorControl
from benchmarks.contestants import Contestant

ROWS = 20

_LOST_ANSWER = {"operation": "create", "action": "drop_after_commit"}


@dataclass(frozen=True)
class Case:
    """One fault.

    :param how: ``dag.test()`` runs the DAG in a process of its own, or an Airflow of its own does: API server,
        scheduler, DAG processor, triggerer.
    :param faults: the simulator's faults, set before the run.
    :param batch_duration: how long a batch takes, in seconds; 0: it has ended at the first poll.
    :param settings: the options of ``[anthropic_batches]`` that differ from the defaults.
    """

    name: str
    how: Literal["dag.test", "stack"] = "dag.test"
    faults: tuple[Mapping[str, Any], ...] = ()
    batch_duration: float = 0
    settings: Mapping[str, str] = field(default_factory=dict)


CRASH = Case("task killed (SIGKILL) after the POST, before its record", "stack")
CLEARED = Case("task cleared while deferred", "stack", batch_duration=25)

CASES = (
    Case("nothing"),
    Case("answer to create lost, once", faults=(_LOST_ANSWER,)),
    Case("answer to create lost, twice", faults=({**_LOST_ANSWER, "times": 2},)),
    Case("answer to create lost, three times", faults=({**_LOST_ANSWER, "times": 3},)),
    Case(
        "answer to create lost, once; the batch runs on for 25 s",
        faults=(_LOST_ANSWER,),
        batch_duration=25,
    ),
    Case(
        "500 after the batch was made, once",
        faults=({"operation": "create", "action": "status_after_commit", "status": 500},),
    ),
    Case("404 on retrieve, once", faults=({"operation": "retrieve", "action": "status", "status": 404},)),
    Case(
        "results cut off once, then 404 on the third retrieve",
        faults=(
            {"operation": "results", "action": "cut_after_lines", "lines": ROWS // 2},
            {"operation": "retrieve", "action": "status", "status": 404, "nth": 3},
        ),
    ),
    Case(
        "results cut off, once",
        faults=({"operation": "results", "action": "cut_after_lines", "lines": ROWS // 2},),
    ),
    Case(
        "five failing polls while the batch runs (25 s)",
        faults=({"operation": "retrieve", "action": "status", "status": 500, "should_retry": False, "times": 5},),
        batch_duration=25,
    ),
    CRASH,
    CLEARED,
    Case(
        "connection lost before anything was done, once",
        faults=({"operation": "create", "action": "drop_before_commit"},),
        settings={"post_start_seconds": "5", "post_deadline_seconds": "5", "settle_seconds": "5"},
    ),
)


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    :param state: the state of the DAG run.
    :param batches: how many batches the service made.
    :param billed: how many requests the service billed, once every batch had ended.
    :param delivered: how many input rows have an answer in the output.
    :param struck: how many calls the faults struck.
    """

    state: str
    batches: int
    billed: int
    delivered: int
    struck: int
    seconds: float
    tasks: Mapping[str, str]


def outcome(
    contestant: Contestant,
    control: SimulatorControl,
    output: Path,
    *,
    state: str,
    tasks: Mapping[str, str],
    seconds: float,
) -> Outcome:
    """Return the outcome; batches that still run at the service first run to their end, and are billed."""
    control.end_batches()
    return Outcome(
        state=state,
        batches=control.received().batches_created,
        billed=control.billing().rows_billed,
        delivered=contestant.delivered(output),
        struck=sum(fault["struck"] for fault in control.faults()),
        seconds=seconds,
        tasks=tasks,
    )
