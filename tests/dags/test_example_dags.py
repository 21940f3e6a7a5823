"""Every example DAG runs, unchanged, on the simulator."""

from __future__ import annotations

import ast
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import airflow
import pendulum
import pytest

from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.simulator import Clock, Settings, Simulator, SimulatorControl, SimulatorServer
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner, rows_in
from tests.dags.test_cost_examples import EXAMPLES as EXAMPLES_WITH_BILLS
from tests.dags.test_file_examples import EXAMPLES as EXAMPLES_WITH_FILES
from tests.dags.test_prompt_cache_examples import EXAMPLES as EXAMPLES_WITH_A_CACHE
from tests.dags.test_schema_examples import EXAMPLES as EXAMPLES_WITH_SCHEMAS
from tests.dags.test_table_examples import EXAMPLES as EXAMPLES_WITH_TABLES

EXAMPLES = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))
HOUR = 3600


def test_there_is_a_test_for_every_example() -> None:
    assert set(EXAMPLES) == {
        "passages_step_by_step",
        "passages_in_one_task",
        "questions_from_a_function",
        "summaries_to_xcom",
        "daily_partitions",
        "collect_ended_batches",
        "tidy_workspace",
        *EXAMPLES_WITH_BILLS,
        *EXAMPLES_WITH_FILES,
        *EXAMPLES_WITH_A_CACHE,
        "translate_table",
        *EXAMPLES_WITH_SCHEMAS,
        *EXAMPLES_WITH_TABLES,
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_task_of_every_example_is_retried(dags: DagRunner, name: str) -> None:
    assert [task.task_id for task in dags.load(name).tasks if not task.retries] == []


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


@pytest.fixture
def yesterday(dags: DagRunner, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorControl]:
    """Point the default connection to a simulator whose clock is 22 hours behind, and whose batches take a day."""
    clock = Clock(start=time.time() - 22 * HOUR)
    with SimulatorServer(Simulator(clock=clock, settings=Settings(batch_duration=23.9 * HOUR))) as server:
        connection = {"conn_type": "anthropic_batches", "host": server.base_url, "password": server.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(connection))
        yield server.control


def batch_of_somebody_else(requests: int) -> str:
    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    return MessageBatchHook().create_batch([{"custom_id": str(n), "params": params} for n in range(requests)]).id


def tidied(output: Path) -> dict[str, list[Path]]:
    """Return the folders of output for each batch that was collected."""
    return {folder.name: [found.parent for found in folder.rglob("_manifest.json")] for folder in output.iterdir()}


def test_a_workspace_is_tidied_and_what_is_ours_or_young_is_left_alone(
    dags: DagRunner, yesterday: SimulatorControl, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "out"
    ended, stuck, ours = batch_of_somebody_else(2), batch_of_somebody_else(3), submitted(dags, "2026-03-01")
    our_ended = submitted(dags, "2026-03-02")
    yesterday.end_batches([ended, our_ended])
    yesterday.advance_clock(22 * HOUR)
    young = batch_of_somebody_else(1)

    with caplog.at_level(logging.WARNING):
        run = dags.run("tidy_workspace", {"output": str(output)})

    assert run.state == "success"
    assert sorted(run.xcom("warn")) == sorted([stuck, ours])
    warned = [record.getMessage() for record in caplog.records if "expires at" in record.getMessage()]
    assert len(warned) == 2
    assert run.xcom("cancel") == {"canceled": [stuck], "untouched": []}
    assert yesterday.received().calls["cancel"] == 1
    states = {batch.id: batch.processing_status for batch in MessageBatchHook().list_batches()}
    assert (states[ours], states[young]) == ("in_progress", "in_progress")
    assert list(tidied(output)) == [ended]
    (folder,) = tidied(output)[ended]
    assert [row["result_type"] for row in rows_in(folder)] == ["succeeded"] * 2


def test_what_is_collected_once_is_not_collected_again_and_a_canceled_batch_follows(
    dags: DagRunner, yesterday: SimulatorControl, tmp_path: Path
) -> None:
    conf = {"output": str(tmp_path / "out")}
    first, stuck = batch_of_somebody_else(1), batch_of_somebody_else(3)
    yesterday.end_batches([first])
    yesterday.advance_clock(22 * HOUR)
    days = [pendulum.datetime(2026, 3, day, tz="UTC") for day in (1, 2, 3)]

    assert dags.run("tidy_workspace", conf, days[0]).state == "success"
    yesterday.end_batches([stuck])
    assert dags.run("tidy_workspace", conf, days[1]).state == "success"
    fetched = yesterday.received().calls["results"]
    last = dags.run("tidy_workspace", conf, days[2])

    assert (last.state, last.tasks["results"]) == ("success", "skipped")
    assert (fetched, yesterday.received().calls["results"]) == (2, 2)
    assert yesterday.received().calls["cancel"] == 1
    folders = tidied(tmp_path / "out")
    assert {batch_id: len(found) for batch_id, found in folders.items()} == {first: 1, stuck: 1}
    rows = rows_in(folders[stuck][0])
    assert len(rows) == 3
    assert {row["result_type"] for row in rows} <= {"succeeded", "canceled"}  # as far as it was when it was canceled


def test_a_table_is_translated_into_another_and_twice_for_the_price_of_once(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = sqlite3.connect(tmp_path / "products.db")
    with closing(database):
        database.executescript((ROOT / "dags/data/products.sql").read_text())
        monkeypatch.setenv(
            "AIRFLOW_CONN_PRODUCTS", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/products.db"})
        )
        for _ in range(2):
            run = dags.run("translate_table", {"output": str(tmp_path / "out")})
            assert run.tasks == {"translate": "success", "store": "success"}
            assert run.xcom("store") == 15
            rows = database.execute("SELECT product_id, language, description FROM translations").fetchall()
            languages = ("German", "Japanese", "Spanish")
            assert sorted(row[:2] for row in rows) == [(number, name) for number in range(1, 6) for name in languages]
            assert all(description for _, _, description in rows)
    assert message_batch_simulator.control.billing().rows_billed == 15


@pytest.mark.parametrize("name", ["tidy_workspace", "translate_table"])
def test_the_body_of_the_dag_is_short(name: str) -> None:
    tree = ast.parse((ROOT / f"dags/{name}.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.With))
    assert (block.body[-1].end_lineno or 0) - block.body[0].lineno < 25


def submitted(dags: DagRunner, day: str) -> str:
    """Submit a batch by an operator of this provider, and return its id."""
    (batch_id,) = dags.run("submits", logical_date=pendulum.parse(day)).xcom("submit")["batch_ids"]  # type: ignore[arg-type]
    return str(batch_id)
