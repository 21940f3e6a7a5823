"""The destination of a task's output: XCom, or a folder that belongs to the task alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.object_storage import open_storage

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.output.destination import Destination

XCOM = "xcom"  # as ``destination=``


def folder_of_task(uri: str, map_index: int | None) -> str:
    """Return the folder of a task instance: of one of a mapped task, its own folder in the destination."""
    folder = uri.rstrip("/")
    return folder if map_index is None or map_index < 0 else f"{folder}/map_index={map_index}"


def destination_of(context: Context, uri: str, output_format: str, *, owner: str) -> Destination:
    """Return the folder that a task writes to; each instance of a mapped task has its own folder in it.

    :param owner: the unit of work that may write there.
    """
    from anthropic_batches_provider.batches.output.destination import Destination

    task_instance: Any = context["ti"]
    folder = folder_of_task(uri, task_instance.map_index)
    return Destination(storage=open_storage(folder, holds_ledger=False), owner=owner, output_format=output_format)
