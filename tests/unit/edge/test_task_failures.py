from __future__ import annotations

import logging
import traceback

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    InvalidRowError,
    MessageBatchesError,
    SpendLimitReachedError,
)


def deep_in_a_library(frames: int) -> None:
    if frames:
        deep_in_a_library(frames - 1)
    raise OSError("no route")


def of_the_user() -> None:
    raise ZeroDivisionError("in the user's own function")


def a_refused_call() -> None:
    try:
        deep_in_a_library(30)
    except OSError as error:
        raise ApiConnectionError("Nobody answers. Check the host.", connected=False) from error


def a_failed_builder() -> None:
    try:
        of_the_user()
    except ZeroDivisionError as error:
        raise InvalidRowError("Row 3 fails. Correct it.", row_number=3) from error


def test_a_task_shows_the_message_and_no_frames_of_a_library() -> None:
    with pytest.raises(AirflowException) as caught, as_task_failures():
        a_refused_call()
    shown = "".join(traceback.format_exception(caught.value))
    assert not isinstance(caught.value, AirflowFailException)
    assert "ApiConnectionError: Nobody answers. Check the host." in shown
    assert "deep_in_a_library" not in shown
    assert "a_refused_call" not in shown
    assert len(shown.splitlines()) < 20


def test_the_frames_of_the_users_own_function_are_shown() -> None:
    with pytest.raises(AirflowFailException) as caught, as_task_failures():
        a_failed_builder()
    shown = "".join(traceback.format_exception(caught.value))
    assert "InvalidRowError: Row 3 fails. Correct it." in shown
    assert "of_the_user" in shown


def test_the_whole_traceback_is_in_the_log_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(AirflowException), as_task_failures():
        a_refused_call()
    assert "deep_in_a_library" in caplog.text


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (InvalidRowError("a", row_number=1), AirflowFailException),
        (SpendLimitReachedError("a", status=402), AirflowFailException),
        (ApiConnectionError("a", connected=False), AirflowException),
    ],
)
def test_only_what_a_retry_would_repeat_fails_for_good(
    error: MessageBatchesError, raised: type[AirflowException]
) -> None:
    with pytest.raises(AirflowException) as caught, as_task_failures():
        raise error
    assert type(caught.value) is raised
