"""Lines that are no rows go through whole tasks: none is sent, and each has its place in the output."""

from __future__ import annotations

import json
from pathlib import Path

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner

LINES = [
    '{"id":0,"text":"a"}',
    '{"id":1,"text":null}',
    "no json",
    '{"id":3,"text":"b"}',
    '{"text":"c"}',
    '{"id":5,"text":"d"}',
    '{"id":6,"text":"e"}',
]


def test_the_limit_decides_before_anything_is_sent_and_again_in_the_end(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f"{line}\n" for line in LINES))
    run = dags.run("invalid_rows", {"folder": str(tmp_path)})
    assert run.tasks == {
        "strict": "failed", "lenient": "success", "submit": "success", "wait": "success", "results": "failed"
    }  # fmt: skip
    assert message_batch_simulator.control.billing().rows_billed == 2 * 4
    for folder in ("lenient", "results"):
        (part,) = (tmp_path / folder).glob("part-*.jsonl")
        rows = [json.loads(line) for line in part.read_text().splitlines()]
        assert [row["id"] for row in rows] == [0, 1, None, 3, None, 5, 6]
        assert [row["result_type"] == "invalid_row" for row in rows] == [row["id"] in (None, 1) for row in rows]
        reasons = [row["error_message"] for row in rows if row["result_type"] == "invalid_row"]
        assert "missing value" in reasons[0]
        assert "rows.jsonl, line 3: not JSON" in reasons[1]
        assert "Row 4 (the first is 0) has no column 'id'" in reasons[2]
