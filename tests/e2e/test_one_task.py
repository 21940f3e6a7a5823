"""One task completes a job of twelve shards through a window of three, although Airflow's processes die meanwhile."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from airflow_stack.api import AirflowApiError, DagRun, UnexpectedStateError
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from anthropic_batches_provider.simulator import DEFAULT_API_KEY

pytestmark = pytest.mark.e2e

SHARDS, SHARD, WINDOW = 12, 5, 3
ROWS = SHARDS * SHARD
TASK = "label"
A_ROW = "Passage of a speech"  # the text of every row begins with it


@pytest.fixture
def home(e2e_home: Path) -> Path:
    """Return a folder with the rows; the output goes next to them."""
    folder = e2e_home / "one-task"
    folder.mkdir()
    lines = [json.dumps({"number": number, "text": f"{A_ROW}, number {number}"}) for number in range(ROWS)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return folder


class Job:
    """One run of the DAG, with batches that end only when the test ends them."""

    def __init__(self, stack: AirflowStack, simulator: SimulatorProcess, home: Path) -> None:
        self.stack, self.home = stack, home
        self.api, self.control = stack.api, simulator.control
        self.output = home / "output"
        _let_other_runs_end(stack)
        self.control.reset()
        self.control.change_settings(batch_duration=36_000.0, queue_limit=WINDOW * SHARD)
        self.run: DagRun = self.api.trigger(
            "one_task", {"rows": str(home / "rows.jsonl"), "destination": str(self.output)}
        )

    def instance(self) -> dict[str, Any]:
        path = f"/dags/{self.run.dag_id}/dagRuns/{quote(self.run.run_id)}/taskInstances/{TASK}"
        found: dict[str, Any] = self.api.get(path)
        return found

    def triggerer(self) -> int | None:
        return self.api.task_instances(self.run)[0].triggerer_job_id

    def progress(self) -> dict[str, Any]:
        """Return the XCom ``progress``, empty while there is none."""
        try:
            found: dict[str, Any] = self.api.xcom(self.run, TASK, "progress")
        except AirflowApiError as error:
            if error.status != 404:
                raise
            return {}
        return found

    def wait_for_progress(self, timeout: float = 60, **figures: int) -> None:
        """Wait until the XCom, which anyone can read while the task runs, shows this; the task is deferred then."""
        self.api.wait_until(
            f"progress {figures}", lambda: (figures.items() <= self.progress().items()) or None, timeout
        )
        self.api.wait_for_task(self.run, TASK, "deferred", timeout)

    def end(self, shard: int) -> None:
        """End the ``shard``-th batch that was created."""
        batch_id = self.control.received().creates[shard].batch_id
        assert batch_id is not None
        self.control.end_batches([batch_id])

    def spools(self) -> list[Path]:
        """Return the files of attempts on the local disk, except locks."""
        return [path for path in (self.stack.home.parent / "spool").glob("*/*") if path.is_dir()]

    def end_batches_until_it_is_done(self, timeout: float = 300) -> str:
        def look() -> str | None:
            self.control.end_batches()
            state = self.api.run_state(self.run)
            return state if state in ("success", "failed") else None

        return self.api.wait_until("the end of the run", look, timeout)

    def logs(self) -> str:
        tries = int(self.instance()["try_number"])
        return "\n".join(self.api.task_log(self.run, TASK, number) for number in range(1, tries + 1))


def _let_other_runs_end(stack: AirflowStack) -> None:
    """Wait for runs of other tests' DAGs, whose tasks would ask for results after the reset; the calls are counted."""

    def look() -> bool | None:
        return stack.api.get("/dags/~/dagRuns", state="running")["total_entries"] == 0 or None

    with suppress(UnexpectedStateError):  # a test may have left one that never ends, and asks for nothing
        stack.api.wait_until("the end of other runs", look, timeout=60)


@pytest.fixture
def job(airflow_stack: AirflowStack, simulator_process: SimulatorProcess, home: Path) -> Job:
    """Return a job that was killed twice and then completed."""
    job = Job(airflow_stack, simulator_process, home)
    job.wait_for_progress(timeout=120, shards_submitted=3, rows_in_flight=15, rows_collected=0)
    _kill_the_triggerer(job)
    job.end(0)
    job.wait_for_progress(shards_submitted=4, shards_ended=1, rows_in_flight=15, rows_collected=5)
    # Airflow stores the links of a stint after it has deferred the task.
    job.api.wait_until("a link while the task is deferred", lambda: _shown_links(job) or None, timeout=60)
    assert sorted(path.name[:10] for path in job.output.iterdir()) == ["_owner.jso", "part-00000"], (
        "the manifest comes last"
    )
    _kill_the_worker_in_a_create_call(job)
    state = job.end_batches_until_it_is_done()
    assert state == "success", job.api.describe(job.run)
    return job


def _kill_the_triggerer(job: Job) -> None:
    first = job.api.wait_until("a triggerer that waits", job.triggerer, timeout=60)
    job.stack.kill_triggerer()
    job.stack.start_triggerer()
    job.api.wait_until("another triggerer", lambda: job.triggerer() not in (None, first) or None, timeout=60)
    assert job.control.billing().rows_billed == 0, "all batches must still run while one triggerer replaces the other"


def _kill_the_worker_in_a_create_call(job: Job) -> None:
    """Kill the scheduler with its workers, after the batch of a fifth shard is made and before its answer comes."""
    job.control.add_fault("create", "hang", seconds=30, when="after")
    job.end(1)
    job.api.wait_until(
        "the batch of the fifth create call", lambda: job.control.received().batches_created == 5 or None, timeout=60
    )
    job.stack.kill_scheduler()
    assert job.spools(), (
        "a SIGKILL leaves its spool behind, and that of any task of another DAG that runs by its schedule"
    )
    job.control.clear_faults()
    job.stack.start_scheduler()


def test_a_job_in_one_task_survives_two_kills_and_everything_is_as_if_nothing_had_happened(job: Job) -> None:
    _check_output(job)
    _check_spending(job)
    _check_what_others_see(job)
    _check_links(job)
    _check_log(job)
    assert job.spools() == []
    assert int(job.instance()["try_number"]) > 1, "the worker died in the first try"


def _check_output(job: Job) -> None:
    parts = sorted(job.output.glob("part-*"))
    rows = [[json.loads(line)["number"] for line in part.read_text().splitlines()] for part in parts]
    assert rows == [list(range(first, first + SHARD)) for first in range(0, ROWS, SHARD)]
    manifest = job.output / "_manifest.json"
    assert all(manifest.stat().st_mtime_ns >= part.stat().st_mtime_ns for part in parts)
    assert [part["name"] for part in json.loads(manifest.read_text())["parts"]] == [part.name for part in parts]


def _check_spending(job: Job) -> None:
    received, billing = job.control.received(), job.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (ROWS, 1)
    assert received.batches_created == len(received.creates) == SHARDS, "no call was refused: the window was kept"
    assert received.calls.get("cancel", 0) == 0
    # Once for each part, and once for the first line, which proves whose batch the lost answer was about.
    assert received.calls["results"] == SHARDS + 1


def _check_what_others_see(job: Job) -> None:
    progress = job.progress()
    assert progress["first_prompt"]["characters"] == len(f"Label this passage: {A_ROW}, number 0")
    done = {"shards_submitted": SHARDS, "shards_ended": SHARDS, "rows_in_flight": 0, "rows_collected": ROWS}
    assert done.items() <= progress.items()
    manifest = job.api.xcom(job.run, TASK, "manifest")
    assert manifest == job.api.xcom(job.run, TASK) == json.loads((job.output / "_manifest.json").read_text())
    events = job.api.get("/assets/events", source_dag_id=job.run.dag_id)["asset_events"]
    assert {event["name"] for event in events} == {"labels", f"file://{job.output}"}
    for event in events:
        assert event["extra"]["job"] == manifest["job"]
        assert event["extra"]["manifest"] == f"file://{job.output}/_manifest.json"
        assert event["extra"]["counts"]["succeeded"] == ROWS


def _shown_links(job: Job) -> dict[str, str]:
    """Return the links as the UI shows them: those with an address."""
    path = f"/dags/{job.run.dag_id}/dagRuns/{quote(job.run.run_id)}/taskInstances/{TASK}/links"
    return {name: link for name, link in job.api.get(path)["extra_links"].items() if link}


def _check_links(job: Job) -> None:
    (page,) = _shown_links(job).values()
    assert page == f"dags/{job.run.dag_id}/runs/{quote(job.run.run_id, safe='')}/tasks/{TASK}/xcom"
    with urlopen(f"{job.stack.url}/{page}") as answer:  # noqa: S310 - the API server on loopback
        assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")


def _check_log(job: Job) -> None:
    log = job.logs()
    assert log.count("::group::") == log.count("::endgroup::") + 1, "the kill cut off one group"
    assert "Progress: round 1: 12 of 12 shards submitted" in log
    stretches = log.count("::group::Submitting and collecting")
    assert log.count("Progress: ") <= 2 * stretches, "about one line for each stint on a worker; none for each row"
    assert A_ROW not in log
    assert "HTTP Request" not in log
    assert DEFAULT_API_KEY not in log
