"""Reports the progress of the demonstration: its steps with their times, and a line for each change of the DAG run."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from airflow_stack.api import POLL_SECONDS, AirflowApi, DagRun, UnexpectedStateError
from airflow_stack.patience import patient
from anthropic_batches_provider.simulator import SimulatorControl


class Progress:
    """Prints lines, each with the seconds since the start, and how long each step took.

    :param steps: how many steps there are.
    :param seconds: returns a monotonic time, in seconds.
    """

    def __init__(self, *, steps: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._steps = steps
        self._seconds = seconds
        self._start = seconds()
        self._took: list[tuple[str, float]] = []

    def say(self, text: str) -> None:
        """Print ``text`` at once."""
        print(f"{self._seconds() - self._start:6.1f} s  {text}", flush=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Announce a step, and at its end say how long it took; one that fails has no end."""
        number, began = len(self._took) + 1, self._seconds()
        self.say(f"Step {number} of {self._steps}: {text}")
        yield
        took = self._seconds() - began
        self._took.append((text, took))
        self.say(f"Step {number} took {took:.1f} s")

    def summary_lines(self) -> Iterator[str]:
        """Yield a line for the time of each step, and one for all."""
        for label, (text, took) in zip(("times", *[""] * len(self._took)), self._took, strict=False):
            yield f"  {label:<12}{took:6.1f} s  {text}"
        yield f"  {'':<12}{self._seconds() - self._start:6.1f} s  in total"


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
    deadline = time.monotonic() + patient(timeout)
    while True:
        state = _look(api, run, watchers, progress)
        if state in ("success", "failed"):
            return state
        api.check()
        if time.monotonic() > deadline:
            raise UnexpectedStateError(f"The run has not ended after {timeout:.0f} s.\n{api.describe(run)}")
        time.sleep(POLL_SECONDS)


def _look(api: AirflowApi, run: DagRun, watchers: Iterable[Callable[[], None]], progress: Progress) -> str:
    """Return the run's state, after the watchers have printed what changed; "" if a server does not answer in time."""
    try:
        state = api.run_state(run)  # read before the watchers look, so that they see the last change
        for watch in watchers:
            watch()
    except OSError as error:
        progress.say(f"a server does not answer ({error}); it is asked again")
        return ""
    return state


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
