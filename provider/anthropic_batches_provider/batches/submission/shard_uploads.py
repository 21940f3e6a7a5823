"""Uploads the shards of a new job as they are cut, without the rows that go out of turn: its pilot and its primers.

Invariants: each row is sent by exactly one shard; the local disk holds one shard at a time, and single rows of others.
"""

from __future__ import annotations

import logging

from anthropic_batches_provider.batches.ledger import JobFolder, ShardRecord
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.sharding import Shard
from anthropic_batches_provider.batches.submission.pilot_choice import (
    NO_ROWS,
    ChosenRows,
    Pilot,
    TakenRows,
    chosen_rows,
    pilot_rows,
    settled_from,
    take_rows,
)

log = logging.getLogger(__name__)

SPARE_PRIMERS = 2
"""So many rows of the first shard may prime the prompt cache where the primers of all other shards have been sent."""
_LARGE_SHARD_BYTES = 32 << 20  # writing so much takes seconds: the log says so before it begins


class ShardUploads:
    """Uploads shards as they are cut; pilots and primers, which are taken out of them, as the last.

    A small first shard stays on the local disk until it is known how many rows there are, which decides on a pilot.

    :param attempt: names the files, so that two attempts at once do not mix their rows.
    :param is_primed: whether the requests use the prompt cache, so that each shard has a primer, unless there is no
        pilot.
    """

    def __init__(self, job: JobFolder, attempt: str, pilot: Pilot, nonce: str, *, is_primed: bool) -> None:
        self._job = job
        self._attempt = attempt
        self._is_primed = is_primed and pilot != 0
        self._pilot: Pilot = 0 if self._is_primed and pilot == "auto" else pilot  # a primer is pilot enough
        self._nonce = nonce
        self._first: Shard | None = None
        self._records: list[ShardRecord] = []
        self._primers: list[TakenRows] = []
        self._spares: list[TakenRows] = []
        self._pilots: list[TakenRows] = []
        self._requests = 0

    @property
    def pilots(self) -> int:
        """How many of the uploaded shards send rows of others."""
        return len(self._primers) + len(self._spares) + len(self._pilots)

    def take(self, shard: Shard) -> None:
        """Take the next shard."""
        self._requests += shard.requests
        if not shard.number and shard.requests <= settled_from(self._pilot):
            self._first = shard
            return
        self._upload_rest(shard)

    def finished(self) -> tuple[ShardRecord, ...]:
        """Upload what is left, and return all shards in the order of their numbers."""
        if self._first is not None:
            self._upload_rest(self._first)
            self._records.sort(key=lambda record: record.shard)
        for taken in (*self._primers, *self._spares, *self._pilots):
            shard = taken.numbered(len(self._records), self._nonce)
            is_primer = taken not in self._pilots
            self._records.append(upload_shard(self._job, shard, self._attempt, is_primer=is_primer))
        return tuple(self._records)

    def _upload_rest(self, shard: Shard) -> None:
        chosen = self._chosen_of(shard)
        rest, taken = take_rows(shard, chosen.groups)
        primers, pilots = taken[: len(chosen.primers)], taken[len(chosen.primers) :]
        if not shard.number:  # those of the first shard lie before the others', even if it is uploaded as the last
            self._primers[:0] = primers[:1]
            self._spares += primers[1:]
        else:
            self._primers += primers
        self._pilots += pilots
        self._records.append(upload_shard(self._job, rest, self._attempt))

    def _chosen_of(self, shard: Shard) -> ChosenRows:
        """Return which rows of a shard are sent by others."""
        primers = (1 if shard.number else 1 + SPARE_PRIMERS) if self._is_primed else 0
        wanted = 0 if shard.number else pilot_rows(self._pilot, rows=self._requests, nonce=self._nonce)
        if not primers and not wanted:
            return NO_ROWS
        chosen = chosen_rows(shard, primers=primers, pilot=wanted, nonce=self._nonce)
        if len(chosen.pilot) < wanted:
            log.warning(
                "The pilot of %s has %s instead of %d: the first shard has no more (max_requests_per_shard, "
                "max_bytes_per_shard).",
                self._job.uri, counted(len(chosen.pilot), "row"), wanted,
            )  # fmt: skip
        return chosen


def upload_shard(job: JobFolder, shard: Shard, attempt: str, *, is_primer: bool = False) -> ShardRecord:
    """Upload the files of a shard to the job folder, and remove the local ones.

    :param attempt: names the files, so that two attempts at once do not mix their rows.
    :param is_primer: whether it is sent to write the entry of the prompt cache that other shards read.
    """
    if shard.body_bytes >= _LARGE_SHARD_BYTES:
        log.info(
            "Writing shard %d with %s and %s bytes to %s",
            shard.number,
            counted(shard.requests, "request"),
            f"{shard.body_bytes:,}",
            job.uri,
        )
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
        invalid_rows=shard.invalid_rows,
        piloted_rows=shard.piloted_rows,
        is_primer=is_primer,
    )
