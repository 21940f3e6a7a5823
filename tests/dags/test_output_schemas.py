"""A JSON Schema that the API refuses costs no batch and no day: the task fails before anything is sent."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


def test_a_refused_schema_fails_the_task_before_anything_is_sent(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = dags.run("refused_schemas")
    assert run.tasks == dict.fromkeys(("asked", "built", "ready"), "failed")
    assert message_batch_simulator.control.received().calls.get("create", 0) == 0
    said = caplog.text + "".join(capsys.readouterr())
    assert "rows were read" not in said
    assert "The schema in `output_config.format` of `message_params` is one that the API refuses: at $, " in said
    assert "at $.properties.score, `minimum` is not supported (leave it out, and state it in `description`)" in said
    for source in ("request_builder", "requests"):
        assert f"Row 1 (the first is 0): the schema in `output_config.format`, given by {source}, is one" in said
