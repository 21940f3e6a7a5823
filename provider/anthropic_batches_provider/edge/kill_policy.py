"""Decides whether a kill may cancel batches: only if the task is known to be over, never if its state is unknown.

Airflow also calls ``on_kill`` when a task is cleared or when a stalled triggerer comes back; on a worker, the task may
run on afterwards. In all of these cases the next attempt relies on the batches. So this module reads the state of the
task instance, within a timeout. A terminal state means that no attempt will collect the results by itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, Literal

log = logging.getLogger(__name__)

Policy = Literal["leave", "cancel"]
POLICIES: tuple[Policy, ...] = ("leave", "cancel")

_TERMINAL = frozenset(("success", "failed", "skipped", "upstream_failed", "removed"))
_LOOK_SECONDS = 20.0  # on a worker
_LOOK_SHARE = 0.85  # in the triggerer: the rest of its time is for the calls that cancel
_MARGIN_SECONDS = 2.0


def kill_seconds() -> float:
    """Return how many seconds a trigger has for its ``on_kill``: a little less than ``[triggerer] on_kill_timeout``.

    The first question of a triggerer takes its supervisor seconds, on a busy machine more than twenty.
    """
    from airflow.providers.common.compat.sdk import conf

    granted = float(conf.getfloat("triggerer", "on_kill_timeout", fallback=30.0))
    return max(granted - _MARGIN_SECONDS, _MARGIN_SECONDS)


async def is_over_async(task_instance: Any) -> bool:
    """Return whether a task instance is in a terminal state; False if unknown. For the triggerer of Airflow 3.3."""
    try:
        from airflow.sdk.execution_time import task_runner

        seconds = kill_seconds() * _LOOK_SHARE
        answer = await asyncio.wait_for(task_runner.SUPERVISOR_COMMS.asend(_question(task_instance)), seconds)
        return _is_terminal(task_instance, answer)
    except Exception as error:  # noqa: BLE001 - an unknown state, for any reason, means leave
        _log_doubt(error)
        return False


def is_over(task_instance: Any) -> bool:
    """Return whether a task instance is in a terminal state; False if unknown. For a worker's signal handler.

    The question is asked in a thread: the signal may have interrupted the task while it held the channel to its
    supervisor. Asked from the handler itself, the question would then wait forever.
    """
    found: list[bool] = []

    def look() -> None:
        try:
            from airflow.sdk.execution_time import task_runner

            found.append(_is_terminal(task_instance, task_runner.SUPERVISOR_COMMS.send(_question(task_instance))))
        except Exception as error:  # noqa: BLE001 - an unknown state, for any reason, means leave
            _log_doubt(error)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_LOOK_SECONDS)
    return found == [True]


def _question(task_instance: Any) -> Any:
    from airflow.sdk.execution_time.comms import GetTaskStates

    return GetTaskStates(
        dag_id=task_instance.dag_id,
        task_ids=[task_instance.task_id],
        run_ids=[task_instance.run_id],
        map_index=_map_index(task_instance),
    )


def _is_terminal(task_instance: Any, answer: Any) -> bool:
    map_index = _map_index(task_instance)
    key = task_instance.task_id if map_index is None else f"{task_instance.task_id}_{map_index}"
    state = str(answer.task_states.get(task_instance.run_id, {}).get(key))
    log.info("The task instance is %s: its batches are %s.", state, "canceled" if state in _TERMINAL else "left")
    return state in _TERMINAL


def _map_index(task_instance: Any) -> int | None:
    map_index = task_instance.map_index
    return None if map_index is None or map_index < 0 else int(map_index)


def _log_doubt(error: Exception) -> None:
    log.warning("The state of the task instance could not be read (%s): its batches are left running.", error)
