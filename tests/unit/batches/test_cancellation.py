"""Which batches accept a cancellation; one that does not accept it does not block the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pendulum
import pytest

from anthropic_batches_provider.batches.cancellation import cancel_batches, cancel_if_in_progress, takes_cancellation
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.errors import BatchNotFoundError

CREATED = pendulum.datetime(2026, 11, 21, 12)


class Service:
    """Batches by their ids, and the cancel calls that arrived."""

    def __init__(self, statuses: Mapping[str, str]) -> None:
        self._batches = {batch_id: batch(batch_id, status) for batch_id, status in statuses.items()}
        self.canceled: list[str] = []

    def retrieve(self, batch_id: str) -> MessageBatch:
        if batch_id not in self._batches:
            raise BatchNotFoundError(f"no {batch_id}", status=404)
        return self._batches[batch_id]

    def cancel(self, batch_id: str) -> MessageBatch:
        self.canceled.append(batch_id)
        self._batches[batch_id] = replace(self._batches[batch_id], processing_status="canceling")
        return self._batches[batch_id]


def batch(batch_id: str, status: str) -> MessageBatch:
    return MessageBatch(
        id=batch_id,
        processing_status=status,
        request_counts=RequestCounts(processing=3),
        created_at=CREATED,
        expires_at=CREATED.add(hours=24),
    )


@pytest.mark.parametrize(("status", "takes_it"), [("in_progress", True), ("canceling", False), ("ended", False)])
def test_only_what_is_in_progress_is_canceled(status: str, takes_it: bool) -> None:
    service = Service({"a": status})
    found = cancel_if_in_progress(service, "a")
    assert (found.processing_status, takes_cancellation(found)) == (status, takes_it)
    assert service.canceled == (["a"] if takes_it else [])


def test_a_second_cancellation_finds_nothing_to_do() -> None:
    service = Service({"a": "in_progress"})
    assert cancel_batches(service, ["a"]) == (["a"], [])
    assert cancel_batches(service, ["a"]) == ([], ["a"])
    assert service.canceled == ["a"]


def test_a_batch_that_is_unknown_or_over_holds_up_no_other() -> None:
    service = Service({"ended": "ended", "running": "in_progress"})
    assert cancel_batches(service, ["gone", "ended", "running"]) == (["running"], ["gone", "ended"])


def test_a_single_cancellation_of_an_unknown_batch_is_an_error() -> None:
    with pytest.raises(BatchNotFoundError):
        cancel_if_in_progress(Service({}), "gone")
