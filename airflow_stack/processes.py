"""The processes of one stack: started apart from the terminal, marked, recorded, and ended by their ids.

Invariants: a process is ended only if it carries this stack's mark or descends from one that does; never by its name.
``stop`` leaves none alive, whatever interrupts it.
"""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

_STACK_MARK = "AIRFLOW_STACK_MARK"
_NAME_MARK = "AIRFLOW_STACK_PROCESS"
_POLL_SECONDS = 0.1


class StackError(RuntimeError):
    """A process of the stack ended, or did not do its work in time."""


class Processes:
    """Starts, watches and ends the processes of one stack.

    :param home: where logs (``process-logs/NAME.log``) and the record of process ids (``processes.json``) go.
    :param environment: the whole environment of every process.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._home = home
        self._logs = home / "process-logs"
        self._mark = secrets.token_hex(16)
        self._environment = {**environment, _STACK_MARK: self._mark}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start ``command`` in a session of its own, so that a Ctrl-C reaches only the launcher."""
        if name in self._running:
            raise StackError(f"{name} has been started already")
        self._logs.mkdir(parents=True, exist_ok=True)
        self._record()  # the mark is on disk before the first process carries it
        with self.log_file(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                cwd=self._home,
                env={**self._environment, _NAME_MARK: name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._record()

    def run(self, name: str, command: Sequence[str], timeout: float) -> None:
        """Run ``command`` to its end.

        :raises StackError: it failed or took longer than ``timeout`` seconds; the message shows its log's end.
        """
        self.start(name, command)
        try:
            code = self._running[name].wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill(name)
            raise StackError(f"{name} took longer than {timeout:.0f} s.\n{self.log_tail(name)}") from None
        del self._running[name]
        if code:
            raise StackError(f"{name} ended with exit code {code}.\n{self.log_tail(name)}")

    def kill(self, name: str) -> None:
        """SIGKILL the process, all its descendants and all that it left behind, and forget it."""
        process = self._running.pop(name)
        _end(lambda: {**_descendants([process.pid]), **_marked(self._mark, name)}, [process])
        self._record()

    def suspend(self, name: str) -> None:
        """SIGSTOP the process and all its descendants: alive, but without any time, until :meth:`resume`."""
        for process in _descendants([self._running[name].pid]).values():
            process.suspend()

    def resume(self, name: str) -> None:
        """SIGCONT the process and all its descendants."""
        for process in _descendants([self._running[name].pid]).values():
            process.resume()

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the processes that should be running, oldest first."""
        return [name for name in self._running if name.startswith(prefix)]

    def check(self) -> None:
        """Raise a StackError with the log's end if a process has ended that nobody ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise StackError(f"{name} ended with exit code {process.returncode}.\n{self.log_tail(name)}")

    def members(self) -> list[psutil.Process]:
        """Return all living processes of this stack, descendants included."""
        return list(self._members().values())

    def stop(self, grace: float = 2.0) -> None:
        """SIGTERM all, wait up to ``grace`` seconds, SIGKILL the rest."""
        try:
            self._terminate(grace)
        finally:
            _end(self._members, list(self._running.values()))
            self._running.clear()
            (self._home / "processes.json").unlink(missing_ok=True)

    def log_file(self, name: str) -> Path:
        """Return the file that gets the output of the process ``name``."""
        return self._logs / f"{name}.log"

    def log_tail(self, name: str, lines: int = 30) -> str:
        """Return the last lines of a process's output, headed by the file's path."""
        file = self.log_file(name)
        text = file.read_text(errors="replace") if file.exists() else ""
        return "\n".join([f"--- end of {file}", *text.splitlines()[-lines:]])

    def _members(self) -> dict[int, psutil.Process]:
        return {**_descendants([process.pid for process in self._running.values()]), **_marked(self._mark)}

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
    """End what a launcher that was killed left running under ``home``; return how many processes that was.

    :raises StackError: the launcher is alive, so these are no leftovers.
    """
    try:
        record: dict[str, Any] = json.loads((home / "processes.json").read_text())
    except FileNotFoundError:
        return 0
    launcher = record["launcher"]
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(launcher["pid"]).create_time() == launcher["created"]:
            raise StackError(f"{home} is in use by process {launcher['pid']}")
    leftovers = _marked(record["mark"])
    _end(lambda: _marked(record["mark"]), [])
    (home / "processes.json").unlink()
    return len(leftovers)


def _descendants(pids: Sequence[int]) -> dict[int, psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            found.update({process.pid: process for process in [parent, *parent.children(recursive=True)]})
    return {pid: process for pid, process in found.items() if _is_alive(process)}


def _marked(mark: str, name: str | None = None) -> dict[int, psutil.Process]:
    return {process.pid: process for process in _all_marked(mark, name)}


def _all_marked(mark: str, name: str | None) -> Iterator[psutil.Process]:
    """Look the mark up in the environments: a subprocess may have left its session, its group and its parent."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            variables = process.environ()
            if variables.get(_STACK_MARK) == mark and name in (None, variables.get(_NAME_MARK)):
                yield process


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(find: Callable[[], Mapping[int, psutil.Process]], children: Sequence[subprocess.Popen[bytes]]) -> None:
    """SIGKILL what ``find`` finds until it finds nothing: a process may fork while it is being looked for."""
    deadline = time.monotonic() + 10
    while living := find():
        if time.monotonic() > deadline:
            raise StackError(f"These processes cannot be ended: {sorted(living)}")
        for process in living.values():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for child in children:
            child.poll()
        time.sleep(_POLL_SECONDS / 2)
    for child in children:
        child.wait()
