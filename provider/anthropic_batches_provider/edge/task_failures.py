"""Turns this package's errors into Airflow's: fail permanently, or fail and retry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError, SpendLimitReachedError


@contextmanager
def as_task_failures() -> Iterator[None]:
    """Raise our errors as Airflow's, with the same message and the original as the cause.

    :raises AirflowFailException: for a :class:`ConfigurationError` or a :class:`SpendLimitReachedError`, which a retry
        would only repeat.
    :raises AirflowException: for every other error of ours; a retry resumes where this attempt stopped.
    """
    try:
        yield
    except (ConfigurationError, SpendLimitReachedError) as error:
        raise AirflowFailException(str(error)) from error
    except MessageBatchesError as error:
        raise AirflowException(str(error)) from error
