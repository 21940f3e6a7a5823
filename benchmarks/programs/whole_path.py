"""The whole path in one process, by the engine alone, as one task drives it. Usage: whole_path.py STEP INPUT FOLDER

``INPUT`` holds the number of rows. A stint continues until it must wait, like the operator's before it is deferred. The
wait is over when one of its batches has ended, as in the triggerer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.clock import SystemClock
from anthropic_batches_provider.batches.collection import JobCollection
from anthropic_batches_provider.batches.further_rounds import Rounds
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.job_advance import JobAdvance
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, UnitOfWork
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns, prepare_rows
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    NextLook,
    Submission,
    SubmissionBounds,
    ask_time,
    sealed_job,
)
from benchmarks.programs.size_arguments import Arguments, run

_PAUSE_SECONDS = 0.1  # the simulator's batches end at the next poll
_MOST_ROUNDS = 3
_TEXT = "The quick brown fox jumps over the lazy dog. " * 6


def whole_path(arguments: Arguments) -> None:
    """Process as many rows as the input says, end to end."""
    rows = int(arguments.input.read_text())
    connection = json.loads(os.environ["AIRFLOW_CONN_ANTHROPIC_DEFAULT"])
    settings = ClientSettings(api_key=connection["password"], base_url=connection["host"])
    spool = arguments.folder / "spool"
    spool.mkdir()
    with MessageBatchClient(settings) as client:
        job = _sealed(arguments.folder, rows, client, spool)
        destination = Destination(
            storage=LocalStorage(arguments.output), owner=job.description().owner, output_format="jsonl"
        )
        while isinstance(outcome := _stint(job, client, destination, spool), NextLook):
            _wait(outcome, client)
    if outcome.counts.succeeded != rows:
        raise RuntimeError(f"Not all of {rows} rows succeeded: {outcome.counts}")


def _stint(job: JobFolder, client: MessageBatchClient, destination: Destination, spool: Path) -> Manifest | NextLook:
    """Submit within the default window, collect what has ended, publish."""
    clock = SystemClock()
    return JobAdvance(
        job,
        Submission(job, client, clock=clock, service_clock=ask_time(client, clock), bounds=SubmissionBounds()),
        JobCollection(job, client, destination, CollectionSettings(spool_folder=spool)),
        Rounds(most=_MOST_ROUNDS, limits=ShardLimits(), spool_folder=spool),
        clock=clock,
    ).advance()


def _wait(waiting: NextLook, client: MessageBatchClient) -> None:
    while SystemClock().now() < waiting.until:
        if any(client.retrieve(batch_id).has_ended for batch_id in waiting.batch_ids):
            return
        time.sleep(_PAUSE_SECONDS)


def _sealed(folder: Path, rows: int, client: MessageBatchClient, spool: Path) -> JobFolder:
    question = Question(
        prompt=PromptTemplate("Label this passage:\n{{ row.text }}", SandboxedEnvironment(), {}),
        model="claude-haiku-4-5",
        max_tokens=64,
    )
    return sealed_job(
        LocalStorage(folder / "storage"),
        JobPlan(
            unit=UnitOfWork(dag_id="size", task_id="whole", unit="path"),
            question=question.fingerprint(),
            conn_id="anthropic_default",
            run_id="benchmark",
        ),
        read_rows=lambda: _prepared(rows, question, spool),
        account=client.greet().account,
        service=client,
        clock=SystemClock(),
        spool_folder=spool,
    )


def _prepared(rows: int, question: Question, spool: Path) -> Iterator[PreparedRow | InvalidRow]:
    columns = RowColumns(key="id")
    return prepare_rows(_rows(rows), columns=columns, encode=question.encode_params, spool_folder=spool)


def _rows(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        yield {"id": f"row-{number}", "text": f"Passage {number}. {_TEXT}"}


if __name__ == "__main__":
    run({"whole_path": whole_path})
