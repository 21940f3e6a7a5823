"""Copies figures of the ledger into Airflow's task state store, where the UI and the REST API show them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def show_in_task_state(context: Context, key: str, value: dict[str, Any]) -> None:
    """Copy figures of the ledger into the task state store of Airflow 3.3 and later; do nothing below 3.3.

    The ledger stays the truth: nothing reads the copy back, and a failure of the store is logged and ignored.
    """
    store: Any = cast("dict[str, Any]", context).get("task_state_store")
    if store is None:
        return
    try:
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]

        store.set(key, value, retention=NEVER_EXPIRE)
    except Exception as error:  # noqa: BLE001 - a copy must not fail the work that it shows
        log.warning("%s could not be copied to the task state store: %s", key, error)
