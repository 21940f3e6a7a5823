"""Builds jobs whose batches have ended, and a service without HTTP that holds their results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pendulum

from anthropic_batches_provider.batches.ledger import (
    AccountRecord,
    BatchRecord,
    IntentRecord,
    JobFolder,
    JobRecord,
    LocalStorage,
    OutcomeRecord,
    SealRecord,
    ShardRecord,
    Storage,
    Submitted,
    create_job,
    jobs_of,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.errors import BatchNotFoundError, ResultsStreamError

NOW = pendulum.datetime(2026, 11, 21, 6)
NONCE = "0123456789ab"
OWNER = "dag/task/2026-11-21/-"


class StillClock:
    """A clock that stands still, and remembers how long it was asked to sleep."""

    def __init__(self, now: pendulum.DateTime = NOW) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> pendulum.DateTime:
        return self._now

    def steady(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Service:
    """Batches and their results; each call for results takes the next fault of the batch, if there is one.

    ``later_bodies`` are the results that later calls get; so many calls as ``not_shown`` says get a 404.

    A fault is the number of bytes after which the stream ends; negative: it breaks off there with an error.
    """

    batches: dict[str, MessageBatch] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    later_bodies: dict[str, list[bytes]] = field(default_factory=dict)
    not_shown: dict[str, int] = field(default_factory=dict)
    faults: dict[str, list[int | None]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    chunk_bytes: int = 1 << 20

    def add(
        self, batch_id: str, lines: Sequence[bytes], *, requests: int | None = None, **changes: Any
    ) -> MessageBatch:
        counts = RequestCounts(succeeded=len(lines) if requests is None else requests)
        self.batches[batch_id] = replace(ended_batch(batch_id, counts), **changes)
        self.bodies[batch_id] = b"".join(line + b"\n" for line in lines)
        return self.batches[batch_id]

    def retrieve(self, batch_id: str, /) -> MessageBatch:
        if batch_id not in self.batches:
            raise BatchNotFoundError(f"Message Batch {batch_id} not found.", status=404)
        return self.batches[batch_id]

    @contextmanager
    def results(self, batch_id: str, /) -> Iterator[Iterator[bytes]]:
        self.fetched.append(batch_id)
        if batch_id not in self.bodies or self.not_shown.get(batch_id, 0):
            self.not_shown[batch_id] = self.not_shown.get(batch_id, 1) - 1
            raise BatchNotFoundError(f"Message Batch {batch_id} has no available results.", status=404)
        faults, later = self.faults.get(batch_id), self.later_bodies.get(batch_id)
        body = self.bodies[batch_id]
        if later:
            self.bodies[batch_id] = later.pop(0)
        yield self._chunks(body, faults.pop(0) if faults else None)

    def _chunks(self, body: bytes, fault: int | None) -> Iterator[bytes]:
        whole = body if fault is None else body[: abs(fault)]
        for start in range(0, len(whole), self.chunk_bytes):
            yield whole[start : start + self.chunk_bytes]
        if fault is not None and fault < 0:
            raise ResultsStreamError("the connection was closed")


def ended_batch(batch_id: str, counts: RequestCounts) -> MessageBatch:
    return MessageBatch(
        id=batch_id,
        processing_status="ended",
        request_counts=counts,
        created_at=NOW.subtract(hours=2),
        expires_at=NOW.add(hours=22),
        ended_at=NOW.subtract(hours=1),
    )


def message(text: str | None = "yes", **changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 3, "service_tier": "batch"},
        **changes,
    }


def line(custom_id: str, result: dict[str, Any]) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": result}, ensure_ascii=False, separators=(",", ":")).encode()


def succeeded(custom_id: str, text: str | None = "yes", **changes: Any) -> bytes:
    return line(custom_id, {"type": "succeeded", "message": message(text, **changes)})


def errored(custom_id: str, error_type: str = "invalid_request_error", text: str = "messages: Field required") -> bytes:
    error = {"type": "error", "error": {"type": error_type, "message": text}, "request_id": None}
    return line(custom_id, {"type": "errored", "error": error})


def ended(custom_id: str, result_type: str) -> bytes:
    return line(custom_id, {"type": result_type})


@dataclass
class EndedJob:
    """A job on a disk, the service that ran it, and the place for its rows."""

    folder: JobFolder
    service: Service
    output: Path
    clock: StillClock
    spool: Path

    @property
    def settings(self) -> CollectionSettings:
        return CollectionSettings(spool_folder=self.spool, clock=self.clock)

    def destination(self, *, owner: str = OWNER, output_format: str = "jsonl") -> Destination:
        return Destination(storage=LocalStorage(self.output), owner=owner, output_format=output_format)

    def files(self) -> dict[str, bytes]:
        if not self.output.exists():
            return {}
        return {path.name: path.read_bytes() for path in sorted(self.output.iterdir())}


def opened_job(
    storage: Storage,
    unit: str = "dag/task/unit/-",
    *,
    nonce: str = NONCE,
    column_prefix: str = "",
    output_schema: OutputSchema | None = None,
    key_columns: tuple[str, ...] = (),
) -> JobFolder:
    """Create a job without shards, as it is before its rows are read."""
    record = JobRecord(
        nonce=nonce,
        owner=OWNER,
        edition="",
        account=AccountRecord(base_url="https://api.anthropic.com"),
        conn_id="anthropic_default",
        run_id="manual",
        opened_at=NOW.to_iso8601_string(),
        question="q",
        column_prefix=column_prefix,
        key_columns=key_columns,
        output_schema=None if output_schema is None else dict(output_schema.schema),
        output_schema_hash="" if output_schema is None else output_schema.hash,
        output_model="" if output_schema is None else output_schema.model_name,
    )
    before = jobs_of(storage, unit)
    for job in before.jobs:  # as one that replaces them does
        job.replacement.record_abandonment(NOW.to_iso8601_string())
    return create_job(storage, unit, record, after=before)


def ended_job(
    root: Path,
    results: Sequence[Iterable[bytes]],
    columns: Sequence[Sequence[bytes]],
    *,
    structured: bool = False,
    column_prefix: str = "",
    nonce: str = NONCE,
    unit: str = "dag/task/unit/-",
    output_schema: OutputSchema | None = None,
    key_columns: tuple[str, ...] = (),
    sealed: Mapping[str, Any] | None = None,
) -> EndedJob:
    """Create a job with one shard for each of ``results``.

    :param results: the result lines of each shard, in the order in which they come.
    :param columns: the JSON objects of the rows of each shard.
    :param sealed: further fields of the seal; without them it is one of an older version.
    """
    storage = LocalStorage(root / "jobs")
    folder = opened_job(
        storage,
        unit,
        nonce=nonce,
        column_prefix=column_prefix,
        output_schema=output_schema,
        key_columns=key_columns,
    )
    service = Service()
    shards: list[ShardRecord] = []
    for number, rows in enumerate(columns):
        shard = _shard(root, storage, folder, number, sum(len(before) for before in columns[:number]), rows, nonce)
        shards.append(shard)
    total = sum(len(rows) for rows in columns)
    folder.create_seal(
        SealRecord(rows=total, fingerprint="f", structured=structured, shards=tuple(shards), **(sealed or {}))
    )
    for shard, lines in zip(shards, results, strict=True):
        batch = service.add(f"msgbatch_{shard.shard}", list(lines), requests=shard.requests)
        submit(folder, shard.shard, batch)
    return EndedJob(folder, service, root / "output", StillClock(), root / "spool")


def submit(folder: JobFolder, shard: int, batch: MessageBatch) -> None:
    at = NOW.to_iso8601_string()
    folder.record_intent(
        IntentRecord(shard=shard, attempt=1, requests=1, nonce="n", at=at, settles_after_seconds=1560.0)
    )
    outcome = Submitted(batch=BatchRecord.of(batch, sent_at=""))
    folder.record_outcome(OutcomeRecord(shard=shard, attempt=1, at=at, outcome=outcome))


def _shard(
    root: Path, storage: Storage, folder: JobFolder, number: int, first_row: int, rows: Sequence[bytes], nonce: str
) -> ShardRecord:
    shard = ShardRecord(
        shard=number,
        requests=len(rows),
        first_row=first_row,
        body_bytes=1,
        requests_file=f"requests/{number:05d}-a.jsonl",
        rows_file=f"rows/{number:05d}-a.jsonl",
    )
    requests = [
        b'{"custom_id":"%s-%d-%d","params":{"prompt":"secret"}}' % (nonce.encode(), number, first_row + position)
        for position in range(len(rows))
    ]
    local = root / "local"
    for name, lines in ((shard.rows_file, rows), (shard.requests_file, requests)):
        local.write_bytes(b"".join(line + b"\n" for line in lines))
        storage.put_file(local, f"{folder.path}/{name}")
    local.unlink(missing_ok=True)
    return shard
