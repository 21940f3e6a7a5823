"""Repairs in a real Airflow: in each form of the task, with templates, and what a mistake in them costs."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner

TASKS = ("one_task", "decorated", "mapped")
FIRST = ["fits", "truncated", "invalid_output", "refusal", "unfinished"]


def answer_badly(simulator: MessageBatchSimulator) -> None:
    """Let each row but the first get an answer of another kind that cannot be used, in the first round of a job."""
    control = simulator.control
    control.add_outcome("max_tokens", contains="number 1.", max_tokens_below=400)
    control.add_outcome("succeeded", text="Good, I think.", custom_id="-0-2$")
    control.add_outcome("refusal", contains="number 3.", model="claude-haiku-4-5")
    control.add_outcome("pause_turn", custom_id="-0-4$")


def test_every_form_of_the_task_repairs_what_it_is_asked_to(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer_badly(message_batch_simulator)
    run = dags.run("repair")
    assert set(run.tasks.values()) == {"success"}
    for task in TASKS:
        rows: list[dict[str, Any]] = run.xcom(task)
        assert [row["verdict"] for row in rows] == ["fits"] * 5, task
        assert [row["parsed"] is not None for row in rows] == [True] * 5
        earlier = [row["earlier_rounds"] for row in rows]
        assert earlier[0] is None
        assert [other["verdict"] for (other,) in earlier[1:]] == FIRST[1:]
        assert rows[3]["model"] == "claude-sonnet-4-6"
        manifest = run.xcom(task, "manifest")
        assert manifest["repairs"] == {verdict: {"requests": 1, "fits": 1} for verdict in manifest["repairs"]}
        assert sum(usage["requests"] for usage in manifest["usage"].values()) == 5 + 4
    assert [row["verdict"] for row in run.xcom("results")] == FIRST, "three tasks repair nothing by themselves"
    assert message_batch_simulator.control.billing().rows_billed == 3 * (5 + 4) + 5
    said = caplog.text + "".join(capsys.readouterr())
    assert "4 rows were answered and paid for, and are paid for again, as repair= asks: 1 invalid_output" in said
    again = dags.run("repair")  # as if the whole run were cleared
    assert set(again.tasks.values()) == {"success"}
    assert [row["verdict"] for row in again.xcom("results")] == ["fits"] * 5
    assert message_batch_simulator.control.billing().rows_billed == 4 * (5 + 4), "the others had nothing left to repair"


def test_a_model_that_does_not_exist_costs_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    run = dags.run("repair", {"other_model": "claude-sonet-4-6"})
    assert {run.tasks[task] for task in ("one_task", "decorated", "mapped", "submit")} == {"failed"}
    assert "The API does not know the model 'claude-sonet-4-6'" in "".join(capsys.readouterr())
    assert message_batch_simulator.control.received().batches_created == 0


@pytest.mark.parametrize(
    ("repair", "said"),
    [
        ({"truncate": {"max_tokens": 400}}, "Did you mean 'truncated'?"),
        ({"truncated": {"max_tokens": 100}}, "each row has 100 already"),
        ({"truncated": {"max_tokens": "400"}}, "`max_tokens` is '400'"),
        ({"refusal": {}}, "changes nothing"),
        ({"invalid_output": {"messages": "{{ params.more }}"}}, "each row keeps its own"),
        ([], "must be a dict of verdicts"),
    ],
)
def test_a_repair_that_can_never_be_right_fails_the_import(repair: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        MessageBatchOperator(
            task_id="t", rows=[{}], prompt="hello", model="claude-haiku-4-5", max_tokens=100, repair=repair
        )
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "repair",
    [
        "{{ params.repair }}",
        {"truncated": {"max_tokens": "{{ params.more }}"}},
        {"refusal": {"model": "{{ params.other_model }}"}},
        {"refusal": "{{ params.changes }}"},
        {"invalid_output": {"output_config": "{{ params.config }}"}},
    ],
)
def test_what_only_a_run_knows_is_no_reason_to_fail_the_import(repair: Any) -> None:
    MessageBatchOperator(
        task_id="t", rows=[{}], prompt="hello", model="claude-haiku-4-5", max_tokens=100, repair=repair
    )
