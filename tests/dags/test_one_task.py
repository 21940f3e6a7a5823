"""One task submits within its window, waits, collects, sends failed rows again, and reports what it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import airflow
import pendulum
import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, Run, rows_in

ROWS = 22
IS_OLDEST = airflow.__version__.startswith("3.0.")


@pytest.fixture
def conf(tmp_path: Path) -> dict[str, str]:
    """Return a run's conf: 22 rows to read, and a destination."""
    write_rows(tmp_path / "rows.jsonl", ROWS)
    return {"rows": str(tmp_path / "rows.jsonl"), "destination": str(tmp_path / "out")}


def write_rows(file: Path, rows: int, text: str = "passage") -> None:
    lines = [json.dumps({"number": number, "text": f"{text} {number}"}) for number in range(rows)]
    file.write_text("\n".join(lines) + "\n")


def manifest_in(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "_manifest.json").read_bytes())
    return manifest


def check_told(folder: Path, text: str) -> None:
    """Check that the task's error contains a text; Airflow 3.0 does not pass it to the callback that keeps it."""
    if not IS_OLDEST:
        assert text in Path(f"{folder}.error").read_text()


def check_whole(run: Run, simulator: MessageBatchSimulator, folder: Path, rows: int = ROWS) -> None:
    assert run.state == "success", run.tasks
    assert [row["number"] for row in rows_in(folder)] == list(range(rows))
    billing = simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (rows, 1)


def test_rows_come_home_in_order_through_a_window(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.change_settings(queue_limit=8)
    run = dags.run("one_task", conf)
    check_whole(run, message_batch_simulator, tmp_path / "out")
    assert {create.status for create in control.received().creates} == {200}
    manifest = run.xcom("label")
    assert manifest == run.xcom("label", "manifest") == manifest_in(tmp_path / "out")
    assert len(manifest["parts"]) == 6
    progress = run.xcom("label", "progress")
    assert (progress["rows_collected"], progress["shards_ended"], progress["rows_in_flight"]) == (ROWS, 6, 0)


def test_rows_that_failed_go_again_and_only_they(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("errored", text_matches=r"passage (3|9)\b", error_type="overloaded_error", first_submissions=1)
    run = dags.run("one_task", conf)
    check_whole(run, message_batch_simulator, tmp_path / "out")
    assert [create.requests for create in control.received().creates] == [4, 4, 4, 4, 4, 2, 2]
    # Parts that the second round did not touch are the files that the first round wrote.
    names = [part["name"] for part in manifest_in(tmp_path / "out")["parts"]]
    assert [name.endswith("-2.jsonl") for name in names] == [True, False, True, False, False, False]
    assert sorted(path.name for path in (tmp_path / "out").glob("part-*")) == sorted(names)


def test_an_answer_that_nobody_can_decode_holds_up_no_other_and_is_not_paid_again(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("unreadable", text_matches=r"passage 3\b")
    run = dags.run("one_task", conf)
    assert run.tasks == {"label": "success"}
    rows = rows_in(tmp_path / "out")
    assert [row["number"] for row in rows if row["result_type"] == "unreadable"] == [3]
    assert [row["number"] for row in rows] == list(range(ROWS))
    manifest = run.xcom("label", "manifest")
    assert (manifest["counts"]["succeeded"], manifest["counts"]["unreadable"]) == (ROWS - 1, 1)
    assert manifest["usage"]["unknown"]["unreported_requests"] == 1
    assert len(control.received().creates) == 6
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (ROWS, 1)
    (kept,) = Path(manifest["job"].removeprefix("file://")).glob("unreadable/*.jsonl")
    assert kept.read_bytes().count(b"[") > 1500


def test_of_rows_that_always_fail_all_results_are_written_and_a_retry_is_not_tried(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    tmp_path: Path,
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("errored", text_matches=r"passage (3|9)\b", error_type="overloaded_error")
    run = dags.run("one_task", conf)
    assert run.tasks == {"label": "failed"}
    rows = rows_in(tmp_path / "out")
    assert [row["number"] for row in rows if row["result_type"] == "errored"] == [3, 9]
    assert len(rows) == ROWS == run.xcom("label", "manifest")["counts"]["rows"]
    assert [create.requests for create in control.received().creates][6:] == [2, 2]
    check_told(tmp_path / "out", "raise max_rounds=")
    # Cleared after the failure has passed, but without further rounds: nothing is sent, nothing is paid.
    control.clear_outcomes()
    assert dags.run("one_task", conf).tasks == {"label": "failed"}
    assert len(control.received().creates) == 8


def test_an_exhausted_credit_stops_the_job_and_a_retry_sends_the_rest(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    tmp_path: Path,
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("errored", text_matches=r"passage 2\d", error_type="billing_error")
    assert dags.run("one_task", conf).tasks == {"label": "failed"}
    check_told(tmp_path / "out", "every further request would fail the same way")
    assert len(control.received().creates) == 6
    assert manifest_in(tmp_path / "out")["counts"]["succeeded"] == 20

    control.clear_outcomes()
    check_whole(dags.run("one_task", conf), message_batch_simulator, tmp_path / "out")
    assert [create.requests for create in control.received().creates][6:] == [2]


def test_a_cleared_task_collects_again_for_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], tmp_path: Path
) -> None:
    check_whole(dags.run("one_task", conf), message_batch_simulator, tmp_path / "out")
    check_whole(dags.run("one_task", conf), message_batch_simulator, tmp_path / "out")
    assert message_batch_simulator.control.received().batches_created == 6


def test_a_cleared_task_whose_rows_have_changed_says_so_and_pays_nothing(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    tmp_path: Path,
) -> None:
    check_whole(dags.run("one_task", conf), message_batch_simulator, tmp_path / "out")
    write_rows(Path(conf["rows"]), ROWS, "another passage")
    assert dags.run("one_task", conf).tasks == {"label": "failed"}
    check_told(tmp_path / "out", "the rows changed")
    assert message_batch_simulator.control.received().batches_created == 6


def test_a_foreign_destination_is_refused_before_a_row_is_read(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], tmp_path: Path
) -> None:
    check_whole(dags.run("one_task", conf), message_batch_simulator, tmp_path / "out")
    other_day = pendulum.datetime(2026, 3, 15, tz="UTC")
    failed = dags.run("one_task", {**conf, "rows": str(tmp_path / "not there")}, logical_date=other_day)
    assert failed.tasks == {"label": "failed"}
    assert message_batch_simulator.control.received().batches_created == 6


@pytest.mark.skipif(IS_OLDEST, reason="dag.test() of Airflow 3.0 takes no outlets")
def test_asset_outlets_are_told_job_manifest_and_counts(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], tmp_path: Path
) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    run = dags.run("outlets", conf)
    check_whole(run, message_batch_simulator, tmp_path / "out")
    with create_session() as session:
        events = session.execute(
            select(AssetModel.uri, AssetEvent.extra)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetEvent.source_run_id == run.dag_run.run_id)
        ).all()
    told = {row.uri: row.extra for row in events}
    assert set(told) == {"labels", (tmp_path / "out").as_uri()}
    for extra in told.values():
        assert extra["counts"]["succeeded"] == ROWS
        assert extra["manifest"] == f"{(tmp_path / 'out').as_uri()}/_manifest.json"
        assert Path(extra["job"].removeprefix("file://"), "job.json").exists()
        assert extra["files"] == [part["uri"] for part in manifest_in(tmp_path / "out")["parts"]]


def test_a_decorated_function_returns_or_yields_the_rows(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("decorated")
    assert run.state == "success", run.tasks
    assert [row["number"] for row in run.xcom("yielded")] == [0, 1, 2, 3, 4]
    assert [row["number"] for row in run.xcom("returned")] == [1]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (6, 1)


def test_mapped_tasks_and_groups_have_jobs_and_folders_of_their_own(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("mapped_tasks", {"destination": str(tmp_path)})
    assert run.state == "success", run.tasks
    found = {
        f"{kind}/{index}": [row["number"] for row in rows_in(tmp_path / kind / f"map_index={index}")]
        for kind in ("operator", "decorated", "group", "given", "in_group", "texts")
        for index in (0, 1)
    }
    assert found == {
        "operator/0": [0, 1], "operator/1": [10, 11, 12],
        "decorated/0": [0, 1], "decorated/1": [100, 101],
        "group/0": [0, 1], "group/1": [50, 51],
        "given/0": [7], "given/1": [8, 9],
        "in_group/0": [0], "in_group/1": [50],
        "texts/0": [1], "texts/1": [1],
    }  # fmt: skip
    assert len(message_batch_simulator.control.billing().batches) == 12
    # A task's return value is data and is never rendered; text that the DAG's author wrote is rendered.
    told = [row for index in (0, 1) for row in rows_in(tmp_path / f"texts/map_index={index}")]
    assert [row["text"] for row in told] == ["{{ conn.secret.password }}", "{{ 6 * 7 }}"]
    assert [row["day"] for row in told] == ["2026-03-14", "2026-03-14"]


def test_a_task_that_takes_too_long_leaves_or_cancels_its_batches_and_a_later_run_goes_on(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    control = message_batch_simulator.control
    control.change_settings(batch_duration=3600, cancel_completes=1.0)
    run = dags.run("one_task_limits")
    assert run.tasks == {"left": "failed", "canceled": "failed", "empty": "skipped"}
    assert control.received().calls["cancel"] == 1

    control.end_batches()
    again = dags.run("one_task_limits")
    assert again.tasks == {"left": "success", "canceled": "success", "empty": "skipped"}
    assert [row["row_number"] for task in ("left", "canceled") for row in again.xcom(task)] == [0, 0]
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (2, 1)


def test_a_resumed_task_goes_on_with_its_own_job_whatever_its_templates_say_by_now(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("resumed", {"destination": str(tmp_path / "out")})
    assert run.state == "success", run.tasks
    assert message_batch_simulator.control.received().batches_created == 2
    (folder,) = (tmp_path / "out").iterdir()
    assert [row["row_number"] for row in rows_in(folder)] == [0, 1]
