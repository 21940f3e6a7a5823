"""What every task can do, in a real Airflow: all DAGs are started at once, and each test looks at its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from airflow import __version__ as airflow_version

from airflow_stack.api import DagRun
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from anthropic_batches_provider.hooks import MessageBatchHook

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(airflow_version < "3.3", reason="the tests of the stack's newest version are enough"),
]

FOREVER = 360_000.0
KILLED, LIMITED, CLEARED, DOUBTFUL, TEMPLATED = 3, 4, 5, 6, 7  # how many requests a DAG sends
WAITS = "Waiting: batches that have not ended: 1"
KILLED_BY_AIRFLOW = "Task killed!"
A_LINE = "Waiting for 1 minute: 1 of 1 batch has not ended. Most batches end within an hour, and each within 24 h"


@dataclass(frozen=True)
class Conventions:
    """The runs of all DAGs, whose batches run until a test ends them."""

    stack: AirflowStack
    simulator: SimulatorProcess
    runs: dict[str, DagRun]
    output: Path

    def batch(self, requests: int) -> str:
        """Wait for the batch of so many requests, and return its id."""
        return self.stack.api.wait_until(f"a batch of {requests}", lambda: self._find_batch(requests), timeout=120)

    def _find_batch(self, requests: int) -> str | None:
        creates = self.simulator.control.received().creates
        return next((create.batch_id for create in creates if create.requests == requests and create.batch_id), None)

    def end(self, batch_id: str) -> None:
        self.simulator.control.end_batches([batch_id])

    def is_canceled(self, batch_id: str) -> bool:
        return MessageBatchHook("the_service").retrieve_batch(batch_id).cancel_initiated_at is not None

    def log(self, name: str, try_number: int = 1) -> str:
        return self.stack.api.task_log(self.runs[name], "label", try_number)

    def wait_for_log(self, name: str, text: str, timeout: float, try_number: int = 1) -> None:
        self.stack.api.wait_until(
            f"{text!r} in the log of {name}", lambda: text in self.log(name, try_number) or None, timeout=timeout
        )

    def creates_of(self, requests: int) -> int:
        """Return how many batches of so many requests were created."""
        return [create.requests for create in self.simulator.control.received().creates].count(requests)


@pytest.fixture(scope="module")
def conventions(
    airflow_stack: AirflowStack, simulator_process: SimulatorProcess, e2e_home: Path
) -> Iterator[Conventions]:
    """Yield the runs; the answer to the create call of one is lost."""
    api, control = airflow_stack.api, simulator_process.control
    control.reset()
    control.change_settings(batch_duration=FOREVER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_THE_SERVICE", simulator_process.airflow_connection_json)
        params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
        strange = MessageBatchHook("the_service").create_batch([{"custom_id": "0", "params": params}]).id
        runs = {"deferred": api.trigger("conventions_deferred", {"batch_ids": [strange]})}
        control.add_fault("create", "drop_after_commit")
        runs["doubtful"] = api.trigger("conventions_doubtful")
        found = Conventions(airflow_stack, simulator_process, runs, e2e_home / "conventions")
        found.batch(DOUBTFUL)
        for name in ("cleared", "killed", "limited"):
            runs[name] = api.trigger(f"conventions_{name}")
        runs["templated"] = api.trigger("conventions_templated", {"output": str(found.output)})
        yield found
        control.end_batches()  # so that no run asks for a batch while the next tests count calls
        for run in runs.values():
            api.wait_for_run(run, state=None)
    control.reset()


def test_a_task_that_is_marked_failed_stops_its_wait_on_the_worker(conventions: Conventions) -> None:
    batch_id = conventions.batch(KILLED)
    conventions.wait_for_log("killed", WAITS, timeout=60)
    run, api = conventions.runs["killed"], conventions.stack.api
    path = f"/api/v2/dags/{run.dag_id}/dagRuns/{quote(run.run_id)}/taskInstances/label"
    api.call("PATCH", path, {"new_state": "failed"})
    ends = ("Told to stop while waiting for batches", KILLED_BY_AIRFLOW)
    api.wait_until("its end", lambda: any(end in conventions.log("killed") for end in ends) or None, timeout=60)
    assert not conventions.is_canceled(batch_id)
    assert conventions.creates_of(KILLED) == 1
    if KILLED_BY_AIRFLOW in conventions.log("killed"):
        pytest.skip("The machine is too slow: 5 s after the signal, Airflow kills the process.")


def test_templates_become_numbers_and_the_next_task_reads_the_rows(conventions: Conventions) -> None:
    run, api = conventions.runs["templated"], conventions.stack.api
    conventions.end(conventions.batch(TEMPLATED))
    api.wait_for_run(run)
    read = api.xcom(run, "summary")
    assert read["ids"] == [*range(TEMPLATED), None]
    assert read["results"] == ["succeeded"] * TEMPLATED + ["invalid_row"]
    job = Path(api.xcom(run, "label")["job"].removeprefix("file://"))
    assert json.loads((job / "job.json").read_bytes())["betas"] == ["b-1"]
    (requests,) = job.glob("requests/*.jsonl")
    for line in requests.read_bytes().splitlines():
        params = json.loads(line)["params"]
        assert (params["max_tokens"], params["metadata"]) == (25, {"user_id": "u-1"})


def test_a_lost_answer_is_settled_on_the_command_line(conventions: Conventions) -> None:
    run, api = conventions.runs["doubtful"], conventions.stack.api
    batch_id = conventions.batch(DOUBTFUL)
    api.wait_for_task(run, "label", "deferred")
    job = re.findall(r"Sealed 6 rows in 1 shard at (file://.*/job-0001)", conventions.log("doubtful"))[0]
    assert "1 unresolved create call" in settle(conventions.stack, job)
    assert f"Shard 0 is recorded as {batch_id}" in settle(conventions.stack, job, "--adopt", batch_id)
    conventions.end(batch_id)
    api.wait_for_run(run)
    assert len(api.xcom(run, "label")) == DOUBTFUL


def test_execution_timeout_ends_a_wait_on_the_worker_and_a_retry_continues(conventions: Conventions) -> None:
    run, api = conventions.runs["limited"], conventions.stack.api
    batch_id = conventions.batch(LIMITED)
    tried = next(number for number in range(1, 22) if WAITS in conventions.log("limited", number))
    conventions.wait_for_log("limited", "AirflowTaskTimeout", timeout=120, try_number=tried)
    assert not conventions.is_canceled(batch_id)
    conventions.end(batch_id)
    api.wait_for_run(run)
    assert len(api.xcom(run, "label")) == LIMITED
    assert conventions.creates_of(LIMITED) == 1


def settle(stack: AirflowStack, job: str, *options: str) -> str:
    """Run ``anthropic-batches settle`` in the stack's environment; return what it prints."""
    command = [sys.executable, "-m", "anthropic_batches_provider", "settle", job, *options]
    done = subprocess.run(command, env=stack.environment, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("name", ["deferred", "cleared"])
def test_the_log_of_a_task_says_how_long_it_has_waited(conventions: Conventions, name: str) -> None:
    conventions.wait_for_log(name, A_LINE, timeout=120)
    assert "The next check is in " in conventions.log(name)


def test_a_task_that_waits_on_its_worker_is_cleared_and_goes_on_without_a_triggerer(conventions: Conventions) -> None:
    run, stack = conventions.runs["cleared"], conventions.stack
    batch_id = conventions.batch(CLEARED)
    with no_triggerer(stack):
        stack.api.clear(run, ["label"])
        stack.api.wait_until("the second try", lambda: has_begun_again(stack, run), timeout=60)
        conventions.end(batch_id)
        stack.api.wait_for_run(run)
    assert not conventions.is_canceled(batch_id)
    assert len(stack.api.xcom(run, "label")) == CLEARED
    assert conventions.creates_of(CLEARED) == 1


@contextmanager
def no_triggerer(stack: AirflowStack) -> Iterator[None]:
    """Kill all triggerers; start one again in the end, for the tests that follow."""
    for name in stack.processes.names("triggerer"):
        stack.kill_triggerer(name)
    try:
        yield
    finally:
        stack.start_triggerer()


def has_begun_again(stack: AirflowStack, run: DagRun) -> bool | None:
    (task,) = stack.api.task_instances(run)
    return (task.try_number > 1 and task.state == "running") or None
