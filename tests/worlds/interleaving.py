"""Lets several attempts advance step by step in one thread, in any order that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from greenlet import getcurrent, greenlet

Step = Callable[[], None]


def interleave(attempts: Sequence[Callable[[Step], None]], turns: Iterable[int]) -> None:
    """Run attempts in turns: the first makes its number of steps, then the next, and so on in a circle.

    An attempt that has ended is left out. When there are no more turns, the attempts run to their ends one by one.

    :param attempts: each gets a function that it must call at each step: there another one may advance.
    :param turns: numbers of steps.
    """
    hub = getcurrent()

    def step() -> None:
        hub.switch()

    running = [greenlet(attempt) for attempt in attempts]
    for worker in running:
        worker.switch(step)  # to its first step
    waiting, limits = [worker for worker in running if not worker.dead], iter(turns)
    while waiting:
        worker = waiting.pop(0)
        for _ in _times(next(limits, None)):
            if worker.dead:
                break
            worker.switch()
        if not worker.dead:
            waiting.append(worker)


def _times(limit: int | None) -> Iterator[None]:
    """Yield so many times, or without an end."""
    done = 0
    while limit is None or done < limit:
        yield
        done += 1
