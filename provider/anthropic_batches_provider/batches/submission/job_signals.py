"""The signals between a job and the task that advances it, in addition to the job's outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSignals:
    """Questions to the task before more is sent, and a notice of progress.

    :param should_stop: whether the task was asked to stop; checked before each create call, and ends the submission.
    :param may_send: whether more may be sent now; unresolved create calls are settled in either case.
    :param moved: called whenever the job has made progress.
    """

    should_stop: Callable[[], bool] = lambda: False
    may_send: Callable[[], bool] = lambda: True
    moved: Callable[[], None] = lambda: None
