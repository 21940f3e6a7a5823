"""The options of ``[anthropic_batches]``: their defaults, and how a configured value is read."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.submission import SubmissionBounds
from anthropic_batches_provider.edge.configuration import OPTIONS, SETTLE, SPOOL, STORAGE, TextOption, submission_bounds


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        monkeypatch.delenv(option.environment_variable, raising=False)


def test_the_default_bounds_are_those_of_the_engine() -> None:
    assert submission_bounds() == SubmissionBounds()


def test_a_duration_may_be_set_in_parts_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__SETTLE_SECONDS", "5.5")
    assert SETTLE.read() == 5.5
    assert submission_bounds().settle_time.total_seconds() == 5.5


@pytest.mark.parametrize("option", [STORAGE, SPOOL], ids=lambda option: option.name)
def test_an_option_that_is_unset_or_empty_is_none(option: TextOption, monkeypatch: pytest.MonkeyPatch) -> None:
    assert option.read() is None
    monkeypatch.setenv(option.environment_variable, "")
    assert option.read() is None
    monkeypatch.setenv(option.environment_variable, "file:///data")
    assert option.read() == "file:///data"
