"""A schedule at work on an API in memory, in virtual time: its calls, and how long each batch goes unseen."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from anthropic_batches_provider.batches.client import Look
from anthropic_batches_provider.batches.watching.schedule import LookAtPage, Rest, Schedule
from tests.worlds.sightings import START, sighting

HOURS_OLD = START - 7200
PAGE = 1000
LATENCY = 0.1


def never(seconds: float) -> None:
    """A fault that never occurs."""


@dataclass
class Watched:
    """The record of a watch of some minutes.

    :ivar pages: moments of list calls, in seconds from the start.
    :ivar retrieved: moments of retrieve calls.
    """

    schedule: Schedule
    seen: dict[str, list[float]]
    pages: list[float] = field(default_factory=list)
    retrieved: list[float] = field(default_factory=list)

    def longest_gap(self, *, until: float) -> float:
        """Return the longest time for which a batch went unseen."""
        return max(
            later - earlier
            for moments in self.seen.values()
            for earlier, later in itertools.pairwise([0.0, *moments, until])
        )


def watch(
    names: Sequence[str],
    *,
    poll_interval: float,
    seconds: float,
    page_fault: Callable[[float], Exception | None] = never,
    each_fault: Callable[[float], Exception | None] = never,
) -> Watched:
    """Let a schedule watch batches that are hours old; each call takes a moment.

    :param page_fault: the error that a list call raises so many seconds after the start.
    :param each_fault: the same for a retrieve call.
    """
    schedule = Schedule(jitter=random.Random(1).random)
    views = {name: sighting(name, created=HOURS_OLD) for name in names}
    position = {name: number for number, name in enumerate(names)}
    watched = Watched(schedule, {name: [] for name in names})
    for name in names:
        schedule.add(name, poll_interval, START)
    now = START
    while (since := now - START) < seconds:
        step = schedule.next_step(now)
        if isinstance(step, Rest):
            now = step.until
            continue
        now += LATENCY
        if isinstance(step, LookAtPage):
            watched.pages.append(since)
            if error := page_fault(since):
                schedule.page_failed(error, now)
                continue
            begin = 0 if step.after_id is None else position[step.after_id] + 1
            found = names[begin : begin + PAGE]
            more = begin + PAGE < len(names)
            schedule.saw_page(
                Look(sightings=tuple(views[name] for name in found), next_page=found[-1] if more else None), now
            )
        else:
            watched.retrieved += [since] * len(step.batch_ids)
            error = each_fault(since)
            found = () if error else step.batch_ids
            failures = dict.fromkeys(step.batch_ids, error) if error else {}
            schedule.saw_each({name: Look(sightings=(views[name],)) for name in found}, failures, now)
        for name in found:
            watched.seen[name].append(now - START)
    return watched
