"""The XCom ``progress`` describes the first prompt of a job; it holds its text only where the task asks for it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.submission import Submission
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, Run

HIDDEN = "Label: hidden 0"
SHOWN = {
    "shown": "Label: shown 0",
    "submitted": "Label: submitted 0",
    "built": "See this.\nbuilt 0",
    "ready": "ready 0",
    "decorated": "Label: decorated 0",
}


def described(prompt: str) -> dict[str, Any]:
    return {"characters": len(prompt), "sha256": hashlib.sha256(prompt.encode()).hexdigest()}


def xcoms(run_id: str | None = None) -> dict[tuple[str, str], str]:
    """Return the stored XComs of the DAG's runs, as text, by task and key."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(XComModel).where(XComModel.dag_id == "first_prompt")).all()
        return {(each.task_id, each.key): str(each.value) for each in found if run_id in (None, each.run_id)}


def test_the_first_prompt_is_described_until_the_end_and_its_text_is_where_it_is_asked_for(
    dags: DagRunner, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    run = dags.run("first_prompt")
    assert run.state == "success", run.tasks
    progress = run.xcom("hidden", "progress")
    assert (progress["shards_ended"], progress["rows_collected"]) == (3, 5)
    assert progress["first_prompt"] == described(HIDDEN)
    for task_id, prompt in SHOWN.items():
        shown = {**described(prompt), "text": prompt, "text_is_cut": False}
        assert run.xcom(task_id, "progress")["first_prompt"] == shown, task_id
    assert not list((tmp_path / "storage").glob("first_prompt/shown/*/*/*/requests/*")), "the seal remembers it"
    _check_hidden(run, tmp_path / "storage", caplog.text + "".join(capfd.readouterr()))
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("anthropic_batches_provider")]
    assert not [line for line in ours if any(prompt in line for prompt in SHOWN.values())], "XCom shows it, no log"


def _check_hidden(run: Run, storage: Path, log: str) -> None:
    """Check that no XCom, record or log line holds the text that nobody asked for; the request shards do."""
    holders = {key for key, value in xcoms(run.dag_run.run_id).items() if HIDDEN in value}
    assert holders == set()
    files = [file for file in storage.glob("first_prompt/hidden/**/*") if file.is_file()]
    assert {file.parent.name for file in files if HIDDEN.encode() in file.read_bytes()} == {"requests"}
    assert "Progress: round 1" in log
    assert HIDDEN not in log


def test_it_is_there_before_anything_is_sent(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    advance = Submission.advance

    def look_first(submission: Submission, **options: Any) -> Any:
        if not message_batch_simulator.control.received().creates:
            seen.extend(value for (_, key), value in xcoms().items() if key == "progress")
        return advance(submission, **options)

    monkeypatch.setattr(Submission, "advance", look_first)
    assert dags.run("first_prompt").state == "success"
    (progress,) = seen
    prompts = (HIDDEN, *SHOWN.values())
    assert any(described(prompt)["sha256"] in progress for prompt in prompts)
    assert "'shards_submitted': 0" in progress.replace('"', "'")
