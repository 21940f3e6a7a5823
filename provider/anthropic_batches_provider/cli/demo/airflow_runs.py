"""Runs Airflow's commands in processes of their own, with a home of their own, and ends them however the demo ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from anthropic_batches_provider.cli.demo.files import DemoFiles
from anthropic_batches_provider.errors import MessageBatchesError

_LONGEST_SECONDS = 600.0
_BETWEEN_LOOKS_SECONDS = 0.2
_STOP_SECONDS = 5.0
_SHOWN_LINES = 15
_NOT_INHERITED = ("AIRFLOW", "_AIRFLOW", "ANTHROPIC_")  # settings and keys of the user's own Airflow
_SETTINGS = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # a deferred task waits for at least two of these
}


class AirflowRunError(MessageBatchesError):
    """A command of Airflow failed, or took too long."""


def run_airflow(
    arguments: Sequence[str], files: DemoFiles, connection: str, *, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Run Python with these arguments in the demo's own Airflow; its output goes to the log.

    :param connection: the Airflow connection ``anthropic_default``.
    :param meanwhile: called several times a second.
    :raises AirflowRunError: it failed; the message holds the end of the log.
    """
    with files.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own arguments
            [sys.executable, *arguments],
            cwd=files.folder,
            env=_environment(os.environ, files, connection),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends the whole group
        )
        try:
            _watch(process, files.log, meanwhile)
        finally:
            _end_group(process)
    if process.returncode:
        raise AirflowRunError(
            f"Airflow ended with exit code {process.returncode}. Read the end of {files.log}:\n{_end_of(files.log)}\n"
            "Nothing is billed, and the files are kept."
        )


def _watch(process: subprocess.Popen[bytes], log: Path, meanwhile: Callable[[], None]) -> None:
    until = time.monotonic() + _LONGEST_SECONDS
    while process.poll() is None:
        if time.monotonic() > until:
            raise AirflowRunError(
                f"Airflow has not ended after {_LONGEST_SECONDS:.0f} s. Read the end of {log}:\n{_end_of(log)}\n"
                "It was ended; nothing is billed, and the files are kept."
            )
        meanwhile()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_BETWEEN_LOOKS_SECONDS)
    meanwhile()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)


def _environment(inherited: Mapping[str, str], files: DemoFiles, connection: str) -> dict[str, str]:
    kept = {name: value for name, value in inherited.items() if not name.startswith(_NOT_INHERITED)}
    if "PYTHONPATH" in kept:  # relative entries would mean other folders there
        kept["PYTHONPATH"] = os.pathsep.join(
            str(Path(entry).absolute()) for entry in kept["PYTHONPATH"].split(os.pathsep)
        )
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (kept.get(name), "127.0.0.1")))
    return {
        **kept,
        **_SETTINGS,
        "AIRFLOW_HOME": str(files.airflow_home),
        "AIRFLOW_CONN_ANTHROPIC_DEFAULT": connection,
    }


def _end_of(log: Path) -> str:
    with log.open(encoding="utf-8", errors="replace") as lines:
        return "".join(deque(lines, _SHOWN_LINES)).rstrip()
