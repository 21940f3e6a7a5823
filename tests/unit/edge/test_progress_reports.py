"""Reports of a task's progress, rare enough for the log of a task with ten million rows."""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    JobFolder,
    JobRecord,
    LocalStorage,
    SealRecord,
    ShardRecord,
    UnitJobs,
    create_job,
)
from anthropic_batches_provider.edge.progress_reports import ProgressReport, log_group


class TaskInstance:
    """Accepts pushed values, or refuses them."""

    def __init__(self, fails: bool = False) -> None:
        self.pushed: list[tuple[str, Any]] = []
        self._fails = fails

    def xcom_push(self, key: str, value: Any) -> None:
        if self._fails:
            raise RuntimeError("no API server")
        self.pushed.append((key, value))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def context(task_instance: TaskInstance) -> Any:
    return {"ti": task_instance}


def a_job(folder: Path) -> JobFolder:
    record = JobRecord(
        nonce="0123456789ab", owner="o", edition="", account=AccountRecord.of(Account(base_url="http://api")),
        conn_id="c", run_id="r", opened_at=pendulum.now("UTC").to_iso8601_string(), question="q",
    )  # fmt: skip
    job = create_job(LocalStorage(folder), "dag/task/unit/-", record, after=UnitJobs(jobs=(), next_number=1))
    shard = ShardRecord(shard=0, requests=5, first_row=0, body_bytes=9, requests_file="requests/a", rows_file="rows/a")
    job.create_seal(SealRecord(rows=5, fingerprint="", structured=False, shards=(shard,)))
    return job


def test_rows_are_told_every_thirty_seconds_and_once_more_at_the_end(told: pytest.LogCaptureFixture) -> None:
    task_instance, seconds = TaskInstance(), count(0, 10)  # each reading of the clock takes ten seconds
    report = ProgressReport(context(task_instance), seconds=lambda: next(seconds))
    assert sum(1 for _ in report.building(range(10_500))) == 10_500
    lines = [record.getMessage() for record in told.records]
    assert (lines[0], lines[-1]) == ("::group::Building shards", "::endgroup::")
    rows = [figures["rows_built"] for key, figures in task_instance.pushed if key == "progress"]
    assert rows == [3_000, 6_000, 9_000, 10_500]
    assert [line.split(",")[0] for line in lines if "rows built" in line] == [f"Progress: {n // 1000}" for n in rows]
    assert all(figures["rows_per_second"] > 0 for _, figures in task_instance.pushed)


def test_a_sealed_job_is_told_at_the_same_pace_or_when_asked(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    task_instance, clock = TaskInstance(), [0.0]
    report, job = ProgressReport(context(task_instance), seconds=lambda: clock[0]), a_job(tmp_path)
    for moment in range(100):
        clock[0] = moment
        report.report(job)
    assert len(task_instance.pushed) == 3, "after 30, 60 and 90 seconds"
    report.report(job, force=True)
    assert len(task_instance.pushed) == 4
    assert task_instance.pushed[-1][1]["rows"] == 5
    assert told.text.count("Progress: round 1: 0 of 1 shards submitted") == 4


def test_a_first_prompt_that_is_unknown_or_cannot_be_read_fails_nothing(
    tmp_path: Path, told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_instance = TaskInstance()
    report, job = ProgressReport(context(task_instance)), a_job(tmp_path)  # its shard is gone
    report.report(job, force=True)

    def refuse(name: str) -> None:
        raise PermissionError(name)

    monkeypatch.setattr(job, "lines_of", refuse)
    report.report(job, force=True)
    assert [figures["first_prompt"] for _, figures in task_instance.pushed] == [None, None]
    assert f"The first prompt of {job.uri} could not be read, and is not shown: requests/a" in told.text


def test_a_group_is_closed_however_it_is_left(told: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError), log_group("Collecting"):
        raise KeyError
    assert [record.getMessage() for record in told.records] == ["::group::Collecting", "::endgroup::"]


def test_figures_that_cannot_be_shown_fail_nothing(told: pytest.LogCaptureFixture) -> None:
    report = ProgressReport(context(TaskInstance(fails=True)))
    assert list(report.building([1, 2])) == [1, 2]
    assert "The progress could not be shown in XCom: no API server" in told.text
