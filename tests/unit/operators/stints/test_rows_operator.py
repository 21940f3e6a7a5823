from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sensors import MessageBatchSensor


def test_what_the_metadatabase_keeps_of_a_deferral_sets_only_what_the_operator_pins() -> None:
    task = MessageBatchOperator(
        task_id="ask", rows=[{"id": 1}], key="id", prompt="x", model="claude-haiku-5-5", max_tokens=5, conn_id="ours"
    )
    task._restore({"destination": "s3://kept", "deadline": 5.0, "conn_id": "theirs", "execute": None})
    assert (task.destination, task.deadline, task.conn_id) == ("s3://kept", 5.0, "ours")
    assert callable(task.execute)


@pytest.mark.parametrize("given", [True, False, None])
@pytest.mark.parametrize("configured", ["True", "False", None])
def test_only_a_default_that_somebody_has_set_is_obeyed(
    given: bool | None, configured: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"
    monkeypatch.delenv(variable, raising=False)
    if configured is not None:
        monkeypatch.setenv(variable, configured)
    expected = given if given is not None else configured != "False"
    asked: dict[str, Any] = {"rows": [], "model": "m", "max_tokens": 1, "prompt": "p"}
    assert MessageBatchOperator(task_id="t", deferrable=given, **asked).deferrable is expected
    assert MessageBatchSensor(task_id="s", batch_ids="msgbatch_1", deferrable=given).deferrable is expected


def test_the_default_that_airflow_writes_into_its_own_file_is_nobodys_choice(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[operators]\ndefault_deferrable = false\n")
    script = "from anthropic_batches_provider.edge.configuration import default_deferrable; print(default_deferrable())"
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    environment.pop("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", None)
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    assert ran.stdout.splitlines()[-1] == "True"


def test_a_sensor_that_never_takes_a_worker_cannot_wait_on_one() -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        MessageBatchSensor(task_id="s", batch_ids="msgbatch_1", deferrable=False, start_in_triggerer=True)
