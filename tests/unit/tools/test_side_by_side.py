"""Targets run side by side: the output of each stays whole, a failure counts, and an interrupt leaves no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from airflow_stack.patience import patient

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[3]

# "slow" waits for the file that "late" writes, so that they end only if they run side by side.
MAKEFILE = f"""
PYTHON := {sys.executable}
slow:
\t@echo first of slow; until [ -f made ]; do sleep 0.05; done; echo last of slow
late:
\t@echo all of late; touch made
bad:
\t@echo reason; exit 3
after: made
\t@echo all of after
made:
\t@touch made
long:
\t@echo begin of long; '$(PYTHON)' leave.py; sleep 600
"""
LEAVE = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open("left", "w").write(str(left.pid))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "leave.py").write_text(LEAVE)
    return tmp_path


@contextmanager
def side_by_side(folder: Path, *lanes: str) -> Iterator[subprocess.Popen[str]]:
    """Yield the running program; end it in the end, whatever it does."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    environment = {**outer, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-m", "tools.side_by_side", *lanes], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as program:  # fmt: skip
        try:
            yield program
        finally:
            program.kill()


def outcome(folder: Path, *lanes: str) -> tuple[int, str]:
    with side_by_side(folder, *lanes) as program:
        output, _ = program.communicate(timeout=patient(60))
        return program.returncode, output


def test_lanes_run_side_by_side_and_each_output_stays_whole(folder: Path) -> None:
    code, output = outcome(folder, "slow", "late after")
    assert code == 0
    assert "first of slow\nlast of slow\n" in output
    assert output.index("all of late") < output.index("all of after")
    *_, slow, late, after, together = output.splitlines()
    assert [line.split()[0] for line in (slow, late, after, together)] == ["slow", "late", "after", "together"]
    assert all(line.endswith("min  ok") for line in (slow, late, after))


def test_a_failure_counts_and_ends_no_other_target(folder: Path) -> None:
    code, output = outcome(folder, "bad after", "late")
    assert code == 1
    assert "reason\n" in output
    assert "all of after\n" in output
    assert "all of late\n" in output
    assert output.splitlines()[-4].startswith("bad ")
    assert output.splitlines()[-4].endswith("FAILED with exit code 2"), "the exit code of make"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_no_process_outlives_it_however_it_ends(folder: Path, number: signal.Signals) -> None:
    with side_by_side(folder, "long", "slow") as program:
        assert until(lambda: (folder / "left").is_file() and (folder / "left").read_text() != "")
        left = psutil.Process(int((folder / "left").read_text()))
        started = [left, *psutil.Process(program.pid).children(recursive=True)]
        assert "make" in {name_of(process) for process in started}
        program.send_signal(number)
        output, _ = program.communicate(timeout=patient(60))
        if number != signal.SIGKILL:
            assert program.returncode == 128 + number
            assert f"==== ended by {number.name}\nbegin of long\n" in output
            assert not is_alive(left)
        assert until(lambda: not any(is_alive(process) for process in started))


def name_of(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:  # one of make's short-lived ones
        return ""


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
