"""``anthropic-batches estimate`` prints what a task would cost, and spends nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.cli import main
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator

DAGS = """
import pendulum
from airflow.sdk import DAG, Param
from anthropic_batches_provider.operators import MessageBatchOperator

print("a line that a DAG file prints")

def rows_of_the_day(ds):
    return [{"id": f"{ds} {number}"} for number in range(int(ds[-2:]))]

with DAG(
    "reviews",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"most": Param(10, type="integer")},
):
    MessageBatchOperator(
        task_id="label",
        rows=rows_of_the_day,
        key="id",
        prompt="Say {{ row.id }}",
        model="claude-haiku-5-5",
        max_tokens="{{ params.most }}",
        destination="/nowhere/{{ ds }}",
        prices={"claude-haiku-5-5": {"input": "2", "output": "4", "above": {}}},
    )
    MessageBatchOperator(
        task_id="by_template",
        rows=rows_of_the_day,
        prompt="x",
        system="{{ ti.xcom_pull('label') }}",
        model="claude-haiku-5-5",
        max_tokens=5,
    )
"""
Estimate = Callable[..., int]


@pytest.fixture
def estimate(
    tmp_path: Path, message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> Estimate:
    """Return the command for the task ``label`` of a DAG whose job has as many rows as the day's number."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", message_batch_simulator.airflow_connection_json)
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", (tmp_path / "storage").as_uri())
    file = tmp_path / "reviews.py"
    file.write_text(DAGS)
    return lambda *options, task="label": main(["estimate", "reviews", task, "--file", str(file), *options])


def printed(capfd: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capfd.readouterr().out)


def test_a_date_is_estimated_at_the_tasks_own_prices(
    estimate: Estimate,
    capfd: pytest.CaptureFixture[str],
    message_batch_simulator: MessageBatchSimulator,
    tmp_path: Path,
) -> None:
    assert estimate("--date", "2026-01-03", "--json") == 0
    found = printed(capfd)
    tokens = found["input_tokens"]["expected"]
    assert Decimal(found["bound_usd"]) == (tokens * 1 + 3 * 10 * 2) * Decimal("0.000001")
    assert [(each["date"], each["rows"]) for each in found["dates"]] == [("2026-01-03", 3)]
    assert message_batch_simulator.control.received().creates == []
    assert not (tmp_path / "storage").exists()


def test_a_backfill_is_a_line_for_each_date_and_a_table_of_the_sum(
    estimate: Estimate, capfd: pytest.CaptureFixture[str]
) -> None:
    assert estimate("--from", "2026-01-01", "--to", "2026-01-03") == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(", ")[0] for line in lines[:3]] == [
        "2026-01-01: 1 row",
        "2026-01-02: 2 rows",
        "2026-01-03: 3 rows",
    ]
    assert lines[3].startswith("Estimate of DAG reviews, task label, 3 dates: $0.0")
    assert lines[4].startswith("| model")
    assert lines[6].startswith("| claude-haiku-5-5 |    6 |")


def test_without_a_date_it_is_a_run_of_now(estimate: Estimate, capfd: pytest.CaptureFixture[str]) -> None:
    assert estimate("--json") == 0
    found = printed(capfd)
    assert found["dates"] == []
    assert found["rows"] > 0


def test_params_and_what_is_known_of_the_answers_change_the_figures(
    estimate: Estimate, capfd: pytest.CaptureFixture[str]
) -> None:
    date = ("--date", "2026-01-03", "--json")
    found = []
    for options in ((), ("--conf", '{"most": 20}'), ("--output-share", "0.5")):
        assert estimate(*date, *options) == 0
        found.append(printed(capfd)["output_tokens"])
    assert [(each["expected"], each["bound"]) for each in found] == [(30, 30), (60, 60), (15, 30)]


def test_sample_rows_limits_the_calls(
    estimate: Estimate, capfd: pytest.CaptureFixture[str], message_batch_simulator: MessageBatchSimulator
) -> None:
    assert estimate("--date", "2026-01-31", "--sample-rows", "5", "--json") == 0
    assert printed(capfd)["rows"] == 31
    assert message_batch_simulator.control.received().calls["count_tokens"] <= 5


def test_the_output_holds_the_estimate_alone(estimate: Estimate, capfd: pytest.CaptureFixture[str]) -> None:
    assert estimate("--date", "2026-01-02") == 0
    captured = capfd.readouterr()
    assert captured.out.splitlines()[0].startswith("2026-01-02: 2 rows, $")
    assert "a line that a DAG file prints" in captured.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--conf", "{"), "--conf is no JSON"),
        (("--conf", "[1]"), "--conf must be a JSON object"),
        (("--conf", '{"most": "many"}'), "The params of DAG reviews are not valid"),
        (("--date", "tomorrow"), "which is no date in ISO 8601"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "ends before it begins"),
        (("--sample-rows", "1"), "sample_rows= must be a whole number, 2 or more"),
        (("--output-share", "2"), "must be above 0 and at most 1"),
        (("--earlier-job", "job-0001"), "which names no job"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(
    estimate: Estimate, capfd: pytest.CaptureFixture[str], options: tuple[str, ...], problem: str
) -> None:
    assert estimate(*options) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = (line for line in captured.err.splitlines() if line.startswith("error: "))
    assert problem in line


def test_a_template_that_takes_the_output_of_another_task_is_named(
    estimate: Estimate, capfd: pytest.CaptureFixture[str]
) -> None:
    assert estimate(task="by_template") == 1
    assert "error: Task by_template takes the output of another task in a template" in capfd.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "2026-01-01"),
        ("--to", "2026-01-01"),
        ("--date", "2026-01-01", "--from", "2026-01-01", "--to", "2026-01-02"),
        ("--earlier-job", "a", "--output-share", "0.5"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(estimate: Estimate, options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        estimate(*options)
    assert ended.value.code == 2
