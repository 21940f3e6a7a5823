"""Reports the progress of a DAG run: a line for each change, with the time since the start."""

import time
from collections.abc import Callable

from airflow_stack.api import POLL_SECONDS, AirflowApi, DagRun, UnexpectedStateError
from anthropic_batches_provider.simulator import SimulatorControl


class Progress:
    """Prints lines, each with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._start

    def say(self, text: str) -> None:
        """Print ``text`` at once."""
        print(f"{self.elapsed():6.1f} s  {text}", flush=True)


def counted(number: int, noun: str, plural: str = "s") -> str:
    """Return "1 request", "1,200 requests"."""
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def watch_run(
    api: AirflowApi, run: DagRun, control: SimulatorControl | None, progress: Progress, timeout: float
) -> str:
    """Print every change of the run's tasks and of the simulator's batches until the run has ended.

    :param control: the simulator's control API; None without a simulator.
    :returns: the run's final state.
    :raises UnexpectedStateError: it has not ended after ``timeout`` seconds.
    """
    watchers = [_watch_tasks(api, run, progress)]
    if control is not None:
        watchers.append(_watch_batches(control, progress))
    deadline = time.monotonic() + timeout
    while True:
        state = api.run_state(run)  # read before the watchers look, so that they see the last change
        for watch in watchers:
            watch()
        if state in ("success", "failed"):
            return state
        api.check()
        if time.monotonic() > deadline:
            raise UnexpectedStateError(f"The run has not ended after {timeout:.0f} s.\n{api.describe(run)}")
        time.sleep(POLL_SECONDS)


def _watch_tasks(api: AirflowApi, run: DagRun, progress: Progress) -> Callable[[], None]:
    seen: dict[str, str | None] = {}

    def watch() -> None:
        for task in api.task_instances(run):
            if task.state != seen.get(task.label):
                progress.say(f"task {task.label}: {task.state}")
                seen[task.label] = task.state

    return watch


def _watch_batches(control: SimulatorControl, progress: Progress) -> Callable[[], None]:
    seen = ""

    def watch() -> None:
        nonlocal seen
        billing = control.billing()
        if not billing.batches:
            return
        requests = sum(batch.requests for batch in billing.batches)
        ended = sum(batch.ended for batch in billing.batches)
        now = (
            f"simulator: {counted(requests, 'request')} in {counted(len(billing.batches), 'message batch', 'es')}, "
            f"{ended:,} ended; {counted(billing.rows_billed, 'request')} billed"
        )
        if now != seen:
            progress.say(now)
            seen = now

    return watch
