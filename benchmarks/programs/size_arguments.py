"""How the programs are called, and what they report about themselves."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Arguments:
    """The arguments of a program: ``PROGRAM STEP INPUT FOLDER``.

    :param step: such as ``submit`` or ``collect``.
    :param input: a JSON Lines file of ``{"custom_id", "params"}``, or another input that the program takes.
    :param folder: where the program leaves its output, and the files that its ``collect`` needs.
    """

    step: str
    input: Path
    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def reference(self) -> Path:
        """Where ``submit`` leaves the reference to what it submitted."""
        return self.folder / "reference.json"

    @property
    def told(self) -> Path:
        """Where a program leaves the figures that only it can report."""
        return self.folder / f"{self.step}-told.json"


def run(steps: dict[str, Callable[[Arguments], None]]) -> None:
    """Run the step that the command line names; call this after all imports.

    Leaves the CPU seconds and the peak resident memory in bytes, of the imports and at the end.
    """
    arguments = Arguments(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"imports_cpu": used.ru_utime + used.ru_stime, "imports_memory": peak_memory()}
    steps[arguments.step](arguments)
    arguments.told.write_text(json.dumps({**told, "peak_memory": peak_memory()}))


def peak_memory() -> int:
    """Return the peak resident memory of this program, in bytes.

    On Linux, ``ru_maxrss`` outlives ``exec``: it makes a program at least as large as the program that started it.
    ``VmHWM`` of Linux belongs to the address space, which is a new one.
    """
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].removesuffix("kB")) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
