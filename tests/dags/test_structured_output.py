"""Answers that must fit a schema, in a real Airflow: judged alike in one task and in three, counted and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.requests import answer_schemas
from anthropic_batches_provider.batches.requests.api_schemas import ApiSchema, api_schema
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner

FITS = '{"mood": "good", "rating": 7, "keywords": []}'
RATED_TOO_HIGH = '{"mood": "SECRET", "rating": 700, "keywords": []}'
TASKS = ("model", "named", "built", "mapped", "results")
VERDICTS = ["fits", "invalid_output", "truncated", "refusal", "unfinished", "invalid_output"]


def answer_in_every_way(simulator: MessageBatchSimulator) -> None:
    control = simulator.control
    control.add_outcome("succeeded", contains="number 1.", text=RATED_TOO_HIGH)
    control.add_outcome("max_tokens", contains="number 2.")
    control.add_outcome("refusal", contains="number 3.")
    control.add_outcome("pause_turn", contains="number 4.")
    control.add_outcome("succeeded", contains="number 5.", text="I would rather not say.")
    control.add_outcome("succeeded", contains="number 0.", text=FITS)


def test_every_task_judges_alike(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer_in_every_way(message_batch_simulator)
    run = dags.run("structured")
    assert set(run.tasks.values()) == {"success"}
    for task in TASKS:
        rows: list[dict[str, Any]] = run.xcom(task)
        assert [row["verdict"] for row in rows] == VERDICTS, task
        assert [row["result_type"] for row in rows] == ["succeeded"] * 6
        assert [row["parsed"] for row in rows] == [json.loads(FITS)] + [None] * 5
        assert rows[1]["text"] == RATED_TOO_HIGH
        assert rows[5]["error_message"] == "the answer holds no JSON"
        manifest = run.xcom(task, "manifest")
        assert manifest["verdicts"] == {
            "fits": 1, "invalid_output": 2, "truncated": 1, "refusal": 1, "unfinished": 1,
        }  # fmt: skip
        assert manifest["counts"]["succeeded"] == 6
        assert len(manifest["output_schema"]) == 32
    reasons = {task: run.xcom(task)[1]["error_message"] for task in TASKS}
    assert set(reasons.values()) == {
        "at $.mood, `literal_error` (expected='good' or 'bad')",
        'at $.mood, the value is not as `enum` demands: ["good","bad"]',
    }
    said = caplog.text + "".join(capsys.readouterr())
    assert "SECRET" not in said
    assert "It is stated in descriptions, and the answers are judged by it here: $.properties.rating: maximum" in said
    assert "2 invalid_output, 1 truncated, 1 refusal, 1 unfinished; they count as failed rows" in said


def test_what_is_sent_has_the_apis_form_and_the_other_keys(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("structured")
    assert set(run.tasks.values()) == {"success"}
    assert message_batch_simulator.control.billing().rows_billed == 5 * 6
    for task in TASKS:
        assert [row["verdict"] for row in run.xcom(task)] == ["fits"] * 6, "the simulator answers a schema validly"
    for task in ("model", "built"):
        (shard,) = (tmp_path / "storage" / "structured" / task).rglob("requests/*.jsonl")
        for line in shard.read_text(encoding="utf-8").splitlines():
            output_config = json.loads(line)["params"]["output_config"]
            assert output_config["effort"] == "low"
            assert output_config["format"]["schema"]["additionalProperties"] is False
            assert output_config["format"]["schema"]["properties"]["rating"] == {
                "type": "integer", "title": "Rating", "description": "{maximum: 100, minimum: 0}",
            }  # fmt: skip
        (job,) = (tmp_path / "storage" / "structured" / task).rglob("job.json")
        record = json.loads(job.read_text(encoding="utf-8"))
        assert record["output_schema"]["properties"]["rating"]["maximum"] == 100, "the user's own"
        assert record["output_model"].endswith("_structured:Label")
        assert len(record["output_schema_hash"]) == 32


def test_more_rows_that_do_not_fit_than_allowed_fail_the_task(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_in_every_way(message_batch_simulator)
    run = dags.run("structured", {"max_failed_rows": "4"})
    assert {run.tasks[task] for task in TASKS} == {"failed"}
    said = "".join(capsys.readouterr())
    assert "5 of 6 rows got no answer that fits" in said
    assert "2 invalid_output, e.g. " in said
    assert "Truncated rows need a higher max_tokens." in said
    assert "give the task that sends the rows repair={'invalid_output': {}, 'truncated': {'max_tokens': …}, " in said
    assert message_batch_simulator.control.billing().rows_billed == 5 * 6


def test_another_version_of_the_form_and_another_name_of_the_model_change_nothing_that_was_paid(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dags.run("structured").state == "success"
    made, dumped = api_schema, answer_schemas.json_schema_of

    def other_form(schema: Any) -> ApiSchema:
        form = made(schema)
        return ApiSchema({**form.schema, "description": "made by another version"}, form.weakened)

    monkeypatch.setattr(answer_schemas, "api_schema", other_form)
    monkeypatch.setattr(answer_schemas, "json_schema_of", lambda schema: {**dumped(schema), "title": "Renamed"})
    again = dags.run("structured")
    assert set(again.tasks.values()) == {"success"}
    assert message_batch_simulator.control.billing().rows_billed == 5 * 6
