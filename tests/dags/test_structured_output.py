"""Answers that must fit a schema, in a real Airflow: judged alike in one task and in three, counted and told."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("structured")
    assert set(run.tasks.values()) == {"success"}
    batches = message_batch_simulator.control.batches()
    assert len(batches) == 5
    for task in TASKS:
        assert [row["verdict"] for row in run.xcom(task)] == ["fits"] * 6, "the simulator answers a schema validly"


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
    assert "Rows with an answer that does not fit were billed, and are not sent again." in said
    assert message_batch_simulator.control.billing().rows_billed == 5 * 6
