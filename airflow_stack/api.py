"""Drives a running Airflow over its REST API: trigger, watch, clear, read.

Invariant: no call takes silence for an answer. A wait that does not see the expected state raises and says what it saw.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

from airflow_stack.patience import patient

T = TypeVar("T")

POLL_SECONDS = 0.5
_RETRY_SECONDS = 15
_FRAMES = 6
_TERMINAL_RUN_STATES = frozenset({"success", "failed"})
_TERMINAL_TASK_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowApiError(RuntimeError):
    """The API server refused a call."""

    def __init__(self, status: int, method: str, path: str, body: str) -> None:
        super().__init__(f"{method} {path} answered {status}: {body[:2000]}")
        self.status = status
        self.body = body


class UnexpectedStateError(AssertionError):
    """A DAG run or task ended in another state than expected, or did not reach the state in time."""


class DagRun(NamedTuple):
    """Which run of which DAG."""

    dag_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """A task instance as the API server reports it; ``state`` is None before it is scheduled."""

    run: DagRun
    task_id: str
    map_index: int
    state: str | None
    try_number: int
    triggerer_job_id: int | None

    @property
    def label(self) -> str:
        """The task's id, with its map index if it is mapped."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class AirflowApi:
    """A client of one Airflow whose simple auth manager makes every user an admin.

    :param url: the API server's base URL.
    :param check: called at every poll; raises if further waiting is pointless because a process has died.
    """

    def __init__(self, url: str, check: Callable[[], None] = lambda: None) -> None:
        self.url = url
        self.check = check
        self._token: str | None = None
        self._opener = build_opener(ProxyHandler({}))

    def get(self, path: str, **query: str | int | bool) -> Any:
        """Call GET below ``/api/v2`` and return the decoded JSON."""
        return self.call("GET", f"/api/v2{path}" + (f"?{urlencode(query)}" if query else ""))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the API server; retry for some seconds on a 503, on a locked database, and on a dropped GET.

        :raises AirflowApiError: the answer is not 2xx.
        """
        deadline = time.monotonic() + _RETRY_SECONDS
        while True:
            try:
                return self._send(method, path, body)
            except AirflowApiError as error:
                is_passing = error.status == 503 or "database is locked" in error.body.lower()
                if not is_passing or time.monotonic() > deadline:
                    raise
            except OSError:
                if method != "GET" or time.monotonic() > deadline:
                    raise
            self.check()
            time.sleep(POLL_SECONDS)

    def health(self) -> dict[str, str | None]:
        """Return each component's status, or ``{}`` while the API server does not answer."""
        try:
            answer = self._send("GET", "/api/v2/monitor/health", None)
        except (AirflowApiError, OSError):
            return {}
        return {component: (state or {}).get("status") for component, state in answer.items()}

    def wait_until(self, what: str, look: Callable[[], T | None], timeout: float) -> T:
        """Poll ``look`` until it returns something.

        :param what: completes "did not see …".
        :param timeout: in seconds, on a machine of ordinary speed (:func:`~airflow_stack.patience.patient`).
        :raises UnexpectedStateError: ``look`` returned None all that time.
        """
        timeout = patient(timeout)
        deadline = time.monotonic() + timeout
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise UnexpectedStateError(f"Did not see {what} within {timeout:.0f} s")
            self.check()
            time.sleep(POLL_SECONDS)
        return found

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> None:
        """Wait until the DAG processor has read the DAG; raise if a DAG file cannot be imported meanwhile."""

        def look() -> bool | None:
            try:
                self.get(f"/dags/{quote(dag_id)}")
            except AirflowApiError as error:
                if error.status != 404:
                    raise
                if errors := self.import_errors():
                    raise UnexpectedStateError(f"There is no DAG {dag_id}. Fix these import errors: {errors}") from None
                return None
            return True

        self.wait_until(f"the DAG {dag_id}", look, timeout)

    def import_errors(self) -> dict[str, str]:
        """Return the stack trace of each DAG file that cannot be imported, by the file's name."""
        return {error["filename"]: error["stack_trace"] for error in self.get("/importErrors")["import_errors"]}

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self._set_paused(dag_id, paused=False)

    def pause(self, dag_id: str) -> None:
        """Let the scheduler start no task of the DAG, in no run."""
        self._set_paused(dag_id, paused=True)

    def trigger(
        self, dag_id: str, conf: Mapping[str, Any] | None = None, logical_date: datetime | None = None
    ) -> DagRun:
        """Wait for the DAG, unpause it and start a run.

        :param conf: the run's configuration; it overrides the DAG's params.
        :param logical_date: default: none, as in a manual run of Airflow 3.
        """
        self.wait_for_dag(dag_id)
        self.unpause(dag_id)
        date = logical_date.isoformat() if logical_date else None
        body = {"conf": dict(conf or {}), "logical_date": date}
        answer = self.call("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", body)
        return DagRun(dag_id, answer["dag_run_id"])

    def run_state(self, run: DagRun) -> str:
        """Return the run's state."""
        state: str = self.get(_run_path(run))["state"]
        return state

    def wait_for_run(self, run: DagRun, timeout: float = 120, state: str | None = "success") -> str:
        """Wait until the run has ended and return its state.

        :param state: the state in which it must end; None for any.
        :raises UnexpectedStateError: it ended in another state or not in time; the message shows the states of its
            tasks and the logs of failed tasks.
        """

        def look() -> str | None:
            now = self.run_state(run)
            return now if now in _TERMINAL_RUN_STATES else None

        try:
            ended = self.wait_until(f"the end of {run.run_id}", look, timeout)
        except UnexpectedStateError as error:
            raise UnexpectedStateError(f"{error}\n{self.describe(run)}") from None
        if state not in (None, ended):
            raise UnexpectedStateError(f"{run.run_id} ended as {ended}\n{self.describe(run)}")
        return ended

    def task_instances(self, run: DagRun) -> list[TaskInstance]:
        """Return all task instances of the run."""
        found = self.get(f"{_run_path(run)}/taskInstances", limit=1000)["task_instances"]
        return [_task_instance(run, item) for item in found]

    def wait_for_task(
        self, run: DagRun, task_id: str, state: str = "success", timeout: float = 60, map_index: int = -1
    ) -> TaskInstance:
        """Wait until the task instance is in ``state``; another final state ends the wait.

        :raises UnexpectedStateError: it ended in another state (the message shows the states of all tasks and the
            logs of failed tasks), or not in time.
        """

        def look() -> TaskInstance | None:
            found = [ti for ti in self.task_instances(run) if (ti.task_id, ti.map_index) == (task_id, map_index)]
            for ti in found:
                if ti.state == state:
                    return ti
                if ti.state in _TERMINAL_TASK_STATES:
                    raise UnexpectedStateError(f"{ti.label} ended as {ti.state}, not {state}\n{self.describe(run)}")
            return None

        return self.wait_until(f"{task_id} of {run.run_id} as {state}", look, timeout)

    def xcom(self, run: DagRun, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value of a task's XCom.

        :raises AirflowApiError: with status 404 if there is none.
        """
        path = f"{_task_path(run, task_id)}/xcomEntries/{quote(key)}"
        return self.get(path, map_index=map_index, stringify=False)["value"]

    def clear(self, run: DagRun, task_ids: Iterable[str], *, downstream: bool = False) -> None:
        """Clear tasks of the run, whatever their state, so that they run again."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run.run_id,
            "task_ids": list(task_ids),
            "include_downstream": downstream,
        }
        self.call("POST", f"/api/v2/dags/{quote(run.dag_id)}/clearTaskInstances", body)

    def task_log(self, run: DagRun, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try, a line per event."""
        path = f"{_task_path(run, task_id)}/logs/{try_number}"
        content = self.get(path, map_index=map_index, full_content=True)["content"]
        return "\n".join(_log_lines(content))

    def describe(self, run: DagRun, log_lines: int = 25) -> str:
        """Return the states of the run's tasks and the ends of the failed tasks' logs."""
        tasks = self.task_instances(run)
        parts = [", ".join(f"{ti.label}: {ti.state} (try {ti.try_number})" for ti in tasks)]
        for ti in tasks:
            if ti.state in ("failed", "up_for_retry"):
                log = self.task_log(run, ti.task_id, ti.try_number, ti.map_index)
                parts += [f"--- end of the log of {ti.label}", *log.splitlines()[-log_lines:]]
        return "\n".join(parts)

    def _set_paused(self, dag_id: str, *, paused: bool) -> None:
        self.call("PATCH", f"/api/v2/dags/{quote(dag_id)}?update_mask=is_paused", {"is_paused": paused})

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if not path.endswith(("/auth/token", "/monitor/health")):
            headers["Authorization"] = f"Bearer {self._get_token()}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, headers, method=method)  # noqa: S310 our own loopback URL
        try:
            with self._opener.open(request, timeout=30) as response:
                return json.loads(response.read() or b"null")
        except HTTPError as error:
            with error:
                raise AirflowApiError(error.code, method, path, error.read().decode(errors="replace")) from None

    def _get_token(self) -> str:
        if self._token is None:
            self._token = str(self._send("GET", "/auth/token", None)["access_token"])
        return self._token


def _run_path(run: DagRun) -> str:
    return f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id)}"


def _task_path(run: DagRun, task_id: str) -> str:
    return f"{_run_path(run)}/taskInstances/{quote(task_id)}"


def _task_instance(run: DagRun, item: Mapping[str, Any]) -> TaskInstance:
    triggerer = item.get("triggerer_job") or {}
    return TaskInstance(run, item["task_id"], item["map_index"], item["state"], item["try_number"], triggerer.get("id"))


def _log_lines(content: Any) -> Iterable[str]:
    for entry in [content] if isinstance(content, str) else content:
        if isinstance(entry, str):
            yield entry
            continue
        yield " ".join(filter(None, [entry.get("timestamp"), (entry.get("level") or "").upper(), entry["event"]]))
        for error in entry.get("error_detail") or []:
            for frame in error.get("frames", [])[-_FRAMES:]:
                yield f"  {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}"
            yield f"{error.get('exc_type')}: {error.get('exc_value')}"
