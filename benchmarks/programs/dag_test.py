"""Runs one DAG by ``dag.test()`` and writes how it ended. Usage: dag_test.py NAME FILE [CONF [TASK_ID …]]

CONF is the run's conf as JSON. The values that the named tasks return are written, too.
"""

from __future__ import annotations

import importlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session


def main(name: str, file: Path, conf_json: str = "{}", *returning: str) -> None:
    sys.path.insert(0, str(conf.get("core", "dags_folder")))
    dag: Any = importlib.import_module(name).dag
    run = dag.test(logical_date=datetime(2026, 3, 14, tzinfo=UTC), run_conf=json.loads(conf_json))
    tasks = {task.task_id: f"{task.state}, try {task.try_number}" for task in run.get_task_instances()}
    returned = {task_id: _returned(run, task_id) for task_id in returning}
    file.write_text(json.dumps({"state": str(run.state), "tasks": tasks, "returned": returned}))


def _returned(run: Any, task_id: str) -> Any:
    with create_session() as session:
        found = XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id, task_ids=task_id, key="return_value")
        row = session.scalars(found).first()
        return None if row is None else XComModel.deserialize_value(row)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
