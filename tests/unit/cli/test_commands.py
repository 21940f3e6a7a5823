"""The command line as a whole: its list of commands, its help, its errors and its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

import anthropic_batches_provider
from anthropic_batches_provider.cli import main, simulator_extra
from anthropic_batches_provider.cli.commands import COMMANDS
from tests.unit.test_docs import README, ROOT

SOURCE = Path(anthropic_batches_provider.__file__).parents[1]


def exit_code(arguments: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--version"]) == 0
    assert capsys.readouterr().out == f"anthropic-batches {anthropic_batches_provider.__version__}\n"


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [command.name for command in COMMANDS if f"\n    {command.name}" not in shown] == []
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage" in " ".join(shown.split())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_help_of_its_own_name(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = getattr(command, "name", "")
    assert exit_code([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: anthropic-batches {name} ")


@pytest.mark.parametrize(
    "arguments", [[], ["settel"], ["--job", "x"], ["--", "settle"], ["settle"], ["demo", "--ports", "1"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(arguments) == 2
    assert "usage: anthropic-batches" in capsys.readouterr().err


def test_a_failure_is_one_line_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settle", "file:///nowhere"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: file:///nowhere is no URI of a job folder. Copy the URI")
    assert "job=" not in captured.err


@pytest.mark.parametrize("command", ["demo", "simulator"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulator_extra, "find_spec", lambda name: None if name == "uvicorn" else object())
    assert main([command]) == 1
    assert capsys.readouterr().err == (
        "error: The simulator needs uvicorn, not installed here. Install the extra: "
        "pip install 'airflow-provider-anthropic-batches[simulator]'. Nothing was started.\n"
    )


def test_each_command_loads_only_what_it_needs() -> None:
    code = (
        "import sys; from anthropic_batches_provider.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'airflow', 'anthropic', 'uvicorn', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=_environment()
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_older_form_of_settle_works_and_says_the_same() -> None:
    asked = ["settle", "file:///nowhere"]
    ran = [
        subprocess.run(
            [sys.executable, "-m", module, *asked], capture_output=True, text=True, check=False, timeout=60,
            env=_environment(),
        )
        for module in ("anthropic_batches_provider", "anthropic_batches_provider.cli")
    ]  # fmt: skip
    assert [done.returncode for done in ran] == [1, 1]
    assert ran[0].stderr == ran[1].stderr
    assert ran[0].stderr.startswith("error: file:///nowhere is no URI of a job folder.")


def test_a_reader_that_has_seen_enough_is_no_crash() -> None:
    code = (
        "import sys; from unittest import mock; from anthropic_batches_provider.cli import commands\n"
        "def run(self, arguments):\n"
        "    for _ in range(100_000): print('a line of output')\n"
        "    return 0\n"
        "with mock.patch.object(commands.Command, 'run', run): sys.exit(commands.main(['demo']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 1


def test_nobody_is_told_to_run_the_older_form() -> None:
    texts = [*SOURCE.rglob("*.py"), README, *(ROOT / "docs").rglob("*.md")]
    older = "batches_provider settle"
    found = {path.name for path in texts if older in path.read_text(encoding="utf-8")}
    assert found <= {"__main__.py", "command_line.md"}


def test_every_command_is_a_function_of_its_module() -> None:
    for command in COMMANDS:
        module, _, function = command.main.partition(":")
        assert callable(getattr(import_module(module), function))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE)}
