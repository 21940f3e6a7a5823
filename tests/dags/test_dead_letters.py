"""Rows that stay without an answer, with their requests, are corrected and sent again by whole tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, rows_in

ROWS = 8
REFUSED = [2, 5, 7]


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    warehouse = {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
    (tmp_path / "warehouse.db").touch()
    lines = [json.dumps({"number": number, "text": f"passage {number}"}) for number in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return {"rows": str(tmp_path / "rows.jsonl"), "output": str(tmp_path)}


def test_dead_letters_are_corrected_sent_again_and_joined(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], tmp_path: Path
) -> None:
    message_batch_simulator.control.add_outcome(
        "errored", text_matches="passage [257]$", max_tokens_below=20, error_type="invalid_request_error"
    )
    run = dags.run("dead_letters", conf)
    assert set(run.tasks.values()) == {"success"}, run.tasks
    letters = [json.loads(line) for line in (tmp_path / "asked" / "_dead_letters.jsonl").read_bytes().splitlines()]
    assert [letter["custom_id"] for letter in letters] == REFUSED
    assert letters[0]["params"] == {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Label: passage 2"}],
    }
    assert [(row["key"], row["result_type"]) for row in rows_in(tmp_path / "again")] == [
        (number, "succeeded") for number in REFUSED
    ]
    answers = run.xcom("joined")
    assert list(answers) == [str(number) for number in range(ROWS)]
    assert all(answers.values())
    for name in ("xcom", "table"):
        told = run.xcom(f"{name}_ask", "manifest")
        assert told["dead_letters"]["rows"] == len(REFUSED)
        assert told["dead_letters"]["uri"].startswith(told["job"] + "/")
        assert [(row["key"], row["result_type"]) for row in run.xcom(f"{name}_again")] == [
            (number, "errored") for number in REFUSED
        ]
    billing = message_batch_simulator.control.billing()
    assert billing.rows_billed == 3 * (ROWS - len(REFUSED)) + len(REFUSED)
