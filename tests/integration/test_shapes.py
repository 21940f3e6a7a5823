"""Rows of every shape from a file through the API and back: small, large, in other scripts, with odd line ends."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.clock import SystemClock
from anthropic_batches_provider.batches.collection import collect_job
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, UnitOfWork
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns, prepare_rows, read_row_file
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import JobPlan, Submission, SubmissionBounds, ask_time, sealed_job
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.worlds.strict_rows import valid_rows

MAX_TOKENS = 200
ECHOED = 280  # characters of the question that the simulator's answer repeats
ODD_LINE_ENDS = "one\u2028two\u2029three\u0085four\x0bfive\x0csix\rseven\r\neight\nnine"


@dataclass(frozen=True)
class Shape:
    """Rows whose texts differ only at the beginning; ``shards`` is the least number of batches that they make."""

    text: str
    rows: int
    shards: int = 1
    limits: ShardLimits = ShardLimits()  # noqa: RUF009 - frozen

    def texts(self) -> list[str]:
        return [f"{number}: {self.text}" for number in range(self.rows)]


SHAPES = {
    "many small rows": Shape("x" * 100, 3_000, shards=4, limits=ShardLimits(max_requests=900)),
    "few large rows": Shape("A large text. " * 75_000, 5, shards=3, limits=ShardLimits(max_bytes=2_500_000)),
    "small and empty ones": Shape("", 20),
    "non-ASCII text": Shape("Zażółć gęślą jaźń 漢字かな交じり文 עברית 👩🏽‍🚀🦊 \U0010ffff " * 20, 200),
    "line ends of other tools": Shape(ODD_LINE_ENDS, 200, shards=2, limits=ShardLimits(max_bytes=30_000)),
    "quotes, escapes and controls": Shape('"\\" \\u2028 \\n {{ row.passage }} %s \x00\x1f\x7f </s> ', 50),
}


@pytest.fixture(params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest) -> Shape:
    return SHAPES[request.param]


@pytest.fixture
def client(message_batch_simulator: MessageBatchSimulator) -> Iterator[MessageBatchClient]:
    settings = ClientSettings(api_key=message_batch_simulator.api_key, base_url=message_batch_simulator.base_url)
    with MessageBatchClient(settings) as client:
        yield client


def sealed(folder: Path, client: MessageBatchClient, shape: Shape, *, ascii_only: bool) -> JobFolder:
    """Seal the job of a JSON Lines file with the rows of a shape."""
    rows = ({"id": f"row-{number}", "passage": text} for number, text in enumerate(shape.texts()))
    file = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows).encode()
    prompt = PromptTemplate("Label:\n{{ row.passage }}", SandboxedEnvironment(), {})
    question = Question(prompt=prompt, model="claude-haiku-4-5", max_tokens=MAX_TOKENS)

    def read_rows() -> Iterator[PreparedRow]:
        read = read_row_file(io.BytesIO(file), name="rows.jsonl")
        columns = RowColumns(key="id", keep="passage")
        return valid_rows(prepare_rows(read, columns=columns, encode=question.encode_params, spool_folder=folder))

    unit = UnitOfWork(dag_id="dag", task_id="task", unit="unit")
    plan = JobPlan(unit=unit, question=question.fingerprint(), conn_id="c", run_id="r", limits=shape.limits)
    return sealed_job(
        LocalStorage(folder / "storage"), plan, read_rows=read_rows, account=client.greet().account,
        service=client, clock=SystemClock(), spool_folder=folder,
    )  # fmt: skip


def collected(folder: Path, client: MessageBatchClient, job: JobFolder) -> list[dict[str, Any]]:
    clock = SystemClock()
    submission = Submission(job, client, clock=clock, service_clock=ask_time(client, clock), bounds=SubmissionBounds())
    outcome = submission.advance()
    assert isinstance(outcome, list)
    for batch in outcome:
        client.retrieve(batch.batch_id)
    output = folder / "output"
    destination = Destination(storage=LocalStorage(output), owner=job.description().owner, output_format="jsonl")
    manifest = collect_job(job, client, destination, CollectionSettings(spool_folder=folder / "spool"))
    files = [(output / part.name).read_bytes() for part in manifest.parts]
    return [json.loads(line) for file in files for line in file.split(b"\n") if line]


@pytest.mark.parametrize("ascii_only", [False, True], ids=["as UTF-8", "escaped"])
def test_rows_come_back_as_they_were_in_their_order_each_with_the_answer_to_its_own_text(
    tmp_path: Path,
    client: MessageBatchClient,
    message_batch_simulator: MessageBatchSimulator,
    shape: Shape,
    ascii_only: bool,
) -> None:
    job = sealed(tmp_path, client, shape, ascii_only=ascii_only)
    rows = collected(tmp_path, client, job)
    texts = shape.texts()
    assert [(row["id"], row["passage"]) for row in rows] == [(f"row-{n}", text) for n, text in enumerate(texts)]
    asked = [row["text"].partition(" to: ")[2] for row in rows]
    assert asked == [f"Label:\n{text}"[:ECHOED].rstrip() for text in texts]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (shape.rows, 1)
    assert message_batch_simulator.control.received().batches_created >= shape.shards


def test_answers_of_every_shape_arrive_whole(
    tmp_path: Path, client: MessageBatchClient, message_batch_simulator: MessageBatchSimulator, shape: Shape
) -> None:
    message_batch_simulator.control.add_outcome("succeeded", text=shape.text)
    rows = collected(tmp_path, client, sealed(tmp_path, client, shape, ascii_only=False))
    assert [row["id"] for row in rows] == [f"row-{number}" for number in range(shape.rows)]
    assert {row["text"] for row in rows} == {shape.text}
