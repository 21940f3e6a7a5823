"""Cases in which a task is killed or cleared: a real Airflow, one DAG run at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from airflow_stack.api import DagRun
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from anthropic_batches_provider.simulator import DEFAULT_API_KEY
from benchmarks.contestants import Contestant, connections
from benchmarks.dag_tests import DAGS, dag_variables
from benchmarks.faults.cases import CLEARED, CRASH, ROWS, Case, Outcome, outcome

_HELD_BACK_SECONDS = 60
_LONGEST_SECONDS = 240


class StackRuns:
    """Runs DAGs in an Airflow of its own, one at a time.

    The simulator holds back the answer to the create call while a task is killed. So each contestant is killed at the
    same point, after the batch was made and before anything could be recorded, without a change to its code.
    """

    def __init__(self, stack: AirflowStack, simulator: SimulatorProcess, output: Path) -> None:
        self._stack = stack
        self._simulator = simulator
        self._output = output

    @classmethod
    @contextmanager
    def started(cls, python: str, home: Path) -> Iterator[StackRuns]:
        """Start an Airflow and a simulator.

        :param python: the interpreter that has this package and both peers.
        :param home: where everything is written.
        """
        output = home / "output"
        with SimulatorProcess(home / "simulator") as simulator:
            variables = {
                **connections(simulator.base_url, DEFAULT_API_KEY),
                **dag_variables(output, ROWS),
                "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True",
            }
            with AirflowStack(home / "airflow", DAGS, python=python, env=variables) as stack:
                yield cls(stack, simulator, output)

    def run(self, case: Case, contestant: Contestant) -> Outcome:
        """Run one case.

        :raises UnexpectedStateError: Airflow did not do what the case needs.
        """
        api, control = self._stack.api, self._simulator.control
        control.reset()
        control.change_settings(batch_duration=case.batch_duration)
        if case is CRASH:
            control.add_fault("create", "hang", seconds=_HELD_BACK_SECONDS, when="after")
        api.wait_for_dag(contestant.dag_id, timeout=120)
        others = self._callers()  # the triggerer may keep a connection from an earlier run
        started = time.monotonic()
        run = api.trigger(contestant.dag_id)
        if case is CRASH:
            self._kill_task_in_create_call(others)
        if case is CLEARED:
            self._clear_while_deferred(run, contestant)
        state = api.wait_for_run(run, timeout=_LONGEST_SECONDS, state=None)
        seconds = time.monotonic() - started
        tasks = {task.label: f"{task.state}, try {task.try_number}" for task in api.task_instances(run)}
        output = self._output / run.run_id
        return outcome(contestant, control, output, state=state, tasks=tasks, seconds=seconds)

    def _kill_task_in_create_call(self, others: set[psutil.Process]) -> None:
        control = self._simulator.control
        self._stack.api.wait_until("a batch", lambda: control.received().batches_created or None, timeout=90)
        callers = self._callers() - others
        if len(callers) != 1:
            raise RuntimeError(f"Expected one process in a create call, found {callers}")
        callers.pop().kill()

    def _callers(self) -> set[psutil.Process]:
        """Return the processes of the stack that are connected to the simulator."""
        return {process for process in self._stack.processes.members() if self._calls_simulator(process)}

    def _calls_simulator(self, process: psutil.Process) -> bool:
        port = urlsplit(self._simulator.base_url).port
        with suppress(psutil.Error):
            return any(
                connection.raddr[1:] == (port,) and connection.status == psutil.CONN_ESTABLISHED
                for connection in process.net_connections("tcp")
            )
        return False

    def _clear_while_deferred(self, run: DagRun, contestant: Contestant) -> None:
        """Clear the first task and all after it, once the triggerer has polled the batch."""
        api, control = self._stack.api, self._simulator.control
        api.wait_for_task(run, contestant.deferring_task, "deferred", timeout=90)
        api.wait_until("a poll of the batch", lambda: control.received().calls.get("retrieve"), timeout=60)
        api.clear(run, ["submit"], downstream=True)
