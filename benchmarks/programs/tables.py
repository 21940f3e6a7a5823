"""Rows of a table through the whole path into another table, in one process. Usage: tables.py STEP INPUT FOLDER

``STEP`` is a pair of :data:`SOURCES` and :data:`OUTPUTS`. ``INPUT`` holds the rows, or Airflow's connection to the
database that does and that takes the answers. Leaves the CPU seconds of each stage in ``stages.json``.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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
from anthropic_batches_provider.batches.requests import OutputSchema, PromptTemplate, Question
from anthropic_batches_provider.batches.rows import (
    ColumnTypes,
    PreparedRow,
    Reading,
    RowColumns,
    prepare_rows,
    read_row_file,
    splicer,
)
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    NextLook,
    Submission,
    SubmissionBounds,
    ask_time,
    sealed_job,
)
from anthropic_batches_provider.edge.sql_failures import Query
from anthropic_batches_provider.edge.sql_reading import read_query
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.task_destination import staged_parts_of_job, table_destination
from benchmarks.programs.size_arguments import Arguments, run

CONN_ID = "warehouse"
KEPT = ("language", "stars", "price", "written")
STAGES = ("seal", "submit", "collect", "load", "other")
ANSWER = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
    "required": ["label", "score"],
    "additionalProperties": False,
}

_PAUSE_SECONDS = 0.1  # the simulator's batches end at the next poll
_MOST_ROUNDS = 3
_COLUMNS = RowColumns(key="id", keep=list(KEPT))


class Stages:
    """The CPU seconds of each stage. The time of a stage within another counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._now = "other"
        self._since = time.process_time()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        outer = self._now
        self._change(name)
        try:
            yield
        finally:
            self._change(outer)

    def watch(self, watched: object, method: str, name: str) -> None:
        """Count each call of a method of an object for a stage."""
        called = getattr(watched, method)

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.of(name):
                return called(*args, **kwargs)

        setattr(watched, method, counted)

    def _change(self, name: str) -> None:
        now = time.process_time()
        self.seconds[self._now] += now - self._since
        self._now, self._since = name, now


def _read_file(path: Path, reading: Reading) -> Iterator[Any]:
    with path.open("rb") as stream:
        yield from read_row_file(
            stream,
            name=str(path),
            digits_of=frozenset({"id", "text", *KEPT}),
            schema=reading.schema,
            splice=reading.splice,
        )


def _read_table(_: Path, reading: Reading) -> Iterator[Any]:
    yield from read_query(Query(CONN_ID, "SELECT * FROM passages"), reading.schema)


SOURCES: dict[str, Callable[[Path, Reading], Iterator[Any]]] = {"file": _read_file, "database": _read_table}


def _into_files(output_format: str, job: JobFolder, arguments: Arguments) -> Destination:
    storage = LocalStorage(arguments.output)
    return Destination(storage=storage, owner=job.description().owner, output_format=output_format)


def _into_table(job: JobFolder, arguments: Arguments) -> Destination:
    table = SqlTable(CONN_ID, "labels", create=True)
    return table_destination(table, staged_parts_of_job(job.uri), owner=job.description().owner)


OUTPUTS: dict[str, Callable[[JobFolder, Arguments], Destination]] = {
    "jsonl": partial(_into_files, "jsonl"),
    "csv": partial(_into_files, "csv"),
    "parquet": partial(_into_files, "parquet"),
    "table": _into_table,
}


def whole_path(source: str, output: str, arguments: Arguments) -> None:
    """Process all rows of a source, end to end."""
    stages = Stages()
    connection = json.loads(os.environ["AIRFLOW_CONN_ANTHROPIC_DEFAULT"])
    settings = ClientSettings(api_key=connection["password"], base_url=connection["host"])
    spool = arguments.folder / "spool"
    spool.mkdir()
    with MessageBatchClient(settings) as client:
        with stages.of("seal"):
            job = _sealed(arguments, partial(SOURCES[source], arguments.input), client, spool)
        destination = OUTPUTS[output](job, arguments)
        if destination.table is not None:
            stages.watch(destination.table, "publish", "load")
        while isinstance(outcome := _stint(job, client, destination, stages, spool), NextLook):
            _wait(outcome, client)
    with stages.of("other"):  # which also counts what was not counted yet
        if (outcome.counts.succeeded, outcome.counts.rows) != (job.first_seal().rows,) * 2:
            raise RuntimeError(f"Not all rows succeeded: {outcome.counts}")
    (arguments.folder / "stages.json").write_text(
        json.dumps({name: seconds for name, seconds in stages.seconds.items() if seconds})
    )


def _stint(
    job: JobFolder, client: MessageBatchClient, destination: Destination, stages: Stages, spool: Path
) -> Manifest | NextLook:
    """Submit within the default window, collect what has ended, publish."""
    clock = SystemClock()
    submission = Submission(job, client, clock=clock, service_clock=ask_time(client, clock), bounds=SubmissionBounds())
    settings = CollectionSettings(spool_folder=spool, as_table=destination.format.is_table)
    collection = JobCollection(job, client, destination, settings)
    stages.watch(submission, "advance", "submit")
    stages.watch(collection, "write_next", "collect")
    stages.watch(collection, "publish", "collect")
    rounds = Rounds(most=_MOST_ROUNDS, limits=ShardLimits(), spool_folder=spool)
    return JobAdvance(job, submission, collection, rounds, clock=clock).advance()


def _wait(waiting: NextLook, client: MessageBatchClient) -> None:
    while SystemClock().now() < waiting.until:
        if any(client.retrieve(batch_id).has_ended for batch_id in waiting.batch_ids):
            return
        time.sleep(_PAUSE_SECONDS)


def _sealed(
    arguments: Arguments, read: Callable[[Reading], Iterator[Any]], client: MessageBatchClient, spool: Path
) -> JobFolder:
    question = Question(
        prompt=PromptTemplate("Label this passage:\n{{ row.text }}", SandboxedEnvironment(), {}),
        model="claude-haiku-4-5",
        max_tokens=64,
        output_schema=OutputSchema(ANSWER),
    )
    types = ColumnTypes(_COLUMNS)
    return sealed_job(
        LocalStorage(arguments.folder / "storage"),
        JobPlan(
            unit=UnitOfWork(dag_id="size", task_id="tables", unit="path"),
            question=question.fingerprint(),
            conn_id="anthropic_default",
            run_id="benchmark",
            output_schema=question.output_schema,
        ),
        read_rows=lambda: _prepared(read, question, types, spool),
        account=client.greet().account,
        service=client,
        clock=SystemClock(),
        spool_folder=spool,
        columns=types.records,
    )


def _prepared(
    read: Callable[[Reading], Iterator[Any]], question: Question, types: ColumnTypes, spool: Path
) -> Iterator[PreparedRow | InvalidRow]:
    params = question.spliced_params()
    splice = None if params is None else splicer(_COLUMNS, params, types)
    rows = read(Reading(schema=types.schema, splice=splice))
    return prepare_rows(rows, columns=_COLUMNS, encode=question.encode_params, spool_folder=spool, types=types)


def _import_what_is_needed(step: str, source: Path) -> None:
    if "parquet" in step or "file" in step:
        importlib.import_module("pyarrow.parquet")
    if "database" in step:
        os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"] = source.read_text()
        list(read_query(Query(CONN_ID, "SELECT 1 AS one"), Reading().schema))  # Airflow, its hook and the driver


if __name__ == "__main__":
    _import_what_is_needed(sys.argv[1], Path(sys.argv[2]))
    run({f"{source}_to_{output}": partial(whole_path, source, output) for source in SOURCES for output in OUTPUTS})
