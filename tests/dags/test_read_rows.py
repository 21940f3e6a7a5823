"""The output of one task is the input of the next: in a Python task, and as rows of a second job."""

from __future__ import annotations

from pathlib import Path

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


def test_the_rows_of_one_task_are_read_by_the_next(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("read_rows", {"output": tmp_path.as_uri()})
    assert run.tasks == {"classify": "success", "count": "success", "explain": "success"}
    assert len(run.xcom("classify")["parts"]) == 2
    assert run.xcom("count") == {"rows": 3, "succeeded": 3}
    assert [row["id"] for row in run.xcom("explain")] == ["a", "b", "c"]
    assert message_batch_simulator.control.billing().rows_billed == 6
