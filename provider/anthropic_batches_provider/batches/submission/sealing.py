"""Turns a job's rows into sealed shards: written, uploaded, and from then on the only source of what is sent."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pendulum

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.ledger import JobFolder, SealRecord, ShardRecord, Storage
from anthropic_batches_provider.batches.rows import PreparedRow, RowsFingerprint
from anthropic_batches_provider.batches.service import CancelService
from anthropic_batches_provider.batches.sharding import Shard, ShardLimits, cut_shards
from anthropic_batches_provider.batches.submission.opening import JobOpener, JobPlan
from anthropic_batches_provider.errors import EmptyInputError

log = logging.getLogger(__name__)


def sealed_job(
    storage: Storage,
    plan: JobPlan,
    *,
    read_rows: Callable[[], Iterable[PreparedRow]],
    account: Account,
    service: CancelService,
    now: pendulum.DateTime,
    spool_folder: Path,
) -> JobFolder:
    """Return the job of a plan with its shards sealed; nothing is sent.

    A job that is sealed and unfinished goes on from its shards, whatever the source says by now. Only when a finished
    one is cleared, or run again, the rows are read again, to see whether they are still the same.

    :param read_rows: reads and prepares the rows from their beginning.
    :param spool_folder: a local folder of this attempt alone.
    :raises ConfigurationError: bad rows, no rows, changed input, another account.
    """
    opener = JobOpener(storage, plan, account=account, service=service, now=now)
    job = opener.open()
    if job.find_seal() is not None and job.is_finished() and not job.was_finished_by(plan.tries):
        if fingerprint_rows(read_rows()) == job.first_seal().fingerprint:
            log.info("%s is finished, and question and rows are still the same: nothing is sent again.", job.uri)
            return job
        job = opener.replace_changed(job, "the rows")
    if job.find_seal() is None:
        seal = seal_job(job, read_rows(), limits=plan.limits, spool_folder=spool_folder)
        log.info("Sealed %d rows in %d shards at %s", seal.rows, len(seal.shards), job.uri)
    return job


def seal_job(job: JobFolder, rows: Iterable[PreparedRow], *, limits: ShardLimits, spool_folder: Path) -> SealRecord:
    """Write a job's shards and seal it; nothing is sent.

    Files carry the attempt's own name, so that two attempts at once do not mix their rows: the first to seal wins, and
    the other takes over the winner's shards. One shard at a time lies on the local disk.

    :param rows: the prepared rows, in input order; read once.
    :param spool_folder: a local folder of this attempt alone.
    :raises EmptyInputError: there are no rows.
    """
    attempt = secrets.token_hex(4)
    seen = _Seen()
    nonce = job.description().nonce
    shards = tuple(
        upload_shard(job, shard, attempt)
        for shard in cut_shards(seen.watch(rows), nonce=nonce, limits=limits, folder=spool_folder)
    )
    if not shards:
        raise EmptyInputError(
            'There are no rows. Nothing was submitted. If that is fine, set on_empty="skip" to have the task skipped.'
        )
    seal = SealRecord(
        rows=seen.rows, fingerprint=seen.fingerprint.hexdigest(), structured=seen.structured, shards=shards
    )
    return seal_round(job, seal)


def seal_round(job: JobFolder, seal: SealRecord) -> SealRecord:
    """Seal a round whose files are uploaded; where another attempt came first, take over its shards."""
    sealed = job.create_seal(seal)
    there = [f"{folder}/{name}" for folder in ("requests", "rows") for name in job.storage.list(f"{job.path}/{folder}")]
    kept, own = _files(sealed), _files(seal)
    # What attempts that died or lost have left holds prompts. Once something was sent, such a file may be of a later
    # round, which another attempt is about to seal: then only our own are certain to be nobody's.
    obsolete = set(there) & own if job.has_intents() else set(there)
    for file in sorted(obsolete - kept):
        job.storage.remove(f"{job.path}/{file}")
    return sealed


def _files(seal: SealRecord) -> set[str]:
    return {file for shard in seal.shards for file in (shard.requests_file, shard.rows_file)}


def fingerprint_rows(rows: Iterable[PreparedRow]) -> str:
    """Return the order-insensitive fingerprint of prepared rows, in constant memory."""
    fingerprint = RowsFingerprint()
    for row in rows:
        fingerprint.add(row)
    return fingerprint.hexdigest()


class _Seen:
    """What is learned of the rows as they pass by."""

    def __init__(self) -> None:
        self.rows = 0
        self.structured = False
        self.fingerprint = RowsFingerprint()

    def watch(self, rows: Iterable[PreparedRow]) -> Iterator[PreparedRow]:
        add = self.fingerprint.add
        for row in rows:
            self.rows += 1
            add(row)
            if row.asks_for_json:
                self.structured = True
            yield row


def upload_shard(job: JobFolder, shard: Shard, attempt: str) -> ShardRecord:
    """Put the files of a shard into the job folder, and remove the local ones.

    :param attempt: names the files, so that two attempts at once do not mix their rows.
    """
    requests_file = f"requests/{shard.number:05d}-{attempt}.jsonl"
    rows_file = f"rows/{shard.number:05d}-{attempt}.jsonl"
    job.storage.put_file(shard.requests_path, f"{job.path}/{requests_file}")
    job.storage.put_file(shard.rows_path, f"{job.path}/{rows_file}")
    shard.requests_path.unlink(missing_ok=True)
    shard.rows_path.unlink(missing_ok=True)
    return ShardRecord(
        shard=shard.number,
        requests=shard.requests,
        first_row=shard.first_row,
        body_bytes=shard.body_bytes,
        requests_file=requests_file,
        rows_file=rows_file,
    )
