"""The links that Airflow stores with a task, in each form of task; and that it stores none that leads nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from anthropic_batches_provider import links
from anthropic_batches_provider.links import CONSOLE_BATCHES_URL
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, Run
from tests.dags.test_waits import submitted

Stored = dict[tuple[str, int], dict[str, str]]


def stored_links(run: Run) -> Stored:
    """Return the links in XCom, by task, map index and the name of the link's XCom."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    found: Stored = {}
    with create_session() as session:
        statement = select(XComModel).where(XComModel.run_id == run.dag_run.run_id)
        for each in session.scalars(statement):
            if each.key.startswith("_link_"):
                name = each.key.removeprefix("_link_")
                found.setdefault((each.task_id, each.map_index), {})[name] = XComModel.deserialize_value(each)
    return found


@pytest.fixture
def conf(tmp_path: Path) -> dict[str, str]:
    lines = [json.dumps({"number": number, "passage_id": number, "year": 1, "text": "a"}) for number in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return {"rows": str(tmp_path / "rows.jsonl"), "destination": str(tmp_path / "out")}


@pytest.fixture
def public_simulator(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> MessageBatchSimulator:
    """Return the simulator, which counts as the public host here."""
    monkeypatch.setattr(links, "PUBLIC_HOST", urlsplit(message_batch_simulator.base_url).netloc)
    return message_batch_simulator


def batch_links(simulator: MessageBatchSimulator) -> dict[str, str]:
    ids = [create.batch_id for create in simulator.control.received().creates]
    return {f"ConsoleBatchLink_{n:02d}": f"{CONSOLE_BATCHES_URL}?batch={one}" for n, one in enumerate(ids, 1)}


def test_a_job_of_several_stints_has_links_to_its_output_and_to_each_batch(
    dags: DagRunner, public_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    run = dags.run("one_task", conf)
    assert run.state == "success"
    each = batch_links(public_simulator)
    assert len(each) == 3, "the window holds two of them: the third came after a deferral"
    xcoms = f"dags/one_task/runs/{run.dag_run.run_id}/tasks/label/xcom".replace(":", "%3A").replace("+", "%2B")
    assert stored_links(run) == {
        ("label", -1): {"OutputLink": xcoms, "ConsoleBatchesLink": CONSOLE_BATCHES_URL, **each}
    }


def test_the_tasks_that_share_a_job_link_to_its_batches(
    dags: DagRunner, public_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    run = dags.run("main_job", conf)
    assert run.state == "success"
    found, each = stored_links(run), batch_links(public_simulator)
    assert set(found) == {("submit", -1), ("wait", -1), ("results", -1)}
    for (task_id, _), shown in found.items():
        assert shown["OutputLink"].endswith(f"/tasks/{task_id}/xcom")
        assert {name: link for name, link in shown.items() if name.startswith("ConsoleBatchLink_")} == each


def test_each_of_a_mapped_task_links_to_its_own(
    dags: DagRunner, public_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("mapped_tasks", {"destination": str(tmp_path / "out")})
    assert run.state == "success"
    found = stored_links(run)
    for task_id in ("label", "decorated"):
        for map_index in (0, 1):
            shown = found[task_id, map_index]
            assert shown["OutputLink"].endswith(f"/tasks/{task_id}/mapped/{map_index}/xcom")
            assert "ConsoleBatchLink_01" in shown
    batches = [shown["ConsoleBatchLink_01"] for shown in found.values() if "ConsoleBatchLink_01" in shown]
    assert len(batches) == len(set(batches)) == len(public_simulator.control.received().creates)


def test_a_task_that_cancels_links_to_what_it_cancels(dags: DagRunner, public_simulator: MessageBatchSimulator) -> None:
    run = dags.run("cancels")
    assert run.state == "success"
    found, each = stored_links(run), batch_links(public_simulator)
    assert set(found) == {("filed", -1), ("canceled", -1), ("canceled_again", -1)}
    assert all(each.items() <= shown.items() for shown in found.values())


def test_every_way_to_wait_links_to_the_batches(dags: DagRunner, public_simulator: MessageBatchSimulator) -> None:
    batch_ids = submitted(1, 2)
    run = dags.run("waits", {"batch_ids": batch_ids})
    assert run.state == "success"
    each = {f"ConsoleBatchLink_{n:02d}": f"{CONSOLE_BATCHES_URL}?batch={one}" for n, one in enumerate(batch_ids, 1)}
    found = stored_links(run)
    assert len(found) == 5
    for (task_id, _), shown in found.items():
        batches = {name: link for name, link in shown.items() if name.startswith("ConsoleBatchLink_")}
        assert batches == (each if task_id != "of_one" else dict(list(each.items())[:1])), task_id


def test_no_link_is_stored_without_an_address(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    message_batch_simulator.control.add_fault("create", "status", status=401)
    run = dags.run("one_task", conf)
    assert {tuple(shown) for shown in stored_links(run).values()} == {("OutputLink",)}
