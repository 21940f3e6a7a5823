"""The cost of each package to a process that parses a DAG: the CPU seconds of its imports, beyond Airflow's own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

_ROUNDS = 7
_MODULES: Mapping[str, Sequence[str]] = {
    "official provider": ("airflow.providers.anthropic.operators.batch",),
    "common-ai": ("airflow.providers.common.ai.operators.llm_batch",),
    "this package": tuple(
        f"anthropic_batches_provider.{name}" for name in ("operators", "sensors", "triggers", "decorators")
    ),
}
_PROGRAM = """
import sys, time
import airflow.sdk
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
from importlib import import_module

began = time.process_time()
for module in sys.argv[1:]:
    import_module(module)
print(time.process_time() - began)
"""


def measure(python: str) -> dict[str, float]:
    """Return the CPU seconds of each package's imports, the lowest of several alternating rounds.

    :param python: the interpreter that has this package and both peers.
    """
    rounds = [{name: _imported(python, modules) for name, modules in _MODULES.items()} for _ in range(_ROUNDS)]
    return {name: min(one[name] for one in rounds) for name in _MODULES}


def as_table(seconds: Mapping[str, float]) -> list[str]:
    """Return the lines of the table."""
    ours = seconds["this package"]
    rows = [f"| {name} | {cpu:.3f} s | {cpu / ours:.1f} |" for name, cpu in seconds.items()]
    return ["| | CPU | times this package's |", "|---|---|---|", *rows]


def _imported(python: str, modules: Sequence[str]) -> float:
    ran = subprocess.run([python, "-c", _PROGRAM, *modules], capture_output=True, text=True, check=True)
    return float(ran.stdout.splitlines()[-1])
