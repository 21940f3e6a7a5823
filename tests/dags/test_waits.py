"""Every way in which a sensor waits ends with the same answer, and gives up in the same way."""

from __future__ import annotations

import airflow
import pytest

from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner

WAYS = ("deferred", "from_the_start", "poked", "rescheduled")


def submitted(*sizes: int) -> list[str]:
    """Create batches as another program would; return their ids."""
    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    hook = MessageBatchHook()
    return [hook.create_batch([{"custom_id": str(n), "params": params} for n in range(size)]).id for size in sizes]


def test_every_way_to_wait_tells_the_same_of_batches_that_somebody_else_submitted(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.change_settings(batch_duration=2.0)
    batch_ids = submitted(1, 2)
    run = dags.run("waits", {"batch_ids": batch_ids})
    assert set(run.tasks.values()) == {"success"}
    counts = {"processing": 0, "succeeded": 3, "errored": 0, "canceled": 0, "expired": 0}
    for way in WAYS:
        assert run.xcom(way) == {"batch_ids": batch_ids, "request_counts": counts}
    assert run.xcom("of_one")["batch_ids"] == batch_ids[:1]
    assert message_batch_simulator.control.received().calls.get("cancel", 0) == 0


def test_failed_looks_end_no_way_to_wait(dags: DagRunner, message_batch_simulator: MessageBatchSimulator) -> None:
    control = message_batch_simulator.control
    control.change_settings(batch_duration=1.0)
    batch_ids = submitted(1)
    for status in (500, 401):
        control.add_fault("retrieve", "status", status=status)
    assert dags.run("waits", {"batch_ids": batch_ids}).state == "success"
    assert [fault["struck"] for fault in control.faults()] == [1, 1]


@pytest.mark.xfail(
    airflow.__version__.startswith("3.0."), reason="in reschedule mode the task fails there instead of being skipped"
)
def test_every_way_to_give_up_skips_and_cancels_if_so_told(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.change_settings(batch_duration=3600.0, cancel_duration=3600.0)
    ways = ("deferred", "poked", "rescheduled")
    batch_ids = submitted(*(1 for _ in ways))
    run = dags.run("gives_up", dict(zip(ways, batch_ids, strict=True)))
    assert run.tasks == dict.fromkeys(ways, "skipped")
    hook = MessageBatchHook()
    assert {hook.retrieve_batch(batch_id).processing_status for batch_id in batch_ids} == {"canceling"}


@pytest.mark.parametrize("batch_ids", [[], [""], [None]])
def test_ids_that_cannot_be_right_fail_without_a_look(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, batch_ids: list[str]
) -> None:
    run = dags.run("waits", {"batch_ids": batch_ids})
    assert {run.tasks[way] for way in WAYS} == {"failed"}
    assert message_batch_simulator.control.received().calls == {}
