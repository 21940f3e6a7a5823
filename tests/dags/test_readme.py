"""The README's first DAG and its tests do what the README says."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import LOGICAL_DATE, ROOT, DagRunner, rows_in

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DESTINATION = "file:///tmp/labels/"


@pytest.fixture
def first_dag(dags: DagRunner) -> DagRunner:
    """Return the first DAG of the README in the DAGs folder, unchanged except for the place of its output."""
    code = _PYTHON.findall((ROOT / "README.md").read_text())[0]
    assert _DESTINATION in code
    # The same text each time: Airflow would take another text for a new version of the DAG.
    text = code.replace(_DESTINATION, f"{labels(dags).as_uri()}/")
    (dags.folder / "label_reviews.py").write_text(text)
    return dags


def labels(dags: DagRunner) -> Path:
    return dags.folder.parent / "labels"


def test_the_first_dag_labels_its_reviews(first_dag: DagRunner, message_batch_simulator: MessageBatchSimulator) -> None:
    message_batch_simulator.control.add_fault("create", "drop_after_commit")
    run = first_dag.run("label_reviews")
    assert run.state == "success"
    (folder,) = labels(first_dag).iterdir()
    rows = rows_in(folder)
    assert [(row["review_id"], row["language"]) for row in rows] == [(1, "en"), (2, "de"), (3, "en")]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (3, 1)


def test_the_run_fails_if_a_row_has_no_answer(
    first_dag: DagRunner, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.add_outcome("errored", contains="kettle", error_type="overloaded_error")
    run = first_dag.run("label_reviews", logical_date=LOGICAL_DATE.add(days=1))
    assert run.tasks == {"label": "failed"}


def test_the_snippet_labels_a_csv_of_fifty_rows(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    snippet = _PYTHON.findall((ROOT / "README.md").read_text())[1]
    assert len(snippet.splitlines()) < 10
    (tmp_path / "reviews.csv").write_text("review_id,text\n" + "".join(f'{n},"Good, {n}"\n' for n in range(50)))
    head = (
        "import pendulum\nfrom airflow.sdk import DAG\n"
        "from anthropic_batches_provider.operators import MessageBatchOperator\n"
        'with DAG("label_csv", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:\n'
    )
    code = indent(snippet.replace("/data/", f"{tmp_path}/"), "    ")
    (dags.folder / "label_csv.py").write_text(head + code)
    assert dags.run("label_csv").state == "success"
    (folder,) = (tmp_path / "labels").iterdir()
    assert [row["review_id"] for row in rows_in(folder)] == [str(number) for number in range(50)]
    assert message_batch_simulator.control.billing().rows_billed == 50
