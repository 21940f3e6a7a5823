"""The processes of one stack: started in sessions of their own, marked, recorded, and ended by their ids.

Invariants: a process is ended only if it carries this stack's mark or descends from a process that does; never by its
name. ``stop`` leaves no process alive, whatever interrupts it. If the launcher dies before ``stop``, its guardian ends
the processes.
"""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from airflow_stack.guardian import guardian
from airflow_stack.patience import patient
from airflow_stack.process_table import NAME_MARK, STACK_MARK, StackError, descendants, end_all, marked

__all__ = ["Processes", "StackError", "end_leftovers"]

_POLL_SECONDS = 0.1


class Processes:
    """Starts, watches and ends the processes of one stack.

    :param home: where logs (``process-logs/NAME.log``) and the record of process ids (``processes.json``) go.
    :param environment: the whole environment of every process.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._home = home
        self._logs = home / "process-logs"
        self._mark = secrets.token_hex(16)
        self._environment = {**environment, STACK_MARK: self._mark}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start ``command`` in a session of its own, so that Ctrl-C reaches only the launcher."""
        if name in self._running:
            raise StackError(f"{name} is already started")
        self._logs.mkdir(parents=True, exist_ok=True)
        guardian().watch_mark(self._mark)
        self._record()  # the mark is on disk before the first process carries it
        with self.log_file(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                cwd=self._home,
                env={**self._environment, NAME_MARK: name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._record()

    def run(self, name: str, command: Sequence[str], timeout: float) -> None:
        """Run ``command`` to completion.

        :param timeout: in seconds, on a machine of ordinary speed (:func:`~airflow_stack.patience.patient`).
        :raises StackError: it failed or took longer than ``timeout``; the message shows the end of its log.
        """
        self.start(name, command)
        timeout = patient(timeout)
        try:
            code = self._running[name].wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill(name)
            raise StackError(f"{name} took longer than {timeout:.0f} s.\n{self.log_tail(name)}") from None
        del self._running[name]
        if code:
            raise StackError(f"{name} ended with exit code {code}.\n{self.log_tail(name)}")

    def kill(self, name: str) -> None:
        """SIGKILL the process, all its descendants and every process that it left behind, and forget it."""
        process = self._running.pop(name)
        end_all(lambda: {**descendants([process.pid]), **marked(self._mark, name)}, [process])
        self._record()

    def suspend(self, name: str) -> None:
        """SIGSTOP the process and all its descendants: they live, but do not run, until :meth:`resume`."""
        for process in descendants([self._running[name].pid]).values():
            process.suspend()

    def resume(self, name: str) -> None:
        """SIGCONT the process and all its descendants."""
        for process in descendants([self._running[name].pid]).values():
            process.resume()

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the processes that should be running, oldest first."""
        return [name for name in self._running if name.startswith(prefix)]

    def check(self) -> None:
        """Raise a StackError with the end of the log if a process has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise StackError(f"{name} ended with exit code {process.returncode}.\n{self.log_tail(name)}")

    def members(self) -> list[psutil.Process]:
        """Return all living processes of this stack, including descendants."""
        return list(self._members().values())

    def stop(self, grace: float = 2.0) -> None:
        """SIGTERM all, wait up to ``grace`` seconds, SIGKILL the rest."""
        try:
            self._terminate(grace)
        finally:
            end_all(self._members, list(self._running.values()))
            self._running.clear()
            (self._home / "processes.json").unlink(missing_ok=True)

    def log_file(self, name: str) -> Path:
        """Return the file that receives the output of the process ``name``."""
        return self._logs / f"{name}.log"

    def log_tail(self, name: str, lines: int = 30) -> str:
        """Return the last lines of a process's output, headed by the file's path."""
        file = self.log_file(name)
        text = file.read_text(errors="replace") if file.exists() else ""
        return "\n".join([f"--- end of {file}", *text.splitlines()[-lines:]])

    def _members(self) -> dict[int, psutil.Process]:
        return {**descendants([process.pid for process in self._running.values()]), **marked(self._mark)}

    def _terminate(self, grace: float) -> None:
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and any(process.poll() is None for process in self._running.values()):
            time.sleep(_POLL_SECONDS)

    def _record(self) -> None:
        record = {
            "mark": self._mark,
            "launcher": {"pid": os.getpid(), "created": psutil.Process().create_time()},
            "processes": {name: process.pid for name, process in self._running.items()},
        }
        file = self._home / "processes.json"
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(record, indent=2))
        draft.replace(file)


def end_leftovers(home: Path) -> int:
    """End the processes that a killed launcher left running under ``home``; return how many there were.

    :raises StackError: the launcher is alive, so these processes are not leftovers.
    """
    try:
        record: dict[str, Any] = json.loads((home / "processes.json").read_text())
    except FileNotFoundError:
        return 0
    launcher = record["launcher"]
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(launcher["pid"]).create_time() == launcher["created"]:
            raise StackError(f"{home} is in use by process {launcher['pid']}; end that process first")
    leftovers = marked(record["mark"])
    end_all(lambda: marked(record["mark"]), [])
    (home / "processes.json").unlink()
    return len(leftovers)
