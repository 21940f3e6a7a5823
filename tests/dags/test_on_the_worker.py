"""Tasks that wait on their worker: nothing is deferred, and the ledger goes on as it would after a deferral."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tests.dags.conftest import LOGICAL_DATE, DagRunner


@pytest.fixture
def no_deferral(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if anything hands a trigger to Airflow: ``serialize`` is what a deferral calls first."""

    def serialize(_: MessageBatchTrigger) -> Any:
        raise AssertionError("deferred")

    monkeypatch.setattr(MessageBatchTrigger, "serialize", serialize)


@pytest.mark.usefixtures("no_deferral")
def test_every_form_of_the_main_job_waits_on_its_worker(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("on_the_worker")
    assert set(run.tasks.values()) == {"success"}
    assert message_batch_simulator.control.billing().rows_billed == 3 * 4
    assert len(message_batch_simulator.control.received().creates) == 3 * 2, "a window of one shard"


def test_execution_timeout_ends_the_wait_and_a_retry_continues(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    control = message_batch_simulator.control
    control.change_settings(batch_duration=100_000)
    with caplog.at_level(logging.INFO):
        ended = dags.load("on_the_worker", "too_long").test(logical_date=LOGICAL_DATE)
    assert {str(task.state) for task in ended.get_task_instances()} == {"failed"}
    assert control.received().calls.get("cancel", 0) == 0
    control.end_batches()
    control.change_settings(batch_duration=0)
    again = dags.load("on_the_worker", "too_long").test(logical_date=LOGICAL_DATE)
    assert {str(task.state) for task in again.get_task_instances()} == {"success"}
    assert control.billing().rows_billed == 4
