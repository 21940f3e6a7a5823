"""The three packages that are compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Contestant:
    """One of the three packages.

    :param dag_id: the id of its DAG, which is also the name of the module in ``dags/``.
    :param deferring_task: the task that is deferred while the batch runs; the first task of every DAG is ``submit``.
    :param key: the column of its output rows that identifies the input row.
    :param outcome: the column that says how the row ended.
    :param success: the value of ``outcome`` for a row with an answer.
    """

    dag_id: str
    title: str
    distribution: str
    deferring_task: str
    key: str
    outcome: str
    success: str

    def delivered(self, output: Path) -> int:
        """Count the input rows that have an answer in the output."""
        found = set()
        for file in sorted(output.rglob("*.jsonl")):
            if "_airflow_batch_state" in file.parts:
                continue
            rows = [json.loads(line) for line in file.read_bytes().split(b"\n") if line]
            found |= {row[self.key] for row in rows if row[self.outcome] == self.success}
        return len(found)


OFFICIAL = Contestant(
    dag_id="official",
    title="official provider",
    distribution="apache-airflow-providers-anthropic",
    deferring_task="submit",
    key="custom_id",
    outcome="result_type",
    success="succeeded",
)
COMMON_AI = Contestant(
    dag_id="common_ai",
    title="common-ai",
    distribution="apache-airflow-providers-common-ai",
    deferring_task="submit",
    key="index",
    outcome="status",
    success="success",
)
OURS = Contestant(
    dag_id="ours",
    title="this package",
    distribution="airflow-provider-anthropic-batches",
    deferring_task="wait",
    key="row_number",
    outcome="result_type",
    success="succeeded",
)
CONTESTANTS = (OFFICIAL, COMMON_AI, OURS)


def connections(base_url: str, api_key: str) -> dict[str, str]:
    """Return the variables that point each contestant's default connection to a simulator."""
    address = {"host": base_url, "password": api_key}
    return {
        "AIRFLOW_CONN_ANTHROPIC_DEFAULT": json.dumps({"conn_type": "anthropic", **address}),
        "AIRFLOW_CONN_PYDANTICAI_DEFAULT": json.dumps({"conn_type": "pydanticai", **address}),
    }
