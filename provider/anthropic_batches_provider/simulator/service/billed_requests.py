"""The requests behind the billed rows: rows of one job are separate requests, even if their contents are equal.

A content is the params of a request, without marks of the prompt cache. A custom_id ``{nonce}-{shard}-{row}`` names a
row of a job, whatever its shard; the job is known by its nonce. Any other custom_id names a row of its batch, which
counts as a job. A request is a content and its rank among the billed rows of that content in its job, by row number.
So a row that its job sends again is the same request, and so is a row of equal content that another job sends.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from typing import NamedTuple

import msgspec

from anthropic_batches_provider.simulator.service.prompt_contents import HASH_BYTES, question_hash
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch

MOST_REPEATED_LISTED = 100
_ROW_OF_A_JOB = re.compile("([0-9a-f]{12})-[0-9]+-([0-9]+)")


class RepeatedRequest(msgspec.Struct, kw_only=True):
    """A request that was billed more than once.

    :param content: a hash of its params.
    :param custom_ids: one for each time, oldest batch first.
    :param why: says to a person which rows and batches these are.
    """

    content: str
    times: int
    custom_ids: list[str]
    why: str


@dataclass
class RequestCounts:
    """Which requests were billed, and how often; see ``Billing`` for the fields."""

    distinct_contents: int
    distinct_requests: int
    max_times_billed: int
    repeated_requests: int = 0
    repeated: list[RepeatedRequest] = field(default_factory=list)


@dataclass(frozen=True)
class BilledRows:
    """The billed rows of an ended batch, in flat arrays: a million rows take 24 MB, and are not a million objects."""

    batch: MessageBatch
    hashes: bytes
    indexes: array[int]

    @classmethod
    def of(cls, batch: MessageBatch, indexes: array[int]) -> BilledRows:
        """Hash the contents of the requests at ``indexes``."""
        hashes = bytearray()
        for index in indexes:
            hashes += question_hash(bytes(batch.requests[index].params))
        return cls(batch, bytes(hashes), indexes)

    def contents(self) -> list[bytes]:
        """Return the hash of each row's content."""
        return [self.hashes[start : start + HASH_BYTES] for start in range(0, len(self.hashes), HASH_BYTES)]


def count_requests(billed: list[BilledRows]) -> RequestCounts:
    """Count the requests of billed rows; takes up to 0.5 µs a row, and up to 6 µs where contents are equal.

    :param billed: one for each batch, oldest first.
    """
    times: Counter[bytes] = Counter()
    for rows in billed:
        times.update(rows.contents())
    equal = {content: _EqualRows(billed) for content, count in times.items() if count > 1}
    once = len(times) - len(equal)
    counts = RequestCounts(distinct_contents=len(times), distinct_requests=once, max_times_billed=min(once, 1))
    # Most contents are billed once; the custom_ids of the others say which rows they are.
    if equal:
        _sort_out(billed, equal)
    for content, rows_of_content in equal.items():
        _add(counts, content, rows_of_content)
    return counts


def _sort_out(billed: list[BilledRows], equal: dict[bytes, _EqualRows]) -> None:
    for number, rows in enumerate(billed):
        for content, index in zip(rows.contents(), rows.indexes, strict=True):
            if content in equal:
                equal[content].add(number, index)


def _add(counts: RequestCounts, content: bytes, rows: _EqualRows) -> None:
    times = rows.times()
    counts.distinct_requests += len(times)
    counts.max_times_billed = max(counts.max_times_billed, *times)
    repeated = [rank for rank, count in enumerate(times) if count > 1]
    counts.repeated_requests += len(repeated)
    if listed := repeated[: MOST_REPEATED_LISTED - len(counts.repeated)]:
        counts.repeated += [_repeated(content, requests) for requests in rows.of_ranks(listed)]


class _BilledRow(NamedTuple):
    job: str
    number: int
    custom_id: str
    batch_id: str

    @classmethod
    def at(cls, batch: MessageBatch, index: int) -> _BilledRow:
        custom_id = batch.requests[index].custom_id
        if found := _ROW_OF_A_JOB.fullmatch(custom_id):
            return cls(found[1], int(found[2]), custom_id, batch.id)
        return cls(batch.id, index, custom_id, batch.id)

    @property
    def name(self) -> str:
        return self.custom_id if self.job == self.batch_id else f"row {self.number} of job {self.job}"


class _EqualRows:
    """The billed rows of one content."""

    def __init__(self, billed: list[BilledRows]) -> None:
        self._billed = billed
        self._places = array("Q")

    def add(self, batch: int, index: int) -> None:
        """Add a row by the number of its batch in ``billed`` and its index in the batch."""
        self._places.append(batch << 32 | index)

    def times(self) -> list[int]:
        """Return how often the request of each rank was billed."""
        by_job = [[sum(1 for _ in same) for _, same in groupby(numbers)] for numbers in self._numbers().values()]
        return [sum(counts) for counts in zip_longest(*by_job, fillvalue=0)]

    def of_ranks(self, ranks: Collection[int]) -> list[list[_BilledRow]]:
        """Return the billed rows of some requests."""
        found: dict[int, list[_BilledRow]] = {rank: [] for rank in ranks}
        rank_of = {
            (job, number): rank
            for job, numbers in self._numbers().items()
            for rank, (number, _) in enumerate(groupby(numbers))
            if rank in found
        }
        for row in self._rows():
            if (rank := rank_of.get(row[:2])) is not None:
                found[rank].append(row)
        return list(found.values())

    def _numbers(self) -> dict[str, list[int]]:
        """Return the row numbers of each job, sorted; one for each time that a row was billed."""
        numbers: defaultdict[str, list[int]] = defaultdict(list)
        for row in self._rows():
            numbers[row.job].append(row.number)
        for of_a_job in numbers.values():
            of_a_job.sort()
        return numbers

    def _rows(self) -> Iterator[_BilledRow]:
        for place in self._places:
            yield _BilledRow.at(self._billed[place >> 32].batch, place & 0xFFFFFFFF)


def _repeated(content: bytes, rows: list[_BilledRow]) -> RepeatedRequest:
    """Describe a request by its billed rows."""
    batches: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        batches[row.name].append(row.batch_id)
    reason = "one job sent a row again" if len({row.job for row in rows}) == 1 else "several jobs sent the same content"
    places = "; ".join(f"{name} in {', '.join(batch_ids)}" for name, batch_ids in batches.items())
    return RepeatedRequest(
        content=content.hex(), times=len(rows), custom_ids=[row.custom_id for row in rows], why=f"{reason}: {places}"
    )
