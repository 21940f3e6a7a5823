"""How an account's limits, and a service that fails for a while, affect whole tasks."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from anthropic_batches_provider.batches import outages
from anthropic_batches_provider.batches.pauses import GrowingPause
from anthropic_batches_provider.edge import progress_reports
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner
from tests.dags.test_one_task import check_whole, conf  # noqa: F401 - a fixture


def test_the_submitting_operator_keeps_to_its_window_and_is_done_when_all_is_submitted(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    control = message_batch_simulator.control
    control.change_settings(queue_limit=4, batch_duration=3)
    run = dags.run("submit_window")
    assert run.state == "success", run.tasks
    creates = control.received().creates
    assert [(create.status, create.requests) for create in creates] == [(200, 2)] * 4
    assert run.xcom("submit")["batch_ids"] == [create.batch_id for create in creates]
    assert creates[2].at - creates[0].at >= 3, "the third shard waits for the end of the first"
    assert run.xcom("submit", "progress")["shards_submitted"] == 4


def test_a_spend_limit_is_not_retried_and_says_what_is_submitted(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, capfd: pytest.CaptureFixture[str]
) -> None:
    control = message_batch_simulator.control
    reached = {"status": 429, "error_code": "enforced_spend_limit_reached", "times": None}
    control.add_fault("create", "status", nth=2, **reached)
    run = dags.run("retried")
    assert run.tasks == {"submit": "failed", "label": "failed"}
    assert [create.status for create in control.received().creates] == [200, 429, 429], "one refusal for each task"
    assert {instance.try_number for instance in run.dag_run.get_task_instances()} == {1}
    told = capfd.readouterr().out
    assert "Add credit or raise the spend limit in the Claude Console; every retry fails until then" in told
    assert "of 3 shards of" in told
    assert "Submitted, and billed as they run: 1 of 3 shards" in told

    control.clear_faults()
    assert dags.run("retried").state == "success"
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (5, 1)


def test_an_outage_when_a_wait_is_over_is_waited_out(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outages, "SERVICE_AWAY", GrowingPause(1.0, 600.0))
    control = message_batch_simulator.control
    asked_by_the_first_stint, tries_of_a_call = 2, 3
    control.add_fault("list", "status", status=503, nth=asked_by_the_first_stint + 1, times=2 * tries_of_a_call)
    run = dags.run("one_task", conf)
    check_whole(run, message_batch_simulator, tmp_path / "out")
    (fault,) = control.faults()
    assert fault["struck"] == 2 * tries_of_a_call


def test_an_outage_at_the_start_fails_the_task_which_has_sent_nothing(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],  # noqa: F811 - the fixture
) -> None:
    control = message_batch_simulator.control
    control.add_fault("list", "status", status=503, times=3)
    assert dags.run("one_task", conf).tasks == {"label": "failed"}
    assert control.received().creates == []


def test_each_step_tells_in_folded_lines_and_in_xcom_how_far_it_is(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(progress_reports, "_EVERY_SECONDS", 0.0)
    caplog.set_level(logging.INFO)
    rows = [{"passage_id": number, "year": 1790, "text": str(number)} for number in range(10_001)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    run = dags.run("main_job", {"rows": str(tmp_path / "rows.jsonl"), "destination": str(tmp_path / "out")})
    assert run.state == "success", run.tasks
    told = [record.getMessage() for record in caplog.records]
    for group, line in (
        ("Building shards", "Progress: 10,000 rows built"),
        ("Submitting", r"Progress: .*round 1: 2 of 4 shards submitted"),
        ("Collecting", r"Progress: .* [49],\d{3} of 10,001 rows collected"),
    ):
        begins = [number for number, each in enumerate(told) if each == f"::group::{group}"]
        inside = [each for begin in begins for each in told[begin : told.index("::endgroup::", begin)]]
        assert any(re.match(line, each) for each in inside), (group, inside)
    assert run.xcom("submit", "progress")["shards_submitted"] == 4
    assert run.xcom("results", "progress")["rows_collected"] == 10_001
