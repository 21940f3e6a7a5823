"""Turns this package's errors into Airflow's: fail permanently, or fail and retry.

A task's log shows the message of the error once more, above Airflow's own traceback, and no frames of this package or
of a library: the message says what to do. At level DEBUG the log has all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from anthropic_batches_provider.errors import (
    ConfigurationError,
    JobStoppedError,
    MessageBatchesError,
    SpendLimitReachedError,
)

log = logging.getLogger(__name__)


@contextmanager
def as_task_failures() -> Iterator[None]:
    """Raise our errors as Airflow's, with the same message and the original as the cause.

    :raises AirflowFailException: for a :class:`ConfigurationError` or a :class:`SpendLimitReachedError`, which a retry
        would only repeat; and for a :class:`JobStoppedError`, after which it would only use up the rounds.
    :raises AirflowException: for every other error of ours; a retry resumes where this attempt stopped.
    """
    try:
        yield
    except (ConfigurationError, SpendLimitReachedError, JobStoppedError) as error:
        raise AirflowFailException(str(error)) from without_frames(error)
    except MessageBatchesError as error:
        raise AirflowException(str(error)) from without_frames(error)


def without_frames(error: MessageBatchesError) -> MessageBatchesError:
    """Return the error without its traceback, and without its cause unless that may be in the user's own code."""
    log.debug("The whole traceback of the error", exc_info=error)
    error.__traceback__ = None
    if not isinstance(error, ConfigurationError):
        error.__cause__ = None
        error.__context__ = None
    return error
