"""The demo from end to end, as a process of its own: what it prints, what it leaves, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import anthropic_batches_provider
from anthropic_batches_provider.cli import main
from anthropic_batches_provider.cli.demo import command
from anthropic_batches_provider.cli.demo.airflow_runs import run_airflow
from anthropic_batches_provider.simulator import SimulatorServer

SOURCE = Path(anthropic_batches_provider.__file__).parents[1]
DEMO = [sys.executable, "-m", "anthropic_batches_provider.cli", "demo"]


def environment(home: Path) -> dict[str, str]:
    """Return the environment of somebody who has an Airflow and a key, which the demo must not use."""
    return {
        **os.environ,
        "PYTHONPATH": os.path.relpath(SOURCE),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__ANTHROPIC_BATCHES__STORAGE": f"file://{home}/storage",
        "AIRFLOW_CONN_ANTHROPIC_DEFAULT": json.dumps({"conn_type": "anthropic_batches", "password": "sk-ant-mine"}),
        "ANTHROPIC_API_KEY": "sk-ant-mine",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }


def processes_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.heavy
@pytest.mark.timeout(400)
def test_the_demo_answers_six_reviews_and_touches_nothing_else(tmp_path: Path) -> None:
    home, folder = tmp_path / "my airflow", tmp_path / "the demo"
    home.mkdir()
    done = subprocess.run(
        [*DEMO, "--folder", str(folder)],
        capture_output=True, text=True, check=False, timeout=380, env=environment(home),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "Nothing is billed." in done.stdout
    assert len(re.findall(r"this took \d+\.\d s\.", done.stdout)) == 2
    assert re.search(r"6 answers, \d+ s after the start\.", done.stdout)
    assert "INFO" not in done.stdout
    shown = json.loads(done.stdout[done.stdout.index("{\n") : done.stdout.index("\n}\n") + 2])
    (part,) = folder.glob("output/*/part-*.jsonl")
    rows = [json.loads(line) for line in part.read_text().splitlines()]
    assert shown == rows[0]
    assert [(row["review_id"], row["result_type"]) for row in rows] == [(n, "succeeded") for n in range(1, 7)]
    assert {row["parsed"]["label"] for row in rows} <= {"positive", "neutral", "negative"}
    for shown_command in re.findall(r"^  (cat .*)$", done.stdout, re.MULTILINE):
        subprocess.run(shown_command, shell=True, check=True, stdout=subprocess.DEVNULL, timeout=10)  # noqa: S602
    assert f"rm -r '{folder}'" in done.stdout
    assert list(home.iterdir()) == []


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_and_says_where_the_files_are(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [*DEMO, "--folder", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path),
    ) as process:  # fmt: skip
        try:
            until = time.monotonic() + 60
            while not processes_in(folder) and time.monotonic() < until:
                time.sleep(0.1)
            assert processes_in(folder)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert (
        f"Interrupted. All processes of the demo have ended. The files are kept. Remove them with: rm -r {folder}"
        in errors
    )
    assert processes_in(folder) == []


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SimulatorServer() as server:
        port = server.base_url.rpartition(":")[2]
        assert main(["demo", "--folder", str(tmp_path / "demo"), "--port", port]) == 1
    error = capsys.readouterr().err
    assert f"cannot listen at 127.0.0.1, port {port}: Address already in use. Choose another --port" in error


def test_a_folder_with_files_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("keep")
    assert main(["demo", "--folder", str(tmp_path)]) == 1
    assert f"{tmp_path} has files already. Give --folder a new or an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["demo", "--folder", str(tmp_path / "file" / "demo")]) == 1
    error = capsys.readouterr().err
    assert f"cannot write to {tmp_path}/file/demo: Not a directory. Choose another folder with --folder" in error


def test_a_failure_of_airflow_shows_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(arguments: Any, files: Any, connection: str, **more: Any) -> None:
        run_airflow(["-c", "print('the last line'); raise SystemExit(3)"], files, connection, **more)

    monkeypatch.setattr(command, "run_airflow", failing)
    assert main(["demo", "--folder", str(tmp_path / "demo")]) == 1
    error = capsys.readouterr().err
    assert f"Airflow ended with exit code 3. Read the end of {tmp_path}/demo/airflow.log:\nthe last line" in error
    assert "Nothing is billed" in error
