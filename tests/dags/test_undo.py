"""A mistake that cost nothing is undone by correcting it: no edition, no second bill."""

from __future__ import annotations

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


def test_a_wrong_model_is_corrected_and_run_again(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    wrong = dags.run("undo", {"model": "claude-hiaku-4-5"})
    assert wrong.tasks == {"one_task": "failed", "submit": "success", "wait": "success", "results": "failed"}
    control = message_batch_simulator.control
    assert control.billing().rows_billed == 0
    right = dags.run("undo", {"model": "claude-haiku-4-5"})
    assert right.tasks == dict.fromkeys(wrong.tasks, "success")
    assert control.billing().rows_billed == 2 * 3
    assert control.received().calls.get("cancel", 0) == 0
    again = dags.run("undo", {"model": "claude-opus-4-8"})
    assert again.tasks["one_task"] == again.tasks["submit"] == "failed", "what was paid for is not asked again"
    assert control.billing().rows_billed == 2 * 3
