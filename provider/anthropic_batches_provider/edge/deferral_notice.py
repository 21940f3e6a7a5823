"""How long a wait must last, so that Airflow does not take the end of the deferral for the end of the task.

A worker's supervisor may notice only after ``[workers] min_heartbeat_interval`` that its task has deferred, and then
the executor tells the scheduler that the worker has ended. If the trigger has fired before that and the task is queued
or running again, the scheduler takes it for killed from outside, and fails it (Airflow issues 67287, 71580 and 72716).
Batches that end within seconds are rare; but a cleared task waits for batches that ended long ago.
"""

from __future__ import annotations

_DEFAULT_HEARTBEAT_SECONDS = 5.0
_HEARTBEATS = 2  # one for the supervisor, and as long again for the executor and the scheduler


def deferral_notice_seconds() -> float:
    """Return how many seconds after its start a trigger may fire."""
    from airflow.providers.common.compat.sdk import conf

    return _HEARTBEATS * float(conf.getfloat("workers", "min_heartbeat_interval", fallback=_DEFAULT_HEARTBEAT_SECONDS))
