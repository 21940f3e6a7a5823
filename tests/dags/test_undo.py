"""A mistake that cost nothing is undone by correcting it: no edition, no second bill."""

from __future__ import annotations

from pathlib import Path

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


def test_a_wrong_question_is_corrected_and_run_again(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("errored", text_matches="^wrong ", error_type="invalid_request_error")
    wrong = dags.run("undo", {"word": "wrong"})
    assert wrong.tasks == {"one_task": "failed", "submit": "success", "wait": "success", "results": "failed"}
    assert control.billing().rows_billed == 0
    right = dags.run("undo", {"word": "right"})
    assert right.tasks == dict.fromkeys(wrong.tasks, "success")
    assert control.billing().rows_billed == 2 * 3
    assert control.received().calls.get("cancel", 0) == 0
    again = dags.run("undo", {"word": "other"})
    assert again.tasks["one_task"] == again.tasks["submit"] == "failed", "what was paid for is not asked again"
    assert control.billing().rows_billed == 2 * 3


def test_a_misspelled_model_sends_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    wrong = dags.run("undo", {"model": "claude-hiaku-4-5"})
    assert wrong.tasks["one_task"] == wrong.tasks["submit"] == "failed"
    assert control.received().creates == []
    assert control.received().calls["models"] == 4  # each task: the model, then the list
    assert dags.run("undo").tasks == dict.fromkeys(wrong.tasks, "success")
    assert control.received().calls["models"] == 8  # each of the two: before it replaces the job, and for its rows
    assert dags.run("undo", {"model": "claude-haiku-4-5"}).tasks == dict.fromkeys(wrong.tasks, "success")
    assert control.received().calls["models"] == 8, "a job that was sent is not looked up again"
