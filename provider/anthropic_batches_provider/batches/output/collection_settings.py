"""How to collect: what is added to the rows, which files are kept, and where the work is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from anthropic_batches_provider.batches.clock import Clock, SystemClock
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.output.column_choice import EVERY_COLUMN, ColumnChoice
from anthropic_batches_provider.batches.output.usage_rows import PublishedUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """How to collect.

    :param spool_folder: local folder with room for twice the results of one batch. It is created if it is missing,
        and left as empty as it was.
    :param include_message: add the whole message to each row.
    :param choice: which columns of the result each row has, and under which names.
    :param as_table: whether the output is a table: all rows have the same columns, each with one type.
    :param dead_letters: also write the rows that stay without a usable answer, with their requests.
    :param keep_requests: keep the job's request files, which hold the prompts.
    :param tries: names the tries of a task that collects its own job; else "".
    :param prices: the prices that hold for the requests, each looked up once.
    :param clock: gives the time and sleeps between attempts to fetch.
    :param moved: called whenever a part of a job is in place.
    :param told_usage: called with the usage by batch and model whenever an output is in place.
    """

    spool_folder: Path
    include_message: bool = False
    choice: ColumnChoice = EVERY_COLUMN
    as_table: bool = False
    dead_letters: bool = False
    keep_requests: bool = False
    tries: str = ""
    prices: PriceList = field(default_factory=PriceList, compare=False)
    clock: Clock = field(default_factory=SystemClock)
    moved: Callable[[], None] = lambda: None
    told_usage: Callable[[PublishedUsage], None] = lambda _: None
