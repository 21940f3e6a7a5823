"""Tables and arrays are answered row by row, in whole tasks."""

from __future__ import annotations

import json
from pathlib import Path

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, rows_in


def test_the_rows_of_tables_and_arrays_are_answered_in_their_order(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    for day in ("1", "2"):
        (tmp_path / "lake" / f"day={day}").mkdir(parents=True)
        text = f'id;text;note\r\n001;"Größe;\n{day}";NULL\r\n002;NULL;""\r\n'
        (tmp_path / "lake" / f"day={day}" / "a.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "rows.json").write_text(json.dumps([{"id": 1, "text": "one"}, {"id": 2, "text": "two"}], indent=2))
    params = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "three"}]}
    (tmp_path / "requests.json").write_text(json.dumps([{"custom_id": "r1", "params": params}], indent=2))

    run = dags.run("tables", {"folder": str(tmp_path)})

    assert run.tasks == {"lake": "success", "array": "success", "ready": "success", "ready_table": "failed"}
    lake = rows_in(tmp_path / "lake_out")
    assert [(row["day"], row["id"], row["note"]) for row in lake] == [
        ("1", "001", None), ("1", "002", ""), ("2", "001", None), ("2", "002", ""),
    ]  # fmt: skip
    assert [row["result_type"] for row in lake] == ["succeeded"] * 4
    assert [row["id"] for row in rows_in(tmp_path / "array_out")] == [1, 2]
    assert [row["key"] for row in rows_in(tmp_path / "ready_out")] == ["r1"]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (7, 1)
