"""What the operators ask of a running task, without an Airflow around it: all that is measured is the operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import DAG


@dataclass
class TaskInstance:
    """As much of a task instance as an operator looks at; pushed values are kept."""

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
    """As much of a run as an operator looks at."""

    run_id: str = "benchmark"
    logical_date: None = None
    partition_key: None = None


def context(task: Any) -> Any:
    """Return what ``execute`` of an operator is given."""
    task_instance = TaskInstance()
    return {
        "ti": task_instance,
        "task_instance": task_instance,
        "dag_run": DagRun(),
        "task": task,
        "dag": DAG("size"),  # whose template environment renders prompts
    }
