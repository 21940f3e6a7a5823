"""The bill: succeeded rows of ended batches, their tokens, and requests that were billed more than once."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.service.billed_requests import BilledRows, RepeatedRequest, count_requests
from anthropic_batches_provider.simulator.service.prompt_caching import PromptCache
from anthropic_batches_provider.simulator.service.result_lines import result_rows
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch


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


class Billing(msgspec.Struct, kw_only=True):
    """The bill of all batches since the start or the last reset, including deleted ones.

    :param rows_billed: more than ``distinct_requests`` if something was paid for twice.
    :param distinct_requests: how many different requests were billed; equal contents of one job are different requests.
    :param distinct_contents: how many different params were billed, whatever their custom_ids and cache marks.
    :param max_times_billed: how often the most billed request was billed: 1 for a careful client, 0 if none was billed.
    :param repeated_requests: how many requests were billed more than once.
    :param repeated: the first 100 of them.
    """

    rows_billed: int
    distinct_requests: int
    distinct_contents: int
    max_times_billed: int
    repeated_requests: int
    repeated: list[RepeatedRequest]
    tokens: Tokens
    batches: list[BatchBill]


class BillBook:
    """Bills of ended batches, each computed once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bills: dict[str, tuple[BatchBill, BilledRows]] = {}

    def billing(
        self, batches: list[MessageBatch], *, now: float, cache_of: Callable[[MessageBatch], PromptCache]
    ) -> Billing:
        """Return the bill of ``batches`` at ``now``; takes some 20 µs for each row that was not billed before."""
        billed, bills, total = [], [], Tokens()
        for batch in batches:
            if not batch.has_ended(now):
                bills.append(_open_bill(batch, ended=False))
                continue
            if batch.id not in self._bills:
                self._bills[batch.id] = self._work_out(batch, cache_of(batch))
            bill, rows = self._bills[batch.id]
            billed.append(rows)
            bills.append(bill)
            total.add(bill.tokens)
        counts = count_requests(billed)
        return Billing(
            rows_billed=sum(bill.rows_billed for bill in bills),
            distinct_requests=counts.distinct_requests,
            distinct_contents=counts.distinct_contents,
            max_times_billed=counts.max_times_billed,
            repeated_requests=counts.repeated_requests,
            repeated=counts.repeated,
            tokens=total,
            batches=bills,
        )

    def _work_out(self, batch: MessageBatch, cache: PromptCache) -> tuple[BatchBill, BilledRows]:
        bill, indexes = _open_bill(batch, ended=True), array("L")
        for row in result_rows(batch, seed=self._seed, cache=cache):
            if row.result["type"] == "succeeded":
                bill.tokens.add(_tokens(row.result["message"]["usage"]))
                indexes.append(row.index)
        bill.rows_billed = len(indexes)
        return bill, BilledRows.of(batch, indexes)


def _open_bill(batch: MessageBatch, *, ended: bool) -> BatchBill:
    return BatchBill(
        batch_id=batch.id, workspace_id=batch.prepared.origin.workspace_id, requests=len(batch), ended=ended
    )


def _tokens(usage: dict[str, Any]) -> Tokens:
    return Tokens(**{name: usage[name] for name in Tokens.__struct_fields__})
