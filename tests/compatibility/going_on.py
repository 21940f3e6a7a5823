"""Restores a task that was deferred, or had ended, before the package was replaced, from the data that Airflow kept."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from tests.compatibility.stored import class_at


class GoesOn:
    """Precedes an operator's class among the bases and replays its first stint as the stored commit played it.

    If the run's ``stored`` names a file that knows the task, the first stint does no work: it pushes the stored XComs,
    and hands Airflow the stored trigger and method. The operator does all that follows. A task that had ended returns
    its stored return value.
    """

    task_id: str
    defer: Any

    def execute(self, context: Any) -> Any:
        file = context["params"]["stored"]
        kept = json.loads(Path(file).read_text()).get(self.task_id) if file else None
        if kept is None:
            return super().execute(context)  # type: ignore[misc]  # of the operator behind
        for key, value in kept["xcoms"].items():
            if key != "return_value":
                context["ti"].xcom_push(key=key, value=value)
        return kept["xcoms"]["return_value"] if kept["deferred"] is None else self._defer_as(kept["deferred"])

    def _defer_as(self, deferred: dict[str, Any]) -> NoReturn:
        seconds = deferred["timeout_seconds"]
        self.defer(
            trigger=class_at(deferred["class_path"])(**deferred["trigger_kwargs"]),
            method_name=deferred["method_name"],
            kwargs=deferred["method_kwargs"],
            timeout=None if seconds is None else timedelta(seconds=seconds),
        )
        raise AssertionError("defer returns nothing")
