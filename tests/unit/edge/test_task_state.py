"""The task state store shows the content of the ledger, and never disturbs it."""

from __future__ import annotations

from anthropic_batches_provider.edge.task_state import show_in_task_state


class BrokenStore:
    def set(self, *_: object, **__: object) -> None:
        raise OSError("no supervisor")


def test_a_task_state_store_that_is_missing_or_fails_is_passed_over() -> None:
    show_in_task_state({}, "key", {"a": 1})
    show_in_task_state({"task_state_store": BrokenStore()}, "key", {"a": 1})  # type: ignore[typeddict-item]
