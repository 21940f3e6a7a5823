"""How to collect: what goes along with the rows, and where and when the work is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from anthropic_batches_provider.batches.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """How to collect.

    :param spool_folder: local folder with room for the results of one batch twice over; made if it is not there, and
        left as empty as it was found.
    :param include_message: add the whole message to each row.
    :param keep_requests: leave the job's request files, which hold the prompts, where they are.
    :param tries: names the tries of the task that collects what it has submitted itself; else "".
    :param clock: tells the time and sleeps between attempts to fetch.
    :param moved: called whenever a part of a job is in place.
    """

    spool_folder: Path
    include_message: bool = False
    keep_requests: bool = False
    tries: str = ""
    clock: Clock = field(default_factory=SystemClock)
    moved: Callable[[], None] = lambda: None
