"""``python -m anthropic_batches_provider.simulator``: the simulator as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from anthropic_batches_provider.simulator.control.simulator import Simulator
from anthropic_batches_provider.simulator.server import SimulatorServer
from anthropic_batches_provider.simulator.service.service_settings import (
    ANY_WORKSPACE,
    DEFAULT_API_KEY,
    DEFAULT_WORKSPACE,
    Settings,
    changed_settings,
)
from anthropic_batches_provider.simulator.service.simulated_clock import Clock


def main(
    arguments: Sequence[str] | None = None, *, program: str = "python -m anthropic_batches_provider.simulator"
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    :param program: the name of the command, for its help and errors.
    """
    parser = _parser(program)
    options = parser.parse_args(arguments)
    try:
        server = SimulatorServer(_simulator(options), host=options.host, port=options.port)
    except ValueError as error:
        parser.error(str(error))
    stop = threading.Event()
    try:
        server.start()
    except OSError as error:
        parser.error(f"cannot listen at {options.host}, port {options.port}: {error.strerror}. Choose another --port=.")

    def stop_serving(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_serving)
    try:
        if options.url_file is not None:
            _write_whole(options.url_file, server.base_url)
        print(server.base_url, flush=True)
        stop.wait()
    finally:
        server.stop()
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="A local Message Batches API. Prints its base URL, and serves until SIGTERM or SIGINT.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="the port (default: a free one)")
    parser.add_argument("--url-file", type=Path, help="also write the base URL to this file, once the server answers")
    parser.add_argument(
        "--api-key",
        action="append",
        default=[],
        metavar="KEY[=WORKSPACE]",
        help=f"an accepted key; may be repeated (default: {DEFAULT_API_KEY})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of answers and random draws (default: %(default)s)")
    parser.add_argument("--batch-duration", type=float, default=0.0, help="seconds that a batch takes (default: 0)")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="simulated seconds per second; 0: manual clock (default: 1)"
    )
    parser.add_argument("--start", type=float, help="the clock's start in seconds since the epoch (default: now)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any setting, with its value as JSON, for example queue_limit=1000; may be repeated",
    )
    return parser


def _simulator(options: argparse.Namespace) -> Simulator:
    return Simulator(
        clock=Clock(start=options.start, speed=options.speed),
        seed=options.seed,
        api_keys=_api_keys(options.api_key),
        settings=changed_settings(Settings(batch_duration=options.batch_duration), _changes(options.set)),
    )


def _api_keys(values: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    keys: dict[str, tuple[str, ...]] = {}
    for value in values:
        key, given, workspace = value.partition("=")
        keys[key] = (workspace,) if given else (DEFAULT_WORKSPACE, ANY_WORKSPACE)
    return keys or None


def _changes(values: Sequence[str]) -> dict[str, object]:
    changes: dict[str, object] = {}
    for value in values:
        name, _, text = value.partition("=")
        try:
            changes[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            changes[name] = text
    return changes


def _write_whole(path: Path, text: str) -> None:
    """Write a text so that a reader sees all of it or nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
