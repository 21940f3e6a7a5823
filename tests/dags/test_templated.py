"""Templates of numbers reach the API as numbers, and what renders none is refused before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


def test_rendered_texts_become_numbers_and_what_is_none_costs_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("templated")
    tasks = run.dag_run.get_task_instances()
    tries = {(task.task_id, task.map_index): (str(task.state), task.try_number) for task in tasks}
    assert tries == {
        ("rendered", -1): ("success", 1),
        ("no_number", -1): ("failed", 1),
        ("no_limit", -1): ("failed", 1),
        ("mapped", 0): ("failed", 1),
        ("mapped", 1): ("success", 1),
    }
    assert message_batch_simulator.control.billing().rows_billed == 4
    (shard,) = (tmp_path / "storage" / "templated" / "rendered").rglob("requests/*.jsonl")
    sent = [json.loads(line)["params"] for line in shard.read_text(encoding="utf-8").splitlines()]
    asked = {
        "model": "claude-haiku-4-5",
        "max_tokens": 25,
        "metadata": {"user_id": "u-1"},
        "stop_sequences": ["\n", "0.4"],
    }
    assert [{name: value for name, value in params.items() if name != "messages"} for params in sent] == [asked, asked]
    (job,) = (tmp_path / "storage" / "templated" / "rendered").rglob("job.json")
    assert json.loads(job.read_text(encoding="utf-8"))["betas"] == ["b-1", "b-2"]
