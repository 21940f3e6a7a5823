"""The parts of a running task that the operators use, without an Airflow around them: only the operator is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import DAG


@dataclass
class TaskInstance:
    """The parts of a task instance that an operator uses; pushed values are kept."""

    dag_id: str = "size"
    task_id: str = "submit"
    run_id: str = "benchmark"
    map_index: int = -1
    max_tries: int = 0
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@dataclass(frozen=True)
class DagRun:
    """The parts of a run that an operator uses."""

    run_id: str = "benchmark"
    logical_date: None = None
    partition_key: None = None


def context(task: Any) -> Any:
    """Return the context that ``execute`` of an operator receives."""
    task_instance = TaskInstance()
    return {
        "ti": task_instance,
        "task_instance": task_instance,
        "dag_run": DagRun(),
        "task": task,
        "dag": DAG("size"),  # its template environment renders prompts
    }
