"""The unit of work is what a retry, a clear, a reprocess and a new run of the same date share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.edge.jobs import (
    connection_of,
    find_job,
    known_batch_ids,
    show_in_task_state,
    unit_of_work,
)
from anthropic_batches_provider.errors import ConfigurationError

DATE = pendulum.datetime(2026, 3, 14, tz="UTC")


def context(*, map_index: int | None = -1, **dag_run: Any) -> Any:
    run = SimpleNamespace(**{"run_id": "manual__1", "logical_date": DATE, "partition_key": None, **dag_run})
    return {"dag_run": run, "ti": SimpleNamespace(dag_id="labels", task_id="submit", map_index=map_index)}


def folder(unit: str | None = None, **dag_run: Any) -> str:
    return unit_of_work(context(**dag_run), unit).folder


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"run_id": "scheduled__1"}, {"run_id": "scheduled__1"}, True),  # a retry, a clear, a backfill's reprocess
        ({"run_id": "scheduled__1"}, {"run_id": "backfill__2"}, True),  # a deleted and recreated run of the same date
        ({"logical_date": DATE}, {"logical_date": DATE.add(days=1)}, False),  # another day
        ({"logical_date": None, "run_id": "manual__1"}, {"logical_date": None, "run_id": "manual__1"}, True),
        ({"logical_date": None, "run_id": "manual__1"}, {"logical_date": None, "run_id": "manual__2"}, False),
        ({"logical_date": None, "run_id": "asset__1"}, {"logical_date": None, "run_id": "asset__2"}, False),
        (
            {"logical_date": None, "partition_key": "2026-03-14", "run_id": "a"},
            {"logical_date": None, "partition_key": "2026-03-14", "run_id": "b"},
            True,
        ),  # a partitioned DAG's reprocess is a new run of the same partition
        ({"partition_key": "eu"}, {"partition_key": "us"}, False),
        ({"map_index": 0}, {"map_index": 1}, False),
        ({"map_index": 0}, {"map_index": 0, "run_id": "other"}, True),
        ({"unit": "customer-7", "run_id": "a"}, {"unit": "customer-7", "logical_date": None, "run_id": "b"}, True),
        ({"unit": "customer-7"}, {"unit": "customer-8"}, False),
    ],
)
def test_runs_share_a_unit_of_work_or_not(first: dict[str, Any], second: dict[str, Any], same: bool) -> None:
    assert (folder(**first) == folder(**second)) is same


def test_airflow_without_partitions_has_logical_dates() -> None:
    run = SimpleNamespace(run_id="r", logical_date=DATE)
    assert unit_of_work({"dag_run": run, "ti": context()["ti"]}, None).unit == DATE.isoformat()


@pytest.mark.parametrize("job", [None, "", 7, "file:///too/short", {"no": "job"}, {"job": None}, ["a"]])
def test_what_names_no_job_is_refused(job: Any) -> None:
    with pytest.raises(ConfigurationError, match="names no job"):
        find_job(job)


def test_a_reference_leads_to_its_folder() -> None:
    job = find_job({"job": "file:///data/store/dag/task/unit/-/job-0001"})
    assert (job.storage.uri, job.path) == ("file:///data/store", "dag/task/unit/-/job-0001")


def test_batches_are_named_by_a_reference_several_or_plain_ids() -> None:
    reference = {"job": "file:///x", "batch_ids": ["a", "b"]}
    assert known_batch_ids(reference, None) == ["a", "b"]
    assert known_batch_ids([reference, {"job": "file:///y", "batch_ids": ["c"]}], None) == ["a", "b", "c"]
    assert known_batch_ids(None, ["a", "b", "a"]) == ["a", "b"]
    assert known_batch_ids(None, "a") == ["a"]


@pytest.mark.parametrize(
    ("job", "batch_ids"), [(None, None), ({"job": "x"}, ["a"]), (None, []), (None, [7]), (None, [""])]
)
def test_nothing_or_too_much_to_wait_for_is_refused(job: Any, batch_ids: Any) -> None:
    with pytest.raises(ConfigurationError):
        known_batch_ids(job, batch_ids)


def test_the_operators_own_connection_wins_over_the_jobs() -> None:
    reference = {"job": "file:///x", "conn_id": "theirs"}
    assert connection_of("mine", reference) == "mine"
    assert connection_of(None, reference) == "theirs"
    assert connection_of(None, [reference]) == "theirs"
    assert connection_of(None, None) == "anthropic_default"


class BrokenStore:
    def set(self, *_: object, **__: object) -> None:
        raise OSError("no supervisor")


def test_a_task_state_store_that_is_missing_or_fails_is_passed_over() -> None:
    show_in_task_state({}, "key", {"a": 1})
    show_in_task_state({"task_state_store": BrokenStore()}, "key", {"a": 1})  # type: ignore[typeddict-item]
