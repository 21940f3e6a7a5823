"""How the programs are called, and what they tell of themselves."""

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
    """What a program is called with: ``PROGRAM STEP INPUT FOLDER``.

    :param step: such as ``submit`` or ``collect``.
    :param input: a JSON Lines file of ``{"custom_id", "params"}``, or of what else the program takes.
    :param folder: where the program leaves what its ``collect`` needs, and its output.
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
        """Where a program leaves what it alone can tell of itself."""
        return self.folder / f"{self.step}-told.json"


def run(steps: dict[str, Callable[[Arguments], None]]) -> None:
    """Run the step that the command line names; all that it needs has been imported.

    Leaves the CPU seconds that the imports took and, at the end, the most resident memory in bytes.
    """
    arguments = Arguments(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    steps[arguments.step](arguments)
    told = {"imports_cpu": used.ru_utime + used.ru_stime, "peak_memory": _peak_memory()}
    arguments.told.write_text(json.dumps(told))


def _peak_memory() -> int:
    """Return the most resident memory of this program, in bytes.

    ``ru_maxrss`` outlives ``exec``: where Linux has it, a program counts as at least as large as what started it. Its
    ``VmHWM`` belongs to the address space, which is a new one.
    """
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].removesuffix("kB")) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
