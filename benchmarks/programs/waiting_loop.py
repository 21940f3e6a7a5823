"""An event loop that is watched without a task of its own: how long its turns take, and how late its timers fire."""

from __future__ import annotations

import asyncio
import gc
import resource
import selectors
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.waiting.measured import LoopUse

_BEAT_SECONDS = 0.02
_MEMORY_BEATS = 50
_FULL = 2  # the generation of a full collection


class WatchedLoop(asyncio.SelectorEventLoop):
    """A loop whose turns are timed."""

    def __init__(self) -> None:
        self.turns = TurnTimer()
        super().__init__(self.turns)


class TurnTimer(selectors.DefaultSelector):
    """The loop's selector: the work of its thread between two calls of :meth:`select` is one turn.

    All figures are seconds of the thread's processor time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.collecting = 0.0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the longest turns."""
        self.longest = self.longest_without_collections = 0.0
        self._began, self._collecting_before = time.thread_time(), self.collecting

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        turn = time.thread_time() - self._began
        collecting = self.collecting - self._collecting_before
        self.longest = max(self.longest, turn)
        self.longest_without_collections = max(self.longest_without_collections, turn - collecting)
        ready = super().select(timeout)
        self._began, self._collecting_before = time.thread_time(), self.collecting
        return ready


class LoopWatch:
    """A context manager that watches the process and its running loop; ``use`` holds the figures."""

    use: LoopUse

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, WatchedLoop)
        self._loop = loop
        self._thread = threading.get_ident()
        self._stall = self._stall_without_collections = 0.0
        self._collecting_since = (0.0, 0.0)  # processor time and wall clock
        self._collecting = 0.0  # by the wall clock, since the last beat
        self._beats = self._collections = 0

    def __enter__(self) -> Self:
        self._memory = self._most_memory = _resident_bytes()
        gc.callbacks.append(self._collects)
        self._loop.turns.begin_anew()
        self._cpu = _cpu_seconds()
        self._timer = self._loop.call_later(_BEAT_SECONDS, self._beat)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        cpu = _cpu_seconds() - self._cpu
        self._timer.cancel()
        gc.callbacks.remove(self._collects)
        self.use = LoopUse(
            cpu=cpu,
            memory=max(self._most_memory, _resident_bytes()) - self._memory,
            stall=self._stall,
            stall_without_collections=self._stall_without_collections,
            turn=self._loop.turns.longest,
            turn_without_collections=self._loop.turns.longest_without_collections,
            collections=self._collections,
        )

    def _beat(self) -> None:
        late = self._loop.time() - self._timer.when()
        self._stall = max(self._stall, late)
        self._stall_without_collections = max(self._stall_without_collections, late - self._collecting)
        self._collecting = 0.0
        self._beats += 1
        if self._beats % _MEMORY_BEATS == 0:
            self._most_memory = max(self._most_memory, _resident_bytes())
        self._timer = self._loop.call_later(_BEAT_SECONDS, self._beat)

    def _collects(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_since = time.thread_time(), time.monotonic()
            return
        self._collections += info["generation"] == _FULL
        processor, wall = self._collecting_since
        self._collecting += time.monotonic() - wall  # a collection in another thread delays the loop, too
        if threading.get_ident() == self._thread:
            self._loop.turns.collecting += time.thread_time() - processor


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
