"""Links that Airflow's UI shows next to a task.

Airflow stores the links of an operator's class with the DAG, and their addresses with each run on a worker, a deferral
included. It shows no link without an address. A task keeps only the links that lead somewhere, so that no empty
address replaces the one of an earlier stint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink

from anthropic_batches_provider.edge.output_pages import output_page
from anthropic_batches_provider.edge.task_destination import XCOM

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskInstanceKey

__all__ = ["ConsoleBatchLink", "ConsoleBatchesLink", "OutputLink"]

PUBLIC_HOST = "api.anthropic.com"

# Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing, "Tracking your batch" (2026-08-22)
CONSOLE_BATCHES_URL = "https://platform.claude.com/settings/workspaces/default/batches"

MOST_BATCH_LINKS = 10  # of a task; each costs one call to Airflow's API when a stint ends


class OutputLink(BaseOperatorLink):
    """The page of the task's output: of the folder in the console of S3 or Google Cloud Storage, else of its XComs."""

    name = "Output"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the link; a task without a ``destination`` has its output in XCom."""
        return output_page(getattr(operator, "destination", XCOM), ti_key)


class ConsoleBatchesLink(BaseOperatorLink):
    """The page of batches in the Claude Console; it opens on the default workspace, and you can switch to another.

    The link exists only for the public host: the Console does not show the batches of a gateway or a simulator.
    """

    name = "Claude Console: batches"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address."""
        return self.address(operator)

    def address(self, operator: Any) -> str:
        """Return the page for the host that the task has recorded, or an empty string."""
        return console_link(getattr(operator, "host", None))


@dataclass(frozen=True)
class ConsoleBatchLink(BaseOperatorLink):
    """One batch of the task in the Claude Console, for the public host.

    No page of a single batch is documented. The link is that of the page of batches with the id as ``?batch=``; where
    the Console does not follow it, the page lists the batch.

    :param number: the batch among the task's batches, from 1.
    """

    number: int

    @property
    def name(self) -> str:
        """The text of the link; two digits, since Airflow sorts links by their texts."""
        return f"Claude Console: batch {self.number:02d}"

    @property
    def xcom_key(self) -> str:
        """The XCom that holds the link of a task."""
        return f"_link_ConsoleBatchLink_{self.number:02d}"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address."""
        return self.address(operator)

    def address(self, operator: Any) -> str:
        """Return the page with the batch's id, or an empty string if the task has no such batch or another host."""
        batch_ids: Sequence[str] = getattr(operator, "linked_batches", ())
        page = console_link(getattr(operator, "host", None))
        return f"{page}?batch={quote(batch_ids[self.number - 1])}" if page and self.number <= len(batch_ids) else ""


def task_links() -> tuple[BaseOperatorLink, ...]:
    """Return the links of an operator of this package, for ``operator_extra_links`` of its class."""
    each = (ConsoleBatchLink(number) for number in range(1, MOST_BATCH_LINKS + 1))
    return (OutputLink(), ConsoleBatchesLink(), *each)


def show_links(operator: Any, *, host: str | None = None, batch_ids: Sequence[str] = ()) -> None:
    """Note what the links of a running task lead to, and keep only those that lead somewhere.

    Links that a subclass adds are kept.

    :param operator: the operator of a task instance, never of the parsed DAG.
    :param host: as :func:`console_link`.
    :param batch_ids: the task's batches known now, in order.
    """
    operator.host, operator.linked_batches = host, tuple(batch_ids[:MOST_BATCH_LINKS])
    operator.operator_extra_links = tuple(
        link for link in type(operator).operator_extra_links if _leads_somewhere(link, operator)
    )


def _leads_somewhere(link: BaseOperatorLink, operator: Any) -> bool:
    return not isinstance(link, ConsoleBatchesLink | ConsoleBatchLink) or bool(link.address(operator))


def console_link(host: str | None) -> str:
    """Return the URL of the Console's page of batches for the public host, else an empty string.

    :param host: the connection's host, with or without a scheme; empty for the public one; None if it is not known yet.
    """
    if host is None:
        return ""
    name = host.partition("://")[2] or host
    return CONSOLE_BATCHES_URL if name.rstrip("/") in ("", PUBLIC_HOST) else ""
