"""What the operators ask of a running task, without an Airflow around it: all that is measured is the operator."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class TaskInstance:
    """As much of a task instance as an operator looks at; pushed values are kept."""

    dag_id: str = "size"
    task_id: str = "submit"
    run_id: str = "benchmark"
    map_index: int = -1
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@dataclass(frozen=True)
class DagRun:
    """As much of a run as an operator looks at."""

    run_id: str = "benchmark"
    logical_date: None = None
    partition_key: None = None


def context() -> Any:
    task_instance = TaskInstance()
    return {"ti": task_instance, "task_instance": task_instance, "dag_run": DagRun()}


@dataclass(frozen=True)
class Arguments:
    """What a program is called with: ``PROGRAM submit|collect REQUESTS FOLDER``.

    :param requests: a JSON Lines file of ``{"custom_id", "params"}``.
    :param folder: where the program leaves what its ``collect`` needs, and its output.
    """

    step: str
    requests: Path
    folder: Path

    @classmethod
    def of_command_line(cls) -> Arguments:
        return cls(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def reference(self) -> Path:
        """Where ``submit`` leaves the reference to what it submitted."""
        return self.folder / "reference.json"
