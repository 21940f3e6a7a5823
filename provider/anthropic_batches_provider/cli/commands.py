"""The list of commands, and what all of them share: help, version, errors and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from anthropic_batches_provider import __version__
from anthropic_batches_provider.errors import MessageBatchesError

PROGRAM = "anthropic-batches"

DONE, FAILED, WRONG_USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command.

    :param name: its name on the command line.
    :param summary: what it does, in a few words.
    :param main: ``module:function``; takes the name of the program, for its help, and the arguments, and returns the
        exit code. It is imported only when the command runs.
    """

    name: str
    summary: str
    main: str

    def run(self, arguments: Sequence[str]) -> int:
        """Run it; return the exit code."""
        module, _, function = self.main.partition(":")
        run: Callable[[str, Sequence[str]], int] = getattr(import_module(module), function)
        return run(f"{PROGRAM} {self.name}", arguments)


COMMANDS = (
    Command(
        name="demo",
        summary="run a small DAG against a simulator of the API; needs no key and spends nothing",
        main="anthropic_batches_provider.cli.demo.command:main",
    ),
    Command(
        name="estimate",
        summary="estimate what a task of a DAG would cost, before it runs; spends nothing",
        main="anthropic_batches_provider.cli.estimate:main",
    ),
    Command(
        name="simulator",
        summary="serve a local Message Batches API for DAGs and tests",
        main="anthropic_batches_provider.cli.simulator:main",
    ),
    Command(
        name="settle",
        summary="record by hand what became of a create call whose answer was lost",
        main="anthropic_batches_provider.cli.settle:main",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    :param arguments: without the name of the program; None for those of this process.
    :returns: the exit code: 0, 1 (it failed), 2 (wrong usage), or 130 (interrupted).
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = next((each for each in COMMANDS if given[:1] == [each.name]), None)
    if command is None:
        return _without_command(given)
    try:
        return command.run(given[1:])
    except MessageBatchesError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # of a reader that has seen enough, such as head; the exit must not meet it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _without_command(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Commands around Message Batches in Apache Airflow.",
        epilog=f"{PROGRAM} COMMAND --help describes a command. "
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        commands.add_parser(command.name, help=command.summary, add_help=False)
    parser.parse_args(arguments)
    parser.error("put the command first")
