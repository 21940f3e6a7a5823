"""Runs one DAG by ``dag.test()`` and writes how it ended. Usage: dag_test.py NAME FILE"""

from __future__ import annotations

import importlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.configuration import conf


def main(name: str, file: Path) -> None:
    sys.path.insert(0, str(conf.get("core", "dags_folder")))
    dag: Any = importlib.import_module(name).dag
    run = dag.test(logical_date=datetime(2026, 3, 14, tzinfo=UTC))
    tasks = {task.task_id: f"{task.state}, try {task.try_number}" for task in run.get_task_instances()}
    file.write_text(json.dumps({"state": str(run.state), "tasks": tasks}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
