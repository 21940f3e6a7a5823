"""A triggerer process that runs one kind of trigger, and measures the cost.

Usage: waiting_triggerer.py NAME FOLDER [frozen]

``NAME`` is one of ``waiting_NAME.py``, which has ``trigger(batch_id, ends_after)``. ``FOLDER`` holds ``batches.json``:
by id, the seconds from the start after which the batch ends. The program prints a line when all imports are done,
starts when it reads a line, and writes ``measured.json`` when every trigger has fired. With ``frozen`` the garbage
collector skips all objects that exist by then, as in Airflow's DAG processor but not in its triggerer.

Airflow's own ``TriggerRunner`` starts and runs the triggers, from the data that a deferring task stores. Each runs in a
task with its portal, its log context and its log lines. The supervisor's process is left out, and so are the runner's
reports to it once a second: they cost the same for every kind of wait.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import sys
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import anthropic
import anyio._backends._asyncio  # noqa: F401  the runner's own loop does so before it starts any trigger
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.executors.workloads.trigger import RunTrigger
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.models.trigger import Trigger
from airflow.sdk.log import configure_logging, reset_logging
from airflow.triggers.base import BaseTrigger

from benchmarks.programs.waiting_loop import LoopWatch, WatchedLoop
from benchmarks.waiting.measured import Measured


class _Heard(deque[Any]):
    """The runner's queue of events; it records when each came."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[int, float] = {}

    def append(self, entry: Any) -> None:
        self.at[entry.trigger_id] = time.time()


def main(name: str, folder: Path, frozen: bool) -> None:
    anthropic.Anthropic(api_key="none").close()  # the SDK imports its transport with the first client
    ends = json.loads((folder / "batches.json").read_text())
    trigger = importlib.import_module(f"benchmarks.programs.waiting_{name}").trigger
    workloads = [_workload(number, trigger(*batch)) for number, batch in enumerate(ends.items())]
    with (folder / "log").open("wb", buffering=0) as log:
        reset_logging()  # and write lines as the triggerer sends them to its supervisor
        configure_logging(json_output=True, output=log, sending_to_supervisor=True)
        if frozen:
            gc.collect()
            gc.freeze()
        print("imported", flush=True)
        sys.stdin.readline()
        with asyncio.Runner(loop_factory=WatchedLoop) as runner:
            measured = runner.run(_run(workloads, list(ends)))
    (folder / "measured.json").write_text(json.dumps(asdict(measured)))


def _workload(number: int, trigger: BaseTrigger) -> RunTrigger:
    classpath, kwargs = trigger.serialize()
    ti = TaskInstanceDTO.model_construct(
        id=uuid4(), dag_id="waiting", task_id="wait", run_id="benchmark", try_number=1, map_index=number
    )
    return RunTrigger.model_construct(
        id=number, classpath=classpath, encrypted_kwargs=Trigger.encrypt_kwargs(kwargs), ti=ti
    )


async def _run(workloads: list[RunTrigger], batch_ids: list[str]) -> Measured:
    """Run the triggers until each has ended.

    :raises RuntimeError: a trigger has ended without an event.
    """
    runner = TriggerRunner()
    runner.events = heard = _Heard()
    runner.to_create.extend(workloads)
    with LoopWatch() as watch:
        await runner.create_triggers()
        await asyncio.wait([details["task"] for details in runner.triggers.values()])
    if silent := len(batch_ids) - len(heard.at):
        raise RuntimeError(f"Triggers that ended without an event: {silent}")
    return Measured(use=watch.use, heard={batch_ids[number]: moment for number, moment in heard.at.items()})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "frozen" in sys.argv[3:])
