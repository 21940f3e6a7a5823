"""The bill: succeeded rows of ended batches, their tokens, and contents that were billed more than once.

A content is the params of a request without its custom_id: a question that was submitted twice is one content billed
twice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.service.prompt_caching import PromptCache
from anthropic_batches_provider.simulator.service.prompt_contents import content_hash
from anthropic_batches_provider.simulator.service.result_lines import result_rows
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch

# The size of a content_hash.
HASH_BYTES = 16
MOST_REPEATED_LISTED = 100


class Tokens(msgspec.Struct, kw_only=True):
    """Sums of the usage that the results report."""

    input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0

    def add(self, other: Tokens) -> None:
        """Add ``other`` in place, field by field."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class BatchBill(msgspec.Struct, kw_only=True):
    """The bill of one batch; all zero while it has not ended."""

    batch_id: str
    workspace_id: str
    requests: int
    ended: bool
    rows_billed: int = 0
    tokens: Tokens = msgspec.field(default_factory=Tokens)


class RepeatedContent(msgspec.Struct, kw_only=True):
    """A content that was billed more than once, with the custom_ids of all its requests."""

    content: str
    times: int
    custom_ids: list[str]


class Billing(msgspec.Struct, kw_only=True):
    """The bill of all batches since the start or the last reset, including deleted ones.

    :param distinct_contents: how many different contents were billed.
    :param max_times_billed: how often the most billed content was billed: 1 for a careful client, 0 if none was billed.
    :param repeated_contents: how many contents were billed more than once.
    :param repeated: the first 100 of them.
    """

    rows_billed: int
    distinct_contents: int
    max_times_billed: int
    repeated_contents: int
    repeated: list[RepeatedContent]
    tokens: Tokens
    batches: list[BatchBill]


@dataclass(frozen=True)
class _Detail:
    bill: BatchBill
    hashes: bytes
    indexes: array[int]


class BillBook:
    """Bills of ended batches, each computed once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._details: dict[str, _Detail] = {}

    def billing(
        self, batches: list[MessageBatch], *, now: float, cache_of: Callable[[MessageBatch], PromptCache]
    ) -> Billing:
        """Return the bill of ``batches`` at ``now``; takes some 20 µs for each row that was not billed before."""
        details, bills, total = [], [], Tokens()
        for batch in batches:
            if not batch.has_ended(now):
                bills.append(_open_bill(batch, ended=False))
                continue
            if batch.id not in self._details:
                self._details[batch.id] = self._work_out(batch, cache_of(batch))
            detail = self._details[batch.id]
            details.append((batch, detail))
            bills.append(detail.bill)
            total.add(detail.bill.tokens)
        times = _times([detail for _, detail in details])
        repeated = {content: count for content, count in times.items() if count > 1}
        return Billing(
            rows_billed=sum(bill.rows_billed for bill in bills),
            distinct_contents=len(times),
            max_times_billed=max(times.values(), default=0),
            repeated_contents=len(repeated),
            repeated=_repeated(details, dict(list(repeated.items())[:MOST_REPEATED_LISTED])),
            tokens=total,
            batches=bills,
        )

    def _work_out(self, batch: MessageBatch, cache: PromptCache) -> _Detail:
        bill = _open_bill(batch, ended=True)
        # Flat arrays, so that a million billed rows take 24 MB and not a million objects.
        hashes, indexes = bytearray(), array("L")
        for row in result_rows(batch, seed=self._seed, cache=cache):
            if row.result["type"] != "succeeded":
                continue
            bill.rows_billed += 1
            bill.tokens.add(_tokens(row.result["message"]["usage"]))
            hashes += content_hash(batch.requests[row.index].params)
            indexes.append(row.index)
        return _Detail(bill, bytes(hashes), indexes)


def _open_bill(batch: MessageBatch, *, ended: bool) -> BatchBill:
    return BatchBill(
        batch_id=batch.id, workspace_id=batch.prepared.origin.workspace_id, requests=len(batch), ended=ended
    )


def _tokens(usage: dict[str, Any]) -> Tokens:
    return Tokens(**{name: usage[name] for name in Tokens.__struct_fields__})


def _contents(detail: _Detail) -> list[bytes]:
    return [detail.hashes[start : start + HASH_BYTES] for start in range(0, len(detail.hashes), HASH_BYTES)]


def _times(details: list[_Detail]) -> Counter[bytes]:
    times: Counter[bytes] = Counter()
    for detail in details:
        times.update(_contents(detail))
    return times


def _repeated(details: list[tuple[MessageBatch, _Detail]], times: dict[bytes, int]) -> list[RepeatedContent]:
    custom_ids: dict[bytes, list[str]] = {content: [] for content in times}
    if custom_ids:
        for batch, detail in details:
            for content, index in zip(_contents(detail), detail.indexes, strict=True):
                if content in custom_ids:
                    custom_ids[content].append(batch.requests[index].custom_id)
    return [
        RepeatedContent(content=content.hex(), times=count, custom_ids=custom_ids[content])
        for content, count in times.items()
    ]
