"""Every example DAG runs, unchanged, on the simulator."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import airflow
import pytest

from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of every part, in order."""
    rows: list[dict[str, Any]] = []
    for part in sorted(folder.glob("part-*")):
        content = part.read_bytes()
        text = gzip.decompress(content) if part.suffix == ".gz" else content
        rows += [json.loads(line) for line in text.split(b"\n") if line]
    return rows


def test_there_is_a_test_for_every_example() -> None:
    examples = {path.stem for path in (ROOT / "dags").glob("*.py")}
    assert examples == {
        "passages_step_by_step",
        "passages_in_one_task",
        "questions_from_a_function",
        "summaries_to_xcom",
        "daily_partitions",
        "collect_ended_batches",
    }


def test_passages_come_back_labelled_in_input_order(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("passages_step_by_step", {"output": str(tmp_path / "out")})
    assert run.tasks == dict.fromkeys(("submit", "wait", "results", "cancel"), "success")
    (folder,) = (tmp_path / "out" / "passages_step_by_step").iterdir()
    rows = rows_in(folder)
    passages = [json.loads(line) for line in (ROOT / "dags/data/sotu_passages.jsonl").read_text().splitlines()]
    assert [(row["passage_id"], row["year"]) for row in rows] == [(p["passage_id"], p["year"]) for p in passages]
    assert {tuple(row["parsed"]) for row in rows} == {("topic", "tone")}
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (240, 1)


@pytest.mark.skipif(airflow.__version__.startswith("3.0."), reason="dag.test() of Airflow 3.0 takes no outlets")
def test_one_task_labels_all_passages_through_a_window_and_sends_again_what_failed(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.change_settings(queue_limit=100)
    control.add_outcome("errored", contains="of 1790:", error_type="overloaded_error", first_submissions=1)
    run = dags.run("passages_in_one_task", {"output": str(tmp_path / "out")})
    assert run.tasks == {"label": "success"}
    (folder,) = (tmp_path / "out" / "passages_in_one_task").iterdir()
    rows = rows_in(folder)
    passages = [json.loads(line) for line in (ROOT / "dags/data/sotu_passages.jsonl").read_text().splitlines()]
    assert [(row["passage_id"], row["year"]) for row in rows] == [(p["passage_id"], p["year"]) for p in passages]
    assert {tuple(row["parsed"]) for row in rows} == {("topic", "tone")}
    assert len(run.xcom("label")["parts"]) == 5
    billing, received = control.billing(), control.received()
    assert (billing.rows_billed, billing.max_times_billed) == (240, 1)
    sizes = [create.requests for create in received.creates]
    assert sizes == [50, 50, 50, 50, 40, sum(p["year"] == 1790 for p in passages)]


def test_rows_that_a_function_yields_are_answered_and_go_on(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("questions_from_a_function")
    assert run.tasks == {"ask": "success", "report": "success"}
    assert run.xcom("report") == {"peace": 13, "liberty": 3, "treasury": 1}
    assert list(run.xcom("ask")[0])[:2] == ["passage_id", "word"]
    assert message_batch_simulator.control.billing().rows_billed == 17


def test_summaries_reach_the_next_task_through_xcom(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("summaries_to_xcom")
    assert run.state == "success"
    rows = run.xcom("results")
    assert run.xcom("report") == len(rows) > 0
    assert all(row["result_type"] == "succeeded" and row["text"] for row in rows)
    assert run.xcom("results", "manifest")["counts"]["rows"] == len(rows)
    assert message_batch_simulator.control.billing().rows_billed == len(rows)


def test_a_daily_partition_is_read_and_written_by_its_own_date(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    run = dags.run("daily_partitions", {"lake": str(lake)})
    assert run.state == "success"
    rows = rows_in(lake / "translations" / "dt=2026-03-14")
    read = (lake / "passages" / "dt=2026-03-14" / "passages.jsonl").read_text().splitlines()
    assert [row["passage_id"] for row in rows] == [json.loads(line)["passage_id"] for line in read]
    assert len(rows) == 8


def test_a_day_that_is_run_again_is_collected_again_for_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    conf = {"lake": str(tmp_path / "lake")}
    first = dags.run("daily_partitions", conf)
    (output,) = (tmp_path / "lake/translations/dt=2026-03-14").glob("part-*")
    output.unlink()
    again = dags.run("daily_partitions", conf)
    assert (first.state, again.state) == ("success", "success")
    assert len(rows_in(tmp_path / "lake/translations/dt=2026-03-14")) == 8
    assert message_batch_simulator.control.billing().rows_billed == 8
    assert len(message_batch_simulator.control.received().creates) == 1


def test_batches_that_somebody_else_submitted_are_collected_once_they_are_named(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    batch = MessageBatchHook().create_batch([{"custom_id": str(number), "params": params} for number in range(3)])
    run = dags.run("collect_ended_batches", {"output": str(tmp_path / "out"), "batch_ids": [batch.id]})
    assert run.state == "success"
    (folder,) = (tmp_path / "out" / "collect_ended_batches").iterdir()
    assert [row["batch_id"] for row in rows_in(folder)] == [batch.id] * 3
    unnamed = dags.run("collect_ended_batches", {"output": str(tmp_path / "out")})
    assert unnamed.tasks == {"ended_batches": "success", "results": "skipped"}
    assert message_batch_simulator.control.billing().rows_billed == 3
