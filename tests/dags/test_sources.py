"""Sources are what they seem, in whole tasks: a mistake is never an empty input, and no data is in a message."""

from __future__ import annotations

from pathlib import Path

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


def test_a_task_that_may_skip_skips_only_where_nothing_is(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    for name, content in (
        ("rows [2026-11].jsonl", '{"id": 1}\n{"id": 2}\n'),
        ("._rows [2026-11].jsonl", "\x00\x05\x16\x07 of a Mac"),
        ("_manifest.json", "{\n}"),
    ):
        (tmp_path / name).write_text(content)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    run = dags.run("sources", {"folder": str(tmp_path)})
    states = {name: state for name, state in run.tasks.items() if name not in ("secrets", "path_of_rows")}
    assert states == {
        "rendered": "failed", "no_folder": "failed", "no_match": "skipped", "hidden": "skipped", "brackets": "success",
        "all": "success",
    }  # fmt: skip
    assert message_batch_simulator.control.billing().rows_billed == 4
