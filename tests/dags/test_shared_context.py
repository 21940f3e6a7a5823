"""A long text that rows share goes through whole tasks: first in each request, marked once, part of the question."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.dags.conftest import LOGICAL_DATE, DagRunner, check_told
from tests.worlds.pictures import pdf

GUIDE = "# The guide\r\n\r\n{{ ds }} stays as it is.\r\n" + "Each answer is one word.\r\n" * 500
RULES = "\n".join(f"{number}. Answer question {number} with the word of line {number}." for number in range(1, 200))
NEXT_TO_DAG = (Path(__file__).parent / "dags/shared_guide.md").read_text()


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def message_batch_simulator(server: SimulatorServer) -> MessageBatchSimulator:
    return MessageBatchSimulator(server.base_url, server.api_key, server.control)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "guide.md").write_bytes(GUIDE.encode())
    (tmp_path / "once.md").write_bytes(GUIDE.encode())
    (tmp_path / "paper.pdf").write_bytes(pdf())
    attach("memory", fs=MemoryFileSystem())
    ObjectStoragePath("memory://lake/guide.md").write_bytes(GUIDE.encode())
    return tmp_path


def received(server: SimulatorServer) -> dict[str, list[dict[str, Any]]]:
    """Return the params of all requests that made a batch, by the name of their task, in the order of their rows."""
    requests = [request for batch in server.simulator.batches() for request in batch.requests]
    requests.sort(key=lambda request: int(request.custom_id.rpartition("-")[2]))
    found: dict[str, list[dict[str, Any]]] = {}
    for request in requests:
        params = json.loads(bytes(request.params))
        found.setdefault(params["messages"][0]["content"][-1]["text"].partition(":")[0], []).append(params)
    return found


def text(value: str, ttl: str = "") -> dict[str, Any]:
    return {"type": "text", "text": value, **({"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {})}


def before_the_prompt(requests: list[dict[str, Any]], rows: int, *, own: int = 1) -> list[dict[str, Any]]:
    """Return the blocks that all requests share, which must be the same in each, with one mark or none.

    :param own: how many blocks of each row's own follow.
    """
    contents = [params["messages"][0]["content"] for params in requests]
    assert [content[-1]["text"].partition("what of ")[2] for content in contents] == [f"{n}?" for n in range(rows)]
    shared: list[dict[str, Any]] = contents[0][:-own]
    assert all(content[:-own] == shared for content in contents)
    assert len({json.dumps(params).count("cache_control") for params in requests}) == 1
    return shared


def test_what_rows_share_is_first_in_each_request_and_marked_once(
    dags: DagRunner, server: SimulatorServer, folder: Path
) -> None:
    run = dags.run("shared_context", {"folder": str(folder)})
    assert set(run.tasks.values()) == {"success"}, run.tasks
    sent = received(server)

    assert before_the_prompt(sent["text"], 6) == [text(f"Today is 2026-03-14.\n{RULES}", "1h")]
    assert before_the_prompt(sent["file"], 6) == [text(GUIDE, "5m")]
    assert before_the_prompt(sent["stored"], 6) == [text(GUIDE)], "without prompt_cache nothing is marked"
    assert before_the_prompt(sent["named"], 6) == [text(NEXT_TO_DAG, "1h")]
    assert sent["named"][0]["system"] == "Answer shortly. " * 200
    paper = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(pdf()).decode()}
    assert before_the_prompt(sent["several"], 6, own=2) == [
        text("Read both."),
        {"type": "document", "source": paper},
        text(RULES),
        text("The rules of {{ params.folder }} hold.", "1h"),
    ]
    assert sent["several"][3]["messages"][0]["content"][-2]["source"]["url"] == "https://example.com/3.png"
    of_task = [text(RULES), text("The rules of {{ params.folder }} hold.", "1h")]
    assert before_the_prompt(sent["built"], 6, own=2) == of_task
    assert sent["built"][0]["messages"][0]["content"][-2] == text("In short.")
    assert before_the_prompt(sent["decorated"], 6) == of_task
    assert before_the_prompt(sent["once"], 6) == [text(GUIDE, "1h")]
    assert not (folder / "once.md").exists(), "the file was there only until the rows were read"
    _check_mapped(sent)
    billing = server.control.billing()
    assert billing.rows_billed == 6 * 8 + 2 * 6 + 2 * 6 + 8 + 3


def _check_mapped(sent: dict[str, list[dict[str, Any]]]) -> None:
    """Check that each mapped task has its own, and that the output of a task is not rendered."""
    shared = [[block["text"] for block in params["messages"][0]["content"][:-1]] for params in sent["mapped"]]
    assert sorted(shared) == sorted([[GUIDE]] * 6 + [["{{ ds }} is today.", RULES]] * 6)
    shared = [[block["text"] for block in params["messages"][0]["content"][:-1]] for params in sent["written"]]
    assert sorted(shared) == sorted([[GUIDE]] * 6 + [["Day 2026-03-14."]] * 6)
    for name, rows in (("over_rows", 8), ("over_values", 3)):
        shared = [[block["text"] for block in params["messages"][0]["content"][:-1]] for params in sent[name]]
        assert shared == [["Day 2026-03-14.", RULES, "The rules of {{ params.folder }} hold."]] * rows


def test_airflow_stores_where_it_came_from_and_no_text(dags: DagRunner, folder: Path) -> None:
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    dags.run("shared_context", {"folder": str(folder)})
    with create_session() as session:
        stored = session.scalars(
            select(RenderedTaskInstanceFields).where(RenderedTaskInstanceFields.dag_id == "shared_context")
        ).all()
        fields = {each.task_id: str(each.rendered_fields.get("shared_context")) for each in stored}
        dag = session.scalars(select(SerializedDagModel).where(SerializedDagModel.dag_id == "shared_context")).all()
        assert dag or airflow_version.startswith("3.0."), "dag.test() of Airflow 3.0 stores none"
        everything = json.dumps([[each.rendered_fields for each in stored], [each.data for each in dag]], default=str)
    assert fields["file"] == f"{folder}/guide.md"
    assert fields["named"] == "shared_guide.md"
    texts = [f"<text of {length} characters>" for length in ("10", f"{len(RULES):,}", "38")]
    assert fields["several"] == f"[{texts[0]}, {folder}/paper.pdf, {texts[1]}, {texts[2]}]"
    assert "with the word of line" not in everything
    assert "Each answer is one word" not in everything


def states_of(dags: DagRunner, dag: str, folder: Path, file: str = "guide.md") -> dict[str, str]:
    """Run a DAG of the module, which has the effect of clearing its last run; return the states of its tasks."""
    dag_run = dags.load("shared_context", dag).test(
        logical_date=LOGICAL_DATE, run_conf={"folder": str(folder), "file": file}
    )
    return {task.task_id: str(task.state) for task in dag_run.get_task_instances()}


def billed(server: SimulatorServer) -> int:
    return server.control.billing().rows_billed


def test_the_content_is_part_of_the_question_and_neither_its_place_nor_the_cache_is(
    dags: DagRunner,
    server: SimulatorServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    whole = {"again": "success", "restarted": "success"}
    assert states_of(dags, "again", folder) == whole
    assert billed(server) == 12
    (folder / "moved.md").write_bytes(GUIDE.encode())
    assert states_of(dags, "again", folder, "moved.md") == whole
    monkeypatch.setenv("SHARED_PROMPT_CACHE", "1h")
    assert states_of(dags, "again", folder, "moved.md") == whole
    assert billed(server) == 12, "nothing is paid again for another place of the same content, or for a cache"

    (folder / "guide.md").write_bytes(GUIDE.encode() + b"One more rule.\r\n")
    assert states_of(dags, "again", folder) == {"again": "failed", "restarted": "success"}
    assert billed(server) == 18
    check_told(capfd, "the question (model, prompt, system, shared_context, parameters or output_schema) changed")
    shared = [params["messages"][0]["content"][:-1] for params in received(server)["restarted"]]
    assert sorted(shared, key=str) == [*[[text(GUIDE)]] * 6, *[[text(f"{GUIDE}One more rule.\r\n", "1h")]] * 6]
    assert states_of(dags, "again", folder, "moved.md")["again"] == "success", "undone, the old answers are free"
    assert len(received(server)["again"]) == 6


def test_a_mistake_is_told_before_anything_is_sent(
    dags: DagRunner,
    server: SimulatorServer,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (folder / "latin.txt").write_bytes("Käse".encode("latin-1"))
    assert set(states_of(dags, "mistakes", folder).values()) == {"failed"}
    check_told(
        capfd,
        f"The file '{folder}/missing.md' of shared_context= does not exist.",
        f"The file '{folder}/latin.txt' of shared_context= is text, but not in UTF-8: byte 0xe4 at position 1.",
        "`prompt_cache` has nothing to cache",
    )
    assert server.control.received().creates == []
