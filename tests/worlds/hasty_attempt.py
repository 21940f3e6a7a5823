"""Attempts in real processes and real time, with bounds of seconds and a store that takes its time.

Each is forked from a process that has imported the engine already, so that dozens start in a second.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pendulum

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.clock import SystemClock
from anthropic_batches_provider.batches.ledger import LocalStorage, UnitOfWork
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    NextLook,
    Submission,
    SubmissionBounds,
    ask_time,
    sealed_job,
)
from anthropic_batches_provider.errors import MessageBatchesError
from tests.worlds.forkserver import forkserver

# The service's Date is whole seconds: with less than two of them to settle, two processes could disagree about the end.
BOUNDS = SubmissionBounds(
    start_within=pendulum.duration(seconds=2),
    post_deadline=pendulum.duration(seconds=2),
    settle_time=pendulum.duration(seconds=3),
)
LONGEST_LOOK = 0.5  # seconds between two looks of an attempt
PROCESSES = forkserver(__name__, "tests.worlds.warm_client")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an attempt is to submit.

    :param storage: a folder that all attempts share.
    :param scratch: a folder for this attempt alone.
    :param rows: number of rows; a shard takes three.
    :param seed: of the store's pauses.
    """

    storage: str
    scratch: str
    base_url: str
    api_key: str
    unit: str
    rows: int
    seed: int


class SlowStorage:
    """A storage whose operations take some milliseconds, as an object store's do."""

    def __init__(self, inner: LocalStorage, seed: int) -> None:
        self._inner = inner
        self._random = random.Random(seed)

    @property
    def uri(self) -> str:
        return self._inner.uri

    def read(self, path: str) -> bytes:
        self._pause()
        return self._inner.read(path)

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        self._pause()
        return self._inner.open(path)

    def list(self, folder: str) -> list[str]:
        self._pause()
        return self._inner.list(folder)

    def create(self, path: str, content: bytes) -> None:
        self._pause()
        self._inner.create(path, content)

    def put_file(self, source: Path, path: str) -> None:
        self._pause()
        self._inner.put_file(source, path)

    def remove(self, path: str) -> None:
        self._inner.remove(path)

    def _pause(self) -> None:
        time.sleep(self._random.uniform(0, 0.02))


def submit(order: Order) -> None:
    """Submit a unit, in as many looks as it takes; an error of one look is an error of one try, as Airflow's are."""
    scratch = Path(order.scratch)
    scratch.mkdir(parents=True)
    storage, clock = SlowStorage(LocalStorage(Path(order.storage)), order.seed), SystemClock()
    plan = JobPlan(
        unit=UnitOfWork(dag_id="dag", task_id="task", unit=order.unit), question="question", conn_id="c", run_id="r",
        limits=ShardLimits(max_requests=3),
    )  # fmt: skip
    with MessageBatchClient(ClientSettings(base_url=order.base_url, api_key=order.api_key)) as client:
        while True:
            try:
                job = sealed_job(
                    storage, plan, read_rows=lambda: rows_of(order), account=client.greet().account, service=client,
                    clock=clock, spool_folder=scratch,
                )  # fmt: skip
                submission = Submission(job, client, clock=clock, service_clock=ask_time(client, clock), bounds=BOUNDS)
                outcome = submission.advance()
            except MessageBatchesError:
                time.sleep(LONGEST_LOOK)
                continue
            if not isinstance(outcome, NextLook):
                return
            left = (outcome.until - clock.now()).total_seconds()
            time.sleep(min(max(left, 0.01), LONGEST_LOOK))


def rows_of(order: Order) -> Iterator[PreparedRow]:
    for number in range(order.rows):
        params = b'{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"%b %d"}]}'
        yield PreparedRow(number, b'{"key":%d}' % number, params % (order.unit.encode(), number))
