"""Copies figures of the ledger into Airflow's task state store, where the UI and the REST API show them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def show_in_task_state(context: Context, key: str, value: dict[str, Any]) -> None:
    """Copy what the ledger knows into the task state store of Airflow 3.3 and later; below that do nothing.

    The ledger stays the truth: nothing reads the copy back, and a store that fails is logged and ignored.
    """
    store: Any = cast("dict[str, Any]", context).get("task_state_store")
    if store is None:
        return
    try:
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]

        store.set(key, value, retention=NEVER_EXPIRE)
    except Exception as error:  # noqa: BLE001 - a mirror must not fail what it shows
        log.warning("The task state store took no copy of %s: %s", key, error)
