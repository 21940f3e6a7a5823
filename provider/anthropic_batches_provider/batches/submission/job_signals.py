"""What passes between a job and the task that advances it, besides its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSignals:
    """What the task is asked before more is sent, and what it is told.

    :param should_stop: whether the task was told to stop; checked before each create call, and ends the submission.
    :param may_send: whether more may be sent by now; what is in doubt is settled all the same.
    :param moved: called whenever the job has moved on.
    """

    should_stop: Callable[[], bool] = lambda: False
    may_send: Callable[[], bool] = lambda: True
    moved: Callable[[], None] = lambda: None
