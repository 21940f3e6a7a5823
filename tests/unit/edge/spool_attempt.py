"""Attempts with a spool, in processes of their own, forked from one that has imported Airflow already."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from anthropic_batches_provider.edge.configuration import SPOOL
from anthropic_batches_provider.edge.spools import task_spool
from tests.worlds.forkserver import forkserver

LONGEST_START = 60  # seconds
_PROCESSES = forkserver(__name__, "airflow.configuration")


class Attempt:
    """A process that has a folder, writes a file into it, and lives until it is ended or killed.

    :param scratch: the folder of all spools.
    :param forks: it has a child: one that lives as long as the process would, or one that leaves at once.
    :ivar folder: the attempt's own.
    :ivar child: process id of its child.
    """

    def __init__(self, scratch: Path, forks: str = "") -> None:
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_live, args=(theirs, str(scratch), forks))
        self._process.start()
        theirs.close()

    def wait_until_it_lives(self) -> Attempt:
        assert self._pipe.poll(LONGEST_START), "the attempt did not start"
        folder, self.child = self._pipe.recv()
        self.folder = Path(folder)
        return self

    def end(self) -> int | None:
        """Let it leave its folder, and return its exit code."""
        self._pipe.send("leave")
        self._process.join()
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def left_by(killed: Attempt) -> Path:
    """Return the folder that a killed attempt leaves."""
    killed.wait_until_it_lives().kill()
    assert (killed.folder / "requests-00000.jsonl").read_text() == "prompts"
    return killed.folder


@contextmanager
def attempts_in(scratch: Path) -> Iterator[Attempts]:
    started = Attempts(scratch)
    try:
        yield started
    finally:
        for attempt in started.all:
            attempt.kill()


class Attempts:
    """Starts attempts with the same spool."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self.all: list[Attempt] = []

    def start(self, forks: str = "") -> Attempt:
        self.all.append(Attempt(self._scratch, forks))
        return self.all[-1]


def _live(pipe: Connection, scratch: str, forks: str) -> None:
    os.environ[f"AIRFLOW__ANTHROPIC_BATCHES__{SPOOL.name.upper()}"] = scratch
    with task_spool() as folder:
        (folder / "requests-00000.jsonl").write_text("prompts")
        child = os.fork() if forks else None
        if child == 0 and forks == "one that leaves":
            sys.exit()  # runs every `finally` on its way, the folder's too
        if child and forks == "one that leaves":
            os.waitpid(child, 0)
        if child != 0:
            pipe.send((str(folder), child))
        pipe.recv()
