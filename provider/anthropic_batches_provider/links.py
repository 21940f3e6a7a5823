"""Links that Airflow's UI shows next to a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskInstanceKey

__all__ = ["ConsoleBatchesLink"]

PUBLIC_HOST = "api.anthropic.com"

# Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing, "Tracking your batch" (2026-08-22)
CONSOLE_BATCHES_URL = "https://platform.claude.com/settings/workspaces/default/batches"


class ConsoleBatchesLink(BaseOperatorLink):
    """The page of batches in the Claude Console; it opens on the default workspace, and you can switch to another.

    The link exists only for the public host: the Console does not show the batches of a gateway or a simulator.
    """

    name = "Claude Console: batches"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the link for the host that the task has recorded, or an empty string."""
        return console_link(getattr(operator, "host", None))


def console_link(host: str | None) -> str:
    """Return the URL of the Console's page of batches for the public host, else an empty string.

    :param host: the connection's host, with or without a scheme; empty for the public one; None if it is not known yet.
    """
    if host is None:
        return ""
    name = host.partition("://")[2] or host
    return CONSOLE_BATCHES_URL if name.rstrip("/") in ("", PUBLIC_HOST) else ""
