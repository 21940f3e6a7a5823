"""No stint of a task follows another one needlessly."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.batches.submission.next_look import next_wait

NOW = pendulum.datetime(2026, 11, 21, 6)
WAITING = NextLook(until=NOW.add(hours=2), batch_ids=("a", "b"), reason="two batches run")


@pytest.mark.parametrize(
    ("event", "has_unsent", "batch_ids", "seconds"),
    [
        pytest.param({}, False, ("a", "b"), 7200, id="a first wait is as it is"),
        pytest.param({"ended": ["c"]}, False, ("a", "b"), 7200, id="what has ended is waited for no more"),
        pytest.param({"ended": ["a"]}, False, ("b",), 60, id="an end that the worker was not shown yet"),
        pytest.param({"ended": ["a", "b"]}, False, (), 60, id="two such ends"),
        pytest.param({"lost": ["a"]}, False, ("b",), 7200, id="one of two is lost"),
        pytest.param({"lost": ["a", "b"]}, True, (), 3600, id="all are lost, and there is more to send"),
    ],
)
def test_the_next_wait_is_made_of_what_the_last_one_brought(
    event: dict[str, Any], has_unsent: bool, batch_ids: tuple[str, ...], seconds: int
) -> None:
    planned = next_wait(WAITING, event, now=NOW, has_unsent=has_unsent)
    assert planned is not None
    assert (planned.batch_ids, planned.until) == (batch_ids, NOW.add(seconds=seconds))


def test_there_is_nothing_to_wait_for_when_all_are_lost() -> None:
    assert next_wait(WAITING, {"lost": ["b", "a"]}, now=NOW, has_unsent=False) is None
