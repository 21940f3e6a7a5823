from __future__ import annotations

from anthropic_batches_provider.operators import MessageBatchOperator


def test_what_the_metadatabase_keeps_of_a_deferral_sets_only_what_the_operator_pins() -> None:
    task = MessageBatchOperator(
        task_id="ask", rows=[{"id": 1}], key="id", prompt="x", model="claude-haiku-5-5", max_tokens=5, conn_id="ours"
    )
    task._restore({"destination": "s3://kept", "deadline": 5.0, "conn_id": "theirs", "execute": None})
    assert (task.destination, task.deadline, task.conn_id) == ("s3://kept", 5.0, "ours")
    assert callable(task.execute)
