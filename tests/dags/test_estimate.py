"""Estimates in DAGs: the figures are returned and shown, nothing is spent, and nothing is left in the storage."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, check_told

FAILED = {"empty_day", "invalid", "mapped_files", "no_rows", "unknown"}
PICO = Decimal(1).scaleb(-12)
INPUT, OUTPUT = 50_000 * PICO, 250_000 * PICO  # what a token of claude-haiku-5-5 costs in a batch


def test_each_kind_of_task_is_estimated_and_nothing_is_spent(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for day, rows in (("2026-01-03", 2), ("2026-01-05", 4)):
        lines = (json.dumps({"id": f"{day} {number}"}) for number in range(rows))
        (tmp_path / f"{day}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    run = dags.run("estimates", conf={"folder": str(tmp_path)})

    assert {task for task, state in run.tasks.items() if state == "failed"} == FAILED
    assert {task for task, state in run.tasks.items() if state == "skipped"} == {"empty"}
    _check_nothing_spent(message_batch_simulator, tmp_path)
    check_told(
        capfd,
        "Date 2026-01-02: <rows of rows_of_odd_days>: There are no rows",
        "1 of 21 rows cannot be sent",
        "The API does not know the model 'claude-haiku-55'. Correct `model`; near names are: claude-haiku-5-5",
        "/nowhere/{{ ds }}.jsonl",  # another task's output is data, also on another date
    )

    plain = run.xcom("plain")
    assert _figures(plain) == (20 * 6 * INPUT, *[20 * (6 * INPUT + 100 * OUTPUT)] * 3)
    assert (plain["rows"], plain["batches"], plain["counted_calls"], plain["dates"]) == (20, 1, 20, [])
    assert Decimal(plain["live_usd"]) == 2 * Decimal(plain["expected_usd"])
    assert plain["prices"] == ["the argument `prices`"]
    assert Decimal(run.xcom("share")["expected_usd"]) == 20 * (6 * INPUT + 10 * OUTPUT)
    assert Decimal(run.xcom("cached")["expected_usd"]) < Decimal(run.xcom("with_guide")["expected_usd"]) / 3
    assert run.xcom("of_a_task")["rows"] == 2
    assert [each["date"] for each in run.xcom("skipped_day")["dates"]] == ["2026-01-01"]
    bounds = [20 * (6 * INPUT + most * OUTPUT) for most in (100, 200)]
    assert Decimal(run.xcom("mapped")["bound_usd"]) in bounds  # of the instance that was stored first
    assert (run.xcom("some_invalid")["rows"], run.xcom("some_invalid")["invalid_rows"]) == (20, 1)
    if find_spec("genai_prices"):  # it is an extra
        assert _figures(run.xcom("public")) == _figures(plain)
    else:
        assert (run.xcom("public")["high_usd"], run.xcom("public")["at_least"]) == (None, True)


def test_the_dates_of_a_backfill_are_estimated_one_by_one_and_summed(dags: DagRunner) -> None:
    run = dags.run("estimates")
    week = run.xcom("a_week")
    assert [(each["date"], each["rows"]) for each in week["dates"]] == [(f"2026-01-0{day}", day) for day in range(1, 8)]
    assert week["rows"] == sum(range(1, 8))
    assert run.xcom("by_day")["output_tokens"]["bound"] == 20 * (1 + 2 + 3)
    for figure in ("low_usd", "expected_usd", "high_usd", "bound_usd"):  # all rows are counted: the input is exact
        assert Decimal(week[figure]) == sum(Decimal(each[figure]) for each in week["dates"])


def test_files_of_given_dates_are_found_by_their_rendered_names(
    dags: DagRunner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "2026-01-03.jsonl").write_text('{"id": 1}\n{"id": 2}\n', encoding="utf-8")
    (tmp_path / "2026-03-14.jsonl").write_text('{"id": 1}\n', encoding="utf-8")  # the date of the run itself
    conf: dict[str, Any] = {"folder": str(tmp_path), "dates": ["2026-01-03"]}
    found = dags.run("estimates", conf=conf).xcom("files")
    assert [(each["date"], each["rows"]) for each in found["dates"]] == [("2026-01-03", 2)]
    assert "2026-01-03: 2 rows, $0.000051 ($0.00000065 to $0.000051)" in caplog.messages


def test_an_estimate_admits_the_job_whose_pilot_then_narrows_the_next_estimate(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("estimate_first")
    assert set(run.tasks.values()) == {"success"}
    message_batch_simulator.control.end_batches()
    assert message_batch_simulator.control.billing().rows_billed == 40
    unknown, known = _figures(run.xcom("estimate")), _figures(run.xcom("again"))
    cost = Decimal(run.xcom("ask", "manifest")["cost"]["cost_usd"])
    assert unknown[0] <= cost <= unknown[2]
    assert known[0] <= cost <= known[2]
    assert known[2] - known[0] < (unknown[2] - unknown[0]) / 5
    assert known[3] == unknown[3]


def test_an_estimate_above_the_limit_keeps_the_job_from_being_sent(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("estimate_first", conf={"limit": "0.001"})
    assert run.tasks == {"estimate": "success", "is_affordable": "success", "ask": "skipped", "again": "skipped"}
    assert Decimal(run.xcom("estimate")["high_usd"]) > Decimal("0.001")
    _check_nothing_spent(message_batch_simulator, tmp_path)


def _figures(estimate: dict[str, Any]) -> tuple[Decimal, ...]:
    return tuple(Decimal(estimate[name]) for name in ("low_usd", "expected_usd", "high_usd", "bound_usd"))


def _check_nothing_spent(simulator: MessageBatchSimulator, folder: Path) -> None:
    received, billing = simulator.control.received(), simulator.control.billing()
    assert (received.creates, billing.rows_billed, billing.batches) == ([], 0, [])
    assert set(received.calls) <= {"count_tokens", "model", "models"}
    assert received.calls["count_tokens"] > 0
    assert not (folder / "storage").exists()
