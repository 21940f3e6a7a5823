"""What OpenLineage's extractors find of whole tasks: inputs, and outputs with their columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow
import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tests.dags.conftest import DagRunner

IS_OLDEST = airflow.__version__.startswith("3.0.")

pytest.importorskip(
    "airflow.providers.openlineage", reason="the OpenLineage provider is not installed here: it is optional"
)


def _listener(found: dict[str, Any]) -> Any:
    """Return a listener that asks OpenLineage's extractors when its own does: after the task, in its process."""
    from airflow.listeners import hookimpl
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.utils.state import TaskInstanceState

    def extract(task_instance: Any, state: TaskInstanceState) -> None:
        found[task_instance.task_id] = (
            state,
            ExtractorManager().extract_metadata(
                SimpleNamespace(run_id="r"), task_instance.task, task_instance_state=state, task_instance=task_instance
            ),
        )

    class Listener:
        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            extract(task_instance, TaskInstanceState.SUCCESS)

        @hookimpl
        def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
            extract(task_instance, TaskInstanceState.FAILED)

    return Listener()


@pytest.fixture
def lineage() -> Iterator[dict[str, Any]]:
    """Return what is found of each task that ends: its state and its lineage."""
    module = import_module("airflow.listeners.listener" if IS_OLDEST else "airflow.sdk.listener")
    found: dict[str, Any] = {}
    listener = _listener(found)
    manager = module.get_listener_manager()
    manager.add_listener(listener)
    yield found
    manager.pm.unregister(listener)


@pytest.mark.skipif(IS_OLDEST, reason="dag.test() of Airflow 3.0 takes no outlets")
@pytest.mark.parametrize(("errored", "state"), [("2$", "success"), ("[12]$", "failed")], ids=["succeeds", "fails"])
def test_a_task_that_was_deferred_tells_what_it_read_and_wrote_also_if_it_fails(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    lineage: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    errored: str,
    state: str,
) -> None:
    database, rows, out = tmp_path / "warehouse.db", tmp_path / "rows.jsonl", tmp_path / "out"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    database.touch()
    rows.write_text("".join(f'{{"number": {n}, "text": "word {n}"}}\n' for n in range(3)))
    deferrals, serialize = [], MessageBatchTrigger.serialize

    def noted(trigger: MessageBatchTrigger) -> Any:
        deferrals.append(trigger)
        return serialize(trigger)

    monkeypatch.setattr(MessageBatchTrigger, "serialize", noted)
    control = message_batch_simulator.control
    control.change_settings(batch_duration=1.0)
    control.add_outcome("errored", text_matches=errored, error_type="invalid_request_error")
    run = dags.run("outlets_of_tables", {"rows": str(rows), "destination": str(out)})
    assert set(run.tasks.values()) == {state}, run.tasks
    assert deferrals, "each task is to end in another stint than its first"
    assert set(lineage) == {"table", "csv", "xcom"}
    outputs = {"table": (f"sqlite://{database}", "labels"), "csv": ("file", str(out))}
    for task_id, (found_in, found) in lineage.items():
        assert str(found_in) == state
        assert [(dataset.namespace, dataset.name) for dataset in found.inputs] == [("file", str(rows))]
        if task_id == "xcom":
            assert found.outputs == []
            continue
        (output,) = found.outputs
        assert (output.namespace, output.name) == outputs[task_id]
        assert [(field.name, field.type) for field in output.facets["schema"].fields] == [
            ("number", "int64"),
            ("text", "string"),
            ("result_type", "string"),
        ]
        assert output.outputFacets["outputStatistics"].rowCount == 3
