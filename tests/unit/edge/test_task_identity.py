"""The unit of work is what a retry, a clear, a reprocess and a new run of the same date share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.edge.task_identity import unit_of_work

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
