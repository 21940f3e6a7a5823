"""How the programs are called, and what they tell of their imports."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


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
    def imported(self) -> Path:
        """Where a program leaves the CPU seconds that its imports took."""
        return self.folder / f"{self.step}-imported"


def run(steps: dict[str, Callable[[Arguments], None]]) -> None:
    """Run the step that the command line names; all that it needs has been imported."""
    arguments = Arguments(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    arguments.imported.write_text(str(used.ru_utime + used.ru_stime))
    steps[arguments.step](arguments)
