"""Says in the log what a collection cost, as the last lines of it."""

from __future__ import annotations

import logging

from anthropic_batches_provider.batches.money.dollars import pico_of, rounded_dollars
from anthropic_batches_provider.batches.money.job_cost import CostFigures, JobCost
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.usage import Usage, usage_from_dict

log = logging.getLogger(__name__)

_HEADER = ("model", "requests", "input", "output", "cache written", "cache read", "cost", "live price", "saved")


def tell_cost(manifest: Manifest) -> None:
    """Log a table of the cost by model, one record for each line; nothing if prices are not known."""
    cost = manifest.cost
    if cost is None:
        return
    for reason, requests in cost.unknown.items():
        log.info("The cost of %s is unknown: %s", counted(requests, "request"), reason)
    log.info("%s", _sentence(manifest.job or manifest.destination, cost))
    for line in cost_table(manifest.usage, cost):
        log.info("%s", line)


def cost_table(usage: dict[str, dict[str, int]], cost: JobCost) -> list[str]:
    """Return the lines of a Markdown table: tokens and cost by model, and their sums if there are several.

    :param usage: of the manifest.
    """
    used = usage_from_dict(usage)
    rows = [_HEADER, *(_row(model, used.get(model, Usage()), figures) for model, figures in cost.models.items())]
    if len(cost.models) != 1:
        rows.append(_row("all", sum(used.values(), Usage()), cost))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [[row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:])]


def _row(model: str, used: Usage, cost: CostFigures) -> tuple[str, ...]:
    tokens = (
        used.input_tokens,
        used.output_tokens,
        used.cache_creation_5m_input_tokens + used.cache_creation_1h_input_tokens,
        used.cache_read_input_tokens,
    )
    money = (cost.cost_usd, cost.live_usd, cost.saved_by_batch_usd)
    shown = (_rounded(each, cost) for each in money)
    return model, f"{cost.requests + cost.unknown_requests:,}", *(f"{number:,}" for number in tokens), *shown


def _sentence(what: str, cost: JobCost) -> str:
    sources = f" at the prices of {' and '.join(cost.prices)}" if cost.prices else ""
    told = f"Cost of {what}: {_rounded(cost.cost_usd, cost)}{sources}."
    cache = pico_of(cost.saved_by_cache_usd)
    if cache:
        told += f" The prompt cache {'saved' if cache > 0 else 'cost'} {rounded_dollars(abs(cache))}"
        told += "." if cache > 0 else " more than plain input."
    return told


def _rounded(dollars: str, cost: CostFigures) -> str:
    if cost.at_least and not cost.requests:
        return "unknown"
    return rounded_dollars(pico_of(dollars), at_least=cost.at_least)
