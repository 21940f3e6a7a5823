"""What the simulator's bill is in dollars: an oracle that shares no code with the engine's own sums of money."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from genai_prices import Usage, calc_price

from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.service.result_lines import result_rows

US = Decimal("1.1")


class Billed(NamedTuple):
    """The usage of a row, as its result reports it."""

    model: str
    day: dt.date
    geography: str
    input_tokens: int
    writes_5m: int
    writes_1h: int
    reads: int
    output_tokens: int


def billed_rows(simulator: Simulator) -> Counter[Billed]:
    """Return the usage of all rows that were billed, with how many rows have it; all batches have ended."""
    return Counter(_billed(simulator))


def dollars(simulator: Simulator) -> Decimal:
    """Return what all batches cost at the prices of batches, by genai-prices, row by row."""
    return sum((times * _price(row) for row, times in billed_rows(simulator).items()), Decimal(0))


def _billed(simulator: Simulator) -> Iterator[Billed]:
    for batch in simulator.batches():
        day = dt.datetime.fromtimestamp(batch.created_at, dt.UTC).date()
        for row in result_rows(batch, seed=simulator.seed, cache=simulator.cache_of(batch)):
            if row.result["type"] == "succeeded":
                yield _row(row.result["message"], day)


def _row(message: dict[str, Any], day: dt.date) -> Billed:
    usage = message["usage"]
    written = usage["cache_creation"]
    return Billed(
        model=message["model"], day=day, geography=usage["inference_geo"], input_tokens=usage["input_tokens"],
        writes_5m=written["ephemeral_5m_input_tokens"], writes_1h=written["ephemeral_1h_input_tokens"],
        reads=usage["cache_read_input_tokens"], output_tokens=usage["output_tokens"],
    )  # fmt: skip


@lru_cache(maxsize=100_000)
def _price(row: Billed) -> Decimal:
    written = row.writes_5m + row.writes_1h
    usage = Usage(
        input_tokens=row.input_tokens + written + row.reads, cache_write_tokens=written,
        cache_write_1h_tokens=row.writes_1h, cache_read_tokens=row.reads, output_tokens=row.output_tokens,
    )  # fmt: skip
    at = dt.datetime.combine(row.day, dt.time(), dt.UTC)
    found = calc_price(
        usage, row.model, provider_id="anthropic", genai_request_timestamp=at,
        price_context={"processing": "batch"},
    )  # fmt: skip
    return found.total_price * (US if row.geography == "us" else 1)
