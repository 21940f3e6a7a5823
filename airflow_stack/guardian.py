"""Ends what a launcher leaves behind when it dies without cleaning up: processes, databases, temporary folders.

A guardian is a process of its own. Its standard input is a pipe whose other end only the launcher holds, so that it
reads the end of the stream once the launcher is gone, however it died, even by SIGKILL. Invariant: it acts only then,
and only on the marks and folders that it was asked to watch.
"""

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from airflow_stack.process_table import NAME_MARK, STACK_MARK, descendants, end_all, marked

_QUIT_SECONDS = 5
_POSTMASTER = "postmaster.pid"  # PostgreSQL's file in its folder; the first line is its process id


class Guardian:
    """Starts the guarding process of this launcher, and names the marks and folders to watch."""

    def __init__(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow_stack.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[1],
            # Without the marks that this launcher may carry: its own launcher ends all that carries them.
            env={name: value for name, value in os.environ.items() if name not in (STACK_MARK, NAME_MARK)},
            start_new_session=True,  # a Ctrl-C reaches only the launcher
            text=True,
        )
        if process.stdin is None:
            raise RuntimeError("The guardian has no standard input.")
        self._watched = process.stdin
        atexit.register(self._dismiss, process)

    def watch_mark(self, mark: str) -> None:
        """End every process with this mark in its environment once the launcher is gone."""
        self._say(f"mark {mark}")

    def watch_folder(self, folder: Path) -> None:
        """Remove the folder once the launcher is gone; first end the PostgreSQL that runs in it, if one does."""
        self._say(f"folder {folder}")

    @staticmethod
    def _dismiss(process: subprocess.Popen[str]) -> None:
        """Let the guardian end with its launcher."""
        with suppress(OSError, subprocess.TimeoutExpired):
            process.communicate(timeout=10)

    def _say(self, line: str) -> None:
        self._watched.write(f"{line}\n")
        self._watched.flush()


def guardian() -> Guardian:
    """Return the guardian of this process; a forked child has its own."""
    return _guardian_of(os.getpid())


@functools.cache
def _guardian_of(pid: int) -> Guardian:
    return Guardian()


def clean_up(watched: Iterable[str]) -> None:
    """End and remove everything that the lines name."""
    tasks = [line.rstrip("\n").partition(" ") for line in watched]
    for kind, _, mark in tasks:
        if kind == "mark":
            end_all(functools.partial(marked, mark), [])
    for kind, _, folder in tasks:
        if kind == "folder":
            _end_postgres(Path(folder))
            shutil.rmtree(folder, ignore_errors=True)


def _end_postgres(folder: Path) -> None:
    with suppress(OSError, ValueError, psutil.Error):
        pid = int((folder / _POSTMASTER).read_text().split()[0])
        server = psutil.Process(pid)
        if str(folder) in server.cmdline():  # the id may belong to another process by now
            server.send_signal(signal.SIGQUIT)  # it ends at once, and removes its shared memory, as a kill does not
            with suppress(psutil.TimeoutExpired):
                server.wait(timeout=_QUIT_SECONDS)
            end_all(functools.partial(descendants, [pid]), [])


def main() -> None:
    """Read what to watch until the launcher is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    clean_up(sys.stdin.readlines())


if __name__ == "__main__":
    main()
