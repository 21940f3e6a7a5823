"""The demonstration says how long its steps take, shows an answer whole, keeps its files, and names what exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from demo import __main__ as program
from demo.files import new_home, remove_homes
from demo.progress import Progress
from demo.summary import Output, answer_lines, next_lines, read_output, shortcomings, summary_lines

ROOT = Path(__file__).parents[3]


def row(number: int, result_type: str = "succeeded") -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 2}
    text = f"answer {number} " + "and all of it " * 40
    return {"passage_id": f"p-{number}", "result_type": result_type, "text": text, "usage": usage}


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """Return an output of five rows in two parts, as the DAG writes it, in a folder whose path has odd letters."""
    folder = tmp_path / "my demo" / "manual__2026-03-14T00:00:00+00:00"
    folder.mkdir(parents=True)
    for part, numbers in enumerate((range(3), range(3, 5))):
        lines = [json.dumps(row(number, "errored" if number == 4 else "succeeded")) for number in numbers]
        (folder / f"part-{part:05d}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "_manifest.json").write_text(json.dumps({"batch_ids": ["msgbatch_1", "msgbatch_2"]}))
    return read_output(tmp_path)


def commands(output: Output) -> list[str]:
    return [line.strip() for line in next_lines(output, ROOT) if re.match(r"  \S", line)]


def test_each_step_is_told_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    clock = count(0, 2)  # each reading of the clock takes two seconds
    progress = Progress(steps=2, seconds=lambda: next(clock))
    for text in ("Start", "Run"):
        with progress.step(text):
            pass
    assert capsys.readouterr().out.splitlines() == [
        "   4.0 s  Step 1 of 2: Start",
        "   8.0 s  Step 1 took 4.0 s",
        "  12.0 s  Step 2 of 2: Run",
        "  16.0 s  Step 2 took 4.0 s",
    ]
    assert [line.split() for line in progress.summary_lines()] == [
        ["times", "4.0", "s", "Start"],
        ["4.0", "s", "Run"],
        ["18.0", "s", "in", "total"],
    ]


def test_a_step_that_fails_has_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(steps=1)
    with pytest.raises(OSError, match="no disk"), progress.step("Start"):
        raise OSError("no disk")
    assert "took" not in capsys.readouterr().out


def test_the_summary_shows_counts_and_files_that_exist(output: Output) -> None:
    text = "\n".join(summary_lines(5, output, None))
    assert "5 in 2 message batches" in text
    assert "4 succeeded, 1 errored" in text
    assert "50 input, 10 output" in text
    paths = re.findall(r"(/\S.*?\.jsonl?)(?: \(|$)", text, re.MULTILINE)
    assert len(paths) == 3
    assert all(Path(path).is_file() for path in paths)
    assert shortcomings(5, output, None) == []


def test_one_answer_is_shown_whole(output: Output) -> None:
    title, answer = answer_lines(output, is_simulated=True)
    assert "the simulator invents the labels" in title
    assert json.loads(answer) == row(0)


def test_rows_that_are_missing_are_told(output: Output) -> None:
    assert shortcomings(6, output, None) == ["6 rows went in and 5 came out"]


def test_three_commands_come_last(output: Output) -> None:
    assert len(commands(output)) == 3
    assert list(next_lines(output, ROOT))[-2].strip() == commands(output)[-1]


@pytest.mark.heavy
def test_the_commands_work_as_they_are_pasted(output: Output, tmp_path: Path) -> None:
    first, manifest, again = (
        subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout  # noqa: S602
        for command in (*commands(output)[:2], commands(output)[2].replace("make ", "make --dry-run ", 1))
    )
    assert [json.loads(line)["passage_id"] for line in first.splitlines()] == ["p-0", "p-1", "p-2"]
    assert json.loads(manifest) == {"batch_ids": ["msgbatch_1", "msgbatch_2"]}
    assert "-m demo --ui\n" in again


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def used_by(home: Path, launcher: psutil.Process) -> None:
    """Let a folder be one that a demonstration uses."""
    (home / "airflow").mkdir()
    record = {
        "mark": "0" * 32,
        "launcher": {"pid": launcher.pid, "created": launcher.create_time()},
        "processes": {},
    }
    (home / "airflow" / "processes.json").write_text(json.dumps(record))


def test_files_are_kept_until_they_are_cleaned_away(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = new_home()
    (first / "output").mkdir()
    second, others = new_home(), temporary / "somebody-elses"
    others.mkdir()
    assert first.is_dir()
    assert program.main(["--clean"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"Removed {home}" for home in sorted((first, second))]
    assert list(temporary.iterdir()) == [others]
    assert program.main(["--clean"]) == 0
    assert capsys.readouterr().out == "There are no files of a demonstration.\n"


def test_the_files_of_a_running_demonstration_are_kept(temporary: Path) -> None:
    home = new_home()
    used_by(home, psutil.Process(os.getpid()))
    assert remove_homes() == ([], [home])
    assert new_home() != home
    assert home.is_dir()


def test_an_interrupt_and_a_failure_name_the_files(
    temporary: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    for error, code in ((KeyboardInterrupt(), 130), (TimeoutError("timed out"), 1)):

        def run(options: Any, home: Path, error: BaseException = error) -> int:
            raise error

        monkeypatch.setattr(program, "_run", run)
        assert program.main([]) == code
        (kept,) = re.findall(r"All files are kept in (.*)", capsys.readouterr().err)
        assert Path(kept).is_dir()
