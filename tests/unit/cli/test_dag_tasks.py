"""The command line finds a task in DAG files, and says why one cannot be estimated outside of a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from anthropic_batches_provider.cli.dag_tasks import find_task
from anthropic_batches_provider.errors import ConfigurationError

DAGS = """
from airflow.sdk import DAG, task
from anthropic_batches_provider.operators import MessageBatchOperator

ASKED = {"prompt": "x", "model": "claude-haiku-5-5", "max_tokens": 5}

with DAG("reviews", schedule=None):
    @task
    def found():
        return [{"id": 1}]

    @task.message_batch(**ASKED)
    def decorated(ds):
        return [{"id": ds}]

    @task.message_batch(**ASKED)
    def decorated_after(rows):
        return rows

    MessageBatchOperator(task_id="label", rows=[{"id": 1}], **ASKED)
    MessageBatchOperator(task_id="after", rows=found(), **ASKED)
    MessageBatchOperator(task_id="asked_by_another", rows=[{"id": 1}], system=found(), **ASKED)
    MessageBatchOperator.partial(task_id="mapped", **ASKED).expand(rows=[[{"id": 1}], [{"id": 2}]])
    decorated()
    decorated_after(found())
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "dags" / "reviews.py"
    path.parent.mkdir()
    path.write_text(DAGS)
    return str(path)


@pytest.mark.parametrize("task_id", ["label", "decorated"])
def test_a_task_is_found_in_its_file(file: str, task_id: str) -> None:
    task = find_task("reviews", task_id, file)
    assert (task.task_id, task.dag.dag_id, task.model) == (task_id, "reviews", "claude-haiku-5-5")


def test_a_task_is_found_in_the_bundles_of_this_airflow(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = {
        "name": "ours",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(Path(file).parent)},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    assert find_task("reviews", "label", None).task_id == "label"
    with pytest.raises(ConfigurationError, match="There is no DAG others in this Airflow's DAG bundles"):
        find_task("others", "label", None)


@pytest.mark.parametrize(
    ("dag_id", "task_id", "problem"),
    [
        ("others", "label", "There is no DAG others in .*reviews.py"),
        ("reviews", "labels", "DAG reviews has no task labels. Name one of its tasks that send rows: .*label"),
        ("reviews", "found", "DAG reviews has a task found, but it sends no rows. Name one"),
        ("reviews", "mapped", "Task mapped of DAG reviews is mapped, so only a run knows"),
        ("reviews", "after", "Task after of DAG reviews takes the output of found, .*MessageBatchEstimateOperator"),
        ("reviews", "asked_by_another", r"takes the output of found(__\d)?, "),
        ("reviews", "decorated_after", r"takes the output of found(__\d)?, "),
    ],
)
def test_an_error_says_what_to_do_instead(file: str, dag_id: str, task_id: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refused:
        find_task(dag_id, task_id, file)
    assert "Nothing was sent." in str(refused.value)


def test_a_file_that_cannot_be_read_is_named_with_its_error(file: str) -> None:
    Path(file).write_text("from airflow.sdk import DAG\nraise ValueError('no such lake')\n")
    with pytest.raises(ConfigurationError, match=r"These files could not be read:\n- .*no such lake"):
        find_task("reviews", "label", file)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"There is no file /nowhere\.py"):
        find_task("reviews", "label", "/nowhere.py")
