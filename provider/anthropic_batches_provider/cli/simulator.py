"""``anthropic-batches simulator``: the simulator as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence

from anthropic_batches_provider.cli.simulator_extra import check_simulator_extra


def main(program: str, arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    :param program: the name of the command, for its help.
    """
    check_simulator_extra()
    from anthropic_batches_provider.simulator.__main__ import main as serve

    return serve(arguments, program=program)
