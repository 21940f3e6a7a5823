"""What it takes to know what each row cost: pricing beyond decoding, and collecting with and without prices.

Everything runs in this process, without HTTP. The steps that are compared take turns, because a machine may be busier
at one time than at another.
"""

from __future__ import annotations

import gc
import json
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from anthropic_batches_provider.batches.collection import collect_job
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.money.cost_sums import CostSums
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.output.columns import RESULT_COLUMNS
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.usage import billed_usage
from tests.worlds.ended_jobs import NONCE, NOW, EndedJob, Service, ended_job, succeeded

ROWS = 1_000_000
_SHARDS = 10
_PRICED_ROWS = 200_000
_FEW_USAGES = 500
_CACHED_TOKENS = 5_000
_STEP = 100_000  # tokens of a prompt of claude-haiku-5-5, above which all of it is dearer


@dataclass(frozen=True)
class Kind:
    """A kind of requests to price.

    :param tokens: about how many tokens of plain input a request has.
    :param cached: how many it reads from the prompt cache.
    """

    title: str
    model: str
    tokens: int = 1_500
    cached: int = 0


KINDS = (
    Kind("one price", "claude-opus-5-5"),
    Kind("one price, reads from the cache", "claude-opus-5-5", cached=_CACHED_TOKENS),
    Kind("a step at 100,000 tokens, prompts below it", "claude-haiku-5-5"),
    Kind("a step at 100,000 tokens, prompts above it", "claude-haiku-5-5", tokens=3 * _STEP),
)


@dataclass(frozen=True)
class Collecting:
    """Collecting many rows with and without prices.

    :param without: CPU microseconds a row, without prices.
    :param shares: of each round: what it takes with prices, as a multiple of that.
    :param rows_usd: the sum of the column.
    :param job_usd: the cost in the manifest.
    """

    without: float
    shares: Sequence[float]
    rows_usd: Decimal
    job_usd: Decimal


@dataclass(frozen=True)
class Costs:
    """What was measured.

    :param rows: how many are collected.
    :param pricing: by kind, CPU microseconds a row: decoding the usage, and pricing it beyond that.
    :param collecting: by what differs from row to row.
    """

    rows: int
    pricing: dict[str, tuple[float, float]]
    collecting: dict[str, Collecting]


def measure(home: Path, rounds: int, rows: int = ROWS) -> Costs:
    """Measure everything.

    :param home: an existing folder.
    :raises RuntimeError: the rows do not add up to the job.
    """
    pricing = {kind.title: _pricing(kind, rounds) for kind in KINDS}
    collecting = {}
    for title, different in (("each row another", rows), (f"{_FEW_USAGES} different ones", _FEW_USAGES)):
        folder = home / str(different)
        folder.mkdir()
        collecting[title] = _collecting(title, _job(folder, rows, different), rounds, rows)
        shutil.rmtree(folder)
    return Costs(rows=rows, pricing=pricing, collecting=collecting)


def as_table(costs: Costs) -> list[str]:
    """Return the lines of two Markdown tables."""
    lines = ["| a row of a model with … | decoding its usage | pricing it |", "|---|---|---|"]
    lines += [f"| {kind} | {read:.2f} µs | {priced:.2f} µs |" for kind, (read, priced) in costs.pricing.items()]
    lines += [
        "", f"| usages of {costs.rows:,} rows | collecting without prices | with prices | sum of the rows | the job |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for title, found in costs.collecting.items():
        shares = sorted(found.shares)
        times = f"{median(shares):.2f} times that ({shares[0]:.2f} to {shares[-1]:.2f})"
        lines.append(f"| {title} | {found.without:.2f} µs a row | {times} | ${found.rows_usd} | ${found.job_usd} |")
    return lines


def _collecting(title: str, job: EndedJob, rounds: int, rows: int) -> Collecting:
    taken: list[tuple[float, float]] = []
    rows_usd = job_usd = Decimal(0)
    for number in range(rounds):
        seconds = {}
        for prices in (PriceList(), _NoPrices()) if number % 2 else (_NoPrices(), PriceList()):
            seconds[type(prices)], manifest = _collected(job, prices)
            if manifest.cost is not None and not job_usd:
                rows_usd, job_usd = _summed(job), Decimal(manifest.cost.cost_usd)
            shutil.rmtree(job.output)
        taken.append((seconds[PriceList], seconds[_NoPrices]))
        print(f"{title}: {taken[-1][0]:.2f} s with prices, {taken[-1][1]:.2f} s without", flush=True)
    if not 0 < rows_usd == job_usd:
        raise RuntimeError(f"The rows cost {rows_usd}, and the job {job_usd}.")
    without = median(without for _, without in taken) / rows * 1e6
    return Collecting(without, [priced / other for priced, other in taken], rows_usd, job_usd)


class _NoPrices(PriceList):
    """The prices where genai-prices is not installed."""

    def are_known(self) -> bool:
        return False


def _usages(kind: Kind, rows: int) -> Iterator[dict[str, Any]]:
    rolls = random.Random(kind.title)
    for _ in range(rows):
        yield {
            "input_tokens": rolls.randint(kind.tokens // 2, kind.tokens * 3 // 2), "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": kind.cached,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": rolls.randint(1, 400), "service_tier": "batch", "inference_geo": "global",
        }  # fmt: skip


def _pricing(kind: Kind, rounds: int) -> tuple[float, float]:
    """Return the microseconds of decoding a usage, and those of pricing it; the median of the rounds."""
    usages = [json.dumps(usage, separators=(",", ":")).encode() for usage in _usages(kind, _PRICED_ROWS)]
    decoded = [billed_usage(usage) for usage in usages]
    model = kind.model
    decoding: list[float] = []
    pricing: list[float] = []
    for _ in range(rounds):
        adder_for = CostSums(PriceList()).adders(NOW)  # as collecting does
        with _timed(decoding):
            for usage in usages:
                billed_usage(usage)
        with _timed(pricing):
            for billed in decoded:
                add, numbers = adder_for(model, billed)
                add(numbers)
    found = median(decoding) / _PRICED_ROWS * 1e6, median(pricing) / _PRICED_ROWS * 1e6
    print(f"{kind.title}: {found[0]:.2f} µs of decoding, {found[1]:.3f} µs of pricing", flush=True)
    return found


@contextmanager
def _timed(seconds: list[float]) -> Iterator[None]:
    """Note the CPU seconds of what runs; the garbage collector does not run meanwhile."""
    gc.collect()
    gc.disable()
    begun = time.process_time()
    try:
        yield
    finally:
        seconds.append(time.process_time() - begun)
        gc.enable()


class _FileService(Service):
    """Batches whose results lie in files, so that they take no memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def put(self, batch: MessageBatch, lines: Iterator[bytes]) -> None:
        """Keep a batch and its results."""
        self.batches[batch.id] = batch
        with (self._folder / batch.id).open("wb") as file:
            file.writelines(line + b"\n" for line in lines)

    @contextmanager
    def results(self, batch_id: str, /) -> Iterator[Iterator[bytes]]:
        with (self._folder / batch_id).open("rb") as file:
            yield iter(lambda: file.read(self.chunk_bytes), b"")


def _job(home: Path, rows: int, different: int) -> EndedJob:
    """Return a job of several batches that have ended.

    :param different: how many different usages each batch reports.
    """
    each = rows // _SHARDS
    columns = [[b'{"id":%d}' % (shard * each + row) for row in range(each)] for shard in range(_SHARDS)]
    job = ended_job(home, [()] * _SHARDS, columns, sealed={"result_columns": RESULT_COLUMNS})
    service = _FileService(home)
    kind = KINDS[0]
    for shard, batch in enumerate(job.service.batches.values()):
        usages = cycle(list(_usages(replace(kind, title=f"{kind.title} {shard}"), min(each, different))))
        lines = (
            succeeded(f"{NONCE}-{shard}-{shard * each + row}", "positive", model=kind.model, usage=usage)
            for row, usage in zip(range(each), usages, strict=False)
        )
        service.put(batch, lines)
    return replace(job, service=service)


def _collected(job: EndedJob, prices: PriceList) -> tuple[float, Manifest]:
    """Collect a job; return the CPU seconds and the manifest."""
    seconds: list[float] = []
    settings = replace(job.settings, prices=prices, keep_requests=True)
    with _timed(seconds):
        manifest = collect_job(job.folder, job.service, job.destination(), settings)
    return seconds[0], manifest


def _summed(job: EndedJob) -> Decimal:
    """Return the sum of the column, to the last digit."""
    total = Decimal(0)
    for path in sorted(job.output.glob("part-*")):
        with path.open() as lines:
            total += sum(json.loads(line, parse_float=Decimal)["cost_usd"] for line in lines)
    return total.normalize()
