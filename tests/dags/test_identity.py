"""What counts as the same work, through Airflow: the lines of the identity table in docs/spending.md.

A second ``dag.test()`` of a logical date deletes the first run and makes another one with its own run id. The same
happens when a DAG run is deleted and created again and, as far as the ledger can see, when a finished run is cleared.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.ledger import UnitOfWork
from anthropic_batches_provider.simulator import Simulator, SimulatorControl
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.dags.conftest import LOGICAL_DATE, ROOT, DagRunner, rows_in

PAGE = ROOT / "docs/spending.md"
WORDS = ["one", "two", "three", "four"]

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.fixture
def control(message_batch_simulator: MessageBatchSimulator) -> SimulatorControl:
    return message_batch_simulator.control


class Runs:
    """Runs the DAGs of ``identity.py``; their output goes to a folder of the test."""

    def __init__(self, dags: DagRunner, output: Path) -> None:
        self._dags = dags
        self.output = output

    def run(self, dag: str = "dag", *, date: Any = LOGICAL_DATE, **params: Any) -> dict[str, list[str]]:
        """Run a DAG and return the states of its tasks, by task in order of their map indices."""
        conf = {"destination": str(self.output), **params}
        dag_run = self._dags.load("identity", dag).test(logical_date=date, run_conf=conf)
        states: dict[str, list[str]] = {}
        for task in sorted(dag_run.get_task_instances(), key=lambda task: task.map_index):
            states.setdefault(task.task_id, []).append(str(task.state))
        return states

    def check_success(self, dag: str = "dag", **options: Any) -> None:
        states = self.run(dag, **options)
        assert {state for of_a_task in states.values() for state in of_a_task} == {"success"}, states

    def ids(self, folder: str = "") -> list[str]:
        return [row["id"] for row in rows_in(self.output / folder)]


@pytest.fixture
def runs(dags: DagRunner, tmp_path: Path) -> Runs:
    return Runs(dags, tmp_path / "out")


def sent(control: SimulatorControl) -> list[int]:
    """Return the number of requests in each create call that made a batch."""
    return [create.requests or 0 for create in control.received().creates if create.batch_id]


def billed(control: SimulatorControl) -> tuple[int, int]:
    """Return how many rows were billed, and how often the same row was billed at most."""
    billing = control.billing()
    return billing.rows_billed, billing.max_times_billed


def test_a_retry_sends_what_was_not_sent_yet(runs: Runs, control: SimulatorControl) -> None:
    control.add_fault("create", "status", nth=3, status=400)
    runs.check_success("retried", texts=[*WORDS, "five", "six"])
    assert sent(control) == [2, 2, 2]
    assert billed(control) == (6, 1)


def test_a_deleted_and_recreated_run_pays_nothing_and_is_collected_again(runs: Runs, control: SimulatorControl) -> None:
    for _ in range(2):
        runs.check_success()
        assert runs.ids() == WORDS
    assert sent(control) == [4]
    assert billed(control) == (4, 1)


def test_the_order_of_rows_does_not_matter(runs: Runs, control: SimulatorControl) -> None:
    runs.check_success()
    runs.check_success(texts=WORDS[::-1])
    assert runs.ids() == WORDS
    assert sent(control) == [4]


def test_a_changed_question_is_refused_and_the_old_one_is_free(runs: Runs, control: SimulatorControl) -> None:
    runs.check_success()
    assert runs.run(model="claude-sonnet-4-5")["submit"] == ["failed"]
    runs.check_success()
    assert sent(control) == [4]


def test_a_new_edition_pays_once_and_not_again(runs: Runs, control: SimulatorControl) -> None:
    runs.check_success()
    for _ in range(2):
        runs.check_success(edition="2")
    assert sent(control) == [4, 4]
    assert billed(control) == (8, 2)


def test_a_restart_pays_for_the_new_job_alone_and_each_change_is_one(runs: Runs, control: SimulatorControl) -> None:
    runs.check_success("restarting")
    for _ in range(2):
        runs.check_success("restarting", texts=[*WORDS[:3], "five"])
    assert runs.ids() == [*WORDS[:3], "five"]
    assert sent(control) == [4, 4]
    runs.check_success("restarting")
    assert sent(control) == [4, 4, 4], "changing back is a change too: only the last job is checked"


def test_another_date_is_another_unit(runs: Runs, control: SimulatorControl) -> None:
    runs.check_success()
    states = runs.run(date=LOGICAL_DATE.add(days=1))
    assert states == {"submit": ["success"], "wait": ["success"], "results": ["failed"]}, "the destination is taken"
    assert sent(control) == [4, 4]


def test_runs_without_a_logical_date_are_units_of_their_own(runs: Runs, control: SimulatorControl) -> None:
    for number in range(2):
        runs.output = runs.output.with_name(f"out-{number}")
        runs.check_success(date=None)
    assert sent(control) == [4, 4]


def test_runs_that_name_one_unit_are_one_work(runs: Runs, control: SimulatorControl) -> None:
    for date in (LOGICAL_DATE, LOGICAL_DATE.add(days=1)):
        runs.check_success(date=date, unit="customer-7")
    assert sent(control) == [4]


def test_a_mapped_task_has_a_job_for_each_index_and_pays_each_row_once(runs: Runs, control: SimulatorControl) -> None:
    for _ in range(2):
        runs.check_success("mapped")
        assert (runs.ids("map_index=0"), runs.ids("map_index=1")) == (WORDS[:2], WORDS[2:3])
    assert sorted(sent(control)) == [1, 2]
    assert billed(control) == (3, 1)


def test_map_indices_that_shift_are_changed_input_and_the_last_one_pays_again(
    runs: Runs, control: SimulatorControl
) -> None:
    runs.check_success("mapped")
    states = runs.run("mapped", lists=[["zero"], ["one", "two"], ["three"]])
    assert states["submit"] == ["failed", "failed", "success"]
    assert sorted(sent(control)) == [1, 1, 2]
    assert billed(control) == (4, 2), "map index 2 is a new unit, and row three was index 1"


def test_a_list_that_grows_at_its_end_pays_for_the_new_index_alone(runs: Runs, control: SimulatorControl) -> None:
    runs.check_success("mapped")
    runs.check_success("mapped", lists=[["one", "two"], ["three"], ["four"]])
    assert sorted(sent(control)) == [1, 1, 2]
    assert billed(control) == (4, 1)


def test_a_renamed_connection_of_the_same_account_pays_nothing_again(
    runs: Runs,
    control: SimulatorControl,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs.check_success()
    monkeypatch.setenv("AIRFLOW_CONN_RENAMED", message_batch_simulator.airflow_connection_json)
    monkeypatch.delenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT")
    runs.check_success(conn_id="renamed")
    assert sent(control) == [4]


@pytest.fixture
def account_of_keys(dags: DagRunner, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    """Yield a service with two API keys of one workspace and one of another."""
    workspaces = {"sk-ant-old": ("wrkspc_a",), "sk-ant-new": ("wrkspc_a",), "sk-ant-other": ("wrkspc_b",)}
    with SimulatorServer(Simulator(api_keys=workspaces)) as server:
        use_key(server, "sk-ant-old", monkeypatch)
        yield server


def use_key(server: SimulatorServer, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "anthropic_batches", "host": server.base_url, "password": key}
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(connection))


def test_a_rotated_key_of_the_same_workspace_pays_nothing_again(
    runs: Runs, account_of_keys: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.check_success()
    use_key(account_of_keys, "sk-ant-new", monkeypatch)
    runs.check_success()
    assert sent(account_of_keys.control) == [4]


def test_another_account_is_refused_and_nothing_is_sent(
    runs: Runs, account_of_keys: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.check_success()
    use_key(account_of_keys, "sk-ant-other", monkeypatch)
    assert runs.run()["submit"] == ["failed"]
    assert sent(account_of_keys.control) == [4]


def test_a_renamed_dag_pays_anew(runs: Runs, control: SimulatorControl) -> None:
    runs.check_success()
    runs.output = runs.output.with_name("renamed")
    runs.check_success("renamed_dag")
    assert sent(control) == [4, 4]
    assert billed(control) == (8, 2)


def test_a_renamed_task_is_another_unit() -> None:
    submit, send = (UnitOfWork(dag_id="labels", task_id=task_id, unit="u") for task_id in ("submit", "send"))
    assert submit.folder != send.folder


def test_a_timeout_that_cancels_keeps_what_had_finished_and_the_rest_is_completed_later(
    runs: Runs, control: SimulatorControl
) -> None:
    control.change_settings(batch_duration=3600, cancel_completes=0.25)
    assert runs.run("timed_out")["wait"] == ["failed"]
    assert control.received().calls["cancel"] == 1

    runs.check_success("timed_out")
    kinds = [row["result_type"] for row in rows_in(runs.output)]
    assert (kinds.count("succeeded"), kinds.count("canceled")) == (1, 3)
    assert sent(control) == [4]

    control.change_settings(batch_duration=0)
    runs.check_success("timed_out")
    assert {row["result_type"] for row in rows_in(runs.output)} == {"succeeded"}
    assert sent(control) == [4, 3]
    assert billed(control) == (4, 1)


def test_every_test_that_the_page_on_spending_names_exists() -> None:
    named = _TEST.findall(PAGE.read_text())
    assert len(named) > 30
    assert [f"{file}::{test}" for file, test in named if test not in names_in(ROOT / file)] == []


def test_every_line_of_the_identity_table_names_a_test() -> None:
    section = PAGE.read_text().partition("\n## The same work, or new work\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (?!what happens)(.+) \|$", section, re.MULTILINE)
    assert len(lines) > 20
    assert [line for line in lines if not _TEST.search(line)] == []


def names_in(file: Path) -> set[str]:
    return {each.name for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, ast.FunctionDef)}
