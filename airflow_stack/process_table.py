"""Finds processes by their parent or by the mark in their environment, and ends them.

Invariant: a process is found by its id, its parents and its mark, never by its name.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import psutil

STACK_MARK = "AIRFLOW_STACK_MARK"
NAME_MARK = "AIRFLOW_STACK_PROCESS"
_PAUSE_SECONDS = 0.05


class StackError(RuntimeError):
    """A process of the stack ended, or did not do its work in time."""


def descendants(pids: Sequence[int]) -> dict[int, psutil.Process]:
    """Return the living processes with these ids and all their descendants, by id."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            found.update({process.pid: process for process in [parent, *parent.children(recursive=True)]})
    return {pid: process for pid, process in found.items() if _is_alive(process)}


def marked(mark: str, name: str | None = None) -> dict[int, psutil.Process]:
    """Return the living processes that carry a stack's mark, and the ``name`` if one is given, by id."""
    return {process.pid: process for process in _with_mark(mark, name)}


def _with_mark(mark: str, name: str | None) -> Iterator[psutil.Process]:
    """Read the mark in the environments: a subprocess may have left its session, its group and its parent."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            variables = process.environ()
            if variables.get(STACK_MARK) == mark and name in (None, variables.get(NAME_MARK)):
                yield process


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end_all(find: Callable[[], Mapping[int, psutil.Process]], children: Sequence[subprocess.Popen[bytes]]) -> None:
    """SIGKILL the processes that ``find`` finds until it finds none: a process may fork during the search.

    :raises StackError: some are alive after ten seconds.
    """
    deadline = time.monotonic() + 10
    while living := find():
        if time.monotonic() > deadline:
            raise StackError(f"Could not end these processes: {sorted(living)}; end them manually")
        for process in living.values():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for child in children:
            child.poll()
        time.sleep(_PAUSE_SECONDS)
    for child in children:
        child.wait()
