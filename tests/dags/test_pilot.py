"""A pilot in a DAG run: its task is deferred for it, and a mistake fails the task before the rest is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, check_told, rows_in

ROWS, PILOT = 30, 5
LASTS = 2.0


@pytest.fixture
def conf(tmp_path: Path) -> dict[str, str]:
    return {"destination": str(tmp_path / "out"), "region": "us"}


def test_the_rest_is_sent_after_the_pilot_in_one_task_and_in_three(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    control = message_batch_simulator.control
    control.change_settings(batch_duration=LASTS)
    run = dags.run("pilot", conf)
    assert set(run.tasks.values()) == {"success"}, run.tasks
    creates = sorted(control.received().creates, key=lambda create: create.requests or 0)
    assert [create.requests for create in creates] == [PILOT, PILOT, ROWS - PILOT, ROWS - PILOT]
    of_submit = run.xcom("submit")
    assert (len(of_submit["batch_ids"]), of_submit["requests"]) == (2, ROWS)
    at = {create.batch_id: create.at for create in creates}
    rest, pilot = of_submit["batch_ids"]
    assert at[rest] - at[pilot] >= LASTS, "the task was deferred until the pilot had ended"
    for task_id in ("label", "submit"):
        measured = run.xcom(task_id, "progress")["pilot"]
        assert (measured["rows"], measured["outcome"], measured["succeeded"]) == (PILOT, "passed", PILOT)
    for name in ("label", "results"):
        assert [row["number"] for row in rows_in(Path(conf["destination"]) / name)] == list(range(ROWS))
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (2 * ROWS, 1)


def test_a_mistake_is_known_after_the_pilot_and_the_corrected_task_succeeds(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    control = message_batch_simulator.control
    run = dags.run("pilot", {**conf, "region": "mars"})
    assert run.tasks == {"label": "failed", "submit": "failed", "wait": "upstream_failed", "results": "upstream_failed"}
    assert {instance.try_number for instance in run.dag_run.get_task_instances() if instance.state == "failed"} == {1}
    assert [create.requests for create in control.received().creates] == [PILOT, PILOT]
    assert control.billing().rows_billed == 0
    check_told(
        capfd,
        "the API refused 5 of 5 requests as they are",
        "inference_geo: Input should be 'us' or 'global'",
        "Nothing was billed, so the corrected task replaces the job without asking.",
    )

    assert set(dags.run("pilot", conf).tasks.values()) == {"success"}
    assert sorted(create.requests or 0 for create in control.received().creates) == [*[PILOT] * 4, *[ROWS - PILOT] * 2]
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (2 * ROWS, 1)
