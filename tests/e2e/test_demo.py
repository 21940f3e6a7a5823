"""``python -m demo`` as a user runs it: to its end, and interrupted."""

from __future__ import annotations

import os
import re
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

pytestmark = [pytest.mark.e2e, pytest.mark.long]

ROOT = Path(__file__).parents[2]
_SECONDS = 400.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "demo", *arguments]


@contextmanager
def demonstration(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a demonstration that uses this folder for temporary files; end it if the test has not."""
    process = subprocess.Popen(
        command("--batch-seconds", "2"), cwd=ROOT, env=environment(temporary), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=patient(60))


def environment(temporary: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}


def those_that_name(text: str) -> list[psutil.Process]:
    """Return the processes whose arguments or environment name a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(text in value for value in (*process.cmdline(), process.environ().get("AIRFLOW_HOME", ""))):
                found.append(process)
        except psutil.Error:
            continue
    return found


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_it_ends_with_an_answer_files_that_exist_and_commands_that_work(tmp_path: Path) -> None:
    with demonstration(tmp_path) as process:
        out = process.communicate(timeout=patient(_SECONDS))[0]
    assert process.returncode == 0, out
    assert re.findall(r"Step (\d) took", out) == ["1", "2", "3"]
    assert "240 in 5 message batches" in out
    assert "240 requests by the simulator, each once; real money: none" in out
    assert '"passage_id":' in out
    (home,) = tmp_path.glob("anthropic-batches-demo-*")
    assert those_that_name(str(home)) == []
    first, manifest, _ = re.findall(r"^  (\S.*)\n      ", out.partition("Try next:")[2], re.MULTILINE)
    for pasted in (first, manifest):
        assert subprocess.run(pasted, shell=True, check=True, capture_output=True).stdout  # noqa: S602
    cleaned = subprocess.run(command("--clean"), cwd=ROOT, env=environment(tmp_path), check=True, capture_output=True)
    assert str(home).encode() in cleaned.stdout
    assert not home.exists()


def test_ctrl_c_leaves_no_process_and_says_where_the_files_are(tmp_path: Path) -> None:
    with demonstration(tmp_path) as process:
        assert until(lambda: bool(list(tmp_path.glob("anthropic-batches-demo-*/airflow/processes.json"))), 120)
        (home,) = tmp_path.glob("anthropic-batches-demo-*")
        assert until(lambda: bool(those_that_name(str(home))), 60)
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=patient(60))[0]
    assert process.returncode == 130, out
    assert f"All files are kept in {home}" in out
    assert until(lambda: those_that_name(str(home)) == [], 10)
