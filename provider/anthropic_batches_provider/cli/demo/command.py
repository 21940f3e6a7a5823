"""The command: it runs the DAG, reports each step with its time, shows an answer, and says what to try next."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.cli.demo.airflow_runs import AirflowRunError, run_airflow
from anthropic_batches_provider.cli.demo.files import DemoFiles, make_files
from anthropic_batches_provider.cli.simulator_extra import check_simulator_extra
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.simulator import SimulatorControl, SimulatorServer

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BATCH_SECONDS = 3.0
_INTERRUPTED = 130


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the command; return the exit code.

    :param program: its name, for its help.
    """
    options = _parser(program).parse_args(arguments)
    check_simulator_extra()
    files = make_files(options.folder)
    try:
        with _interrupted_by_signals(), _simulator(options.port) as server:
            _run(files, server)
    except KeyboardInterrupt:
        print(f"\nInterrupted. All processes of the demo have ended. {_kept(files)}", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Label six product reviews with one task of a DAG, in an Airflow of its own, against a simulator "
        "of the API. It needs no key, spends nothing, and does not touch your own Airflow.",
    )
    parser.add_argument(
        "--folder", type=Path, help="a new or empty folder for all files (default: a new one among temporary files)"
    )
    parser.add_argument("--port", type=int, default=0, help="the simulator's port (default: a free one)")
    return parser


def _run(files: DemoFiles, server: SimulatorServer) -> None:
    print(
        "This runs a DAG of one task: six product reviews go in, six labels come out, in one message batch.\n"
        "It uses an Airflow of its own and a simulator of Anthropic's API. Nothing is billed.\n"
        f"All files: {files.folder}\n",
        flush=True,
    )
    steps = _Steps()
    connection = json.dumps({"conn_type": "anthropic_batches", "host": server.base_url, "password": server.api_key})
    steps.say(f"The simulator answers at {server.base_url}.")
    steps.say("Airflow creates its database …")
    run_airflow(["-m", "airflow", "db", "migrate"], files, connection)
    steps.done("The database is there")
    steps.say(f"Airflow runs the DAG {files.dag.stem} …")
    run_airflow([str(files.dag)], files, connection, meanwhile=_batch_watch(server.control, steps))
    steps.done("The DAG has run")
    published = files.published()
    if published is None:
        raise AirflowRunError(
            f"The DAG has run, but {files.output} holds no manifest. Read {files.log}. Nothing is billed, and the "
            "files are kept."
        )
    steps.say(f"{counted(published[0]['counts']['succeeded'], 'answer')}, {steps.total():.0f} s after the start.")
    _show(files, published[1])


class _Steps:
    """Prints lines with the seconds since the start, and how long each step took."""

    def __init__(self) -> None:
        self._start = self._step = time.monotonic()

    def total(self) -> float:
        return time.monotonic() - self._start

    def say(self, text: str) -> None:
        print(f"{self.total():6.1f} s  {text}", flush=True)

    def done(self, text: str) -> None:
        """Report the end of a step; the next one begins."""
        now = time.monotonic()
        self.say(f"{text}: this took {now - self._step:.1f} s.")
        self._step = now


def _batch_watch(control: SimulatorControl, steps: _Steps) -> Callable[[], None]:
    said: set[str] = set()

    def watch() -> None:
        for batch in control.billing().batches:
            requests = counted(batch.requests, "request")
            news = [f"The task has submitted a message batch of {requests}; it takes {_BATCH_SECONDS:.0f} s."]
            if batch.ended:
                news.append("The batch has ended; the task collects its results.")
            for text in news:
                if text not in said:
                    said.add(text)
                    steps.say(text)

    return watch


def _show(files: DemoFiles, rows: Sequence[dict[str, Any]]) -> None:
    parts = f"{shlex.quote(str(files.output))}/*/part-*.jsonl"
    print(
        f"\nOne answer, whole (the simulator invents its text; keys, columns and counts are real):\n"
        f"{json.dumps(rows[0], ensure_ascii=False, indent=2)}\n"
        "\nTry next:\n"
        f"  cat {parts}\n"
        "      all answers, one row for each review, in order\n"
        f"  cat {shlex.quote(str(files.dag))}\n"
        "      the DAG; with an API key in the connection and no host, it gets real answers\n"
        "  anthropic-batches simulator --port 8089 --batch-duration 5\n"
        "      a simulator for a DAG of your own\n"
        f"\n{_kept(files)}",
        flush=True,
    )


def _kept(files: DemoFiles) -> str:
    return f"The files are kept. Remove them with: rm -r {shlex.quote(str(files.folder))}"


@contextmanager
def _simulator(port: int) -> Iterator[SimulatorServer]:
    from anthropic_batches_provider.simulator import Settings, Simulator, SimulatorServer

    server = SimulatorServer(Simulator(settings=Settings(batch_duration=_BATCH_SECONDS)), port=port)
    try:
        server.start()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"The simulator cannot listen at 127.0.0.1, port {port}: {reason}. Choose another --port, or leave it out "
            "for a free one. Nothing was started."
        ) from error
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Turn signals that end a process into a KeyboardInterrupt, once: ending the demo must not be interrupted."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for again in _SIGNALS:
            signal.signal(again, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
