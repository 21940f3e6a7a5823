"""Where a task's output goes, and who is told of it: the destination, XCom, the task state, asset outlets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from anthropic_batches_provider.edge.jobs import show_in_task_state
from anthropic_batches_provider.edge.object_storage import open_storage

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.output.destination import Destination
    from anthropic_batches_provider.batches.output.manifest import Manifest

XCOM = "xcom"
MANIFEST_KEY = "manifest"

_CONNECTION_IN_URI = re.compile(r"^([a-z0-9+.-]+://)[^/@]*@")


def destination_of(context: Context, uri: str, output_format: str, *, owner: str) -> Destination:
    """Return the folder that a task writes to; each task of a mapped one has a folder of its own in it.

    :param owner: the unit of work that may write there.
    """
    from anthropic_batches_provider.batches.output.destination import Destination

    task_instance: Any = context["ti"]
    folder = uri.rstrip("/")
    if task_instance.map_index is not None and task_instance.map_index >= 0:
        folder = f"{folder}/map_index={task_instance.map_index}"
    return Destination(storage=open_storage(folder, holds_ledger=False), owner=owner, output_format=output_format)


def announce(context: Context, manifest: Manifest, value: Any) -> None:
    """Tell everybody what was published; before it is judged, so that a failing task has told it, too.

    :param value: what the task returns if it succeeds.
    """
    task_instance: Any = context["ti"]
    task_instance.xcom_push(key=MANIFEST_KEY, value=manifest.as_dict())
    if manifest.failed_rows:
        # Airflow pushes no return value of a task that fails; what was paid for is to be had all the same.
        task_instance.xcom_push(key="return_value", value=value)
    show_in_task_state(context, "manifest", {"destination": manifest.destination, **manifest.as_dict()["counts"]})
    _tell_outlets(context, manifest)


def _tell_outlets(context: Context, manifest: Manifest) -> None:
    """Give the event of each outlet an ``extra`` with job, manifest and counts.

    An asset alias gets an asset for the destination, whose URI is known only now; without the connection's name, which
    an asset's identity must not hang on.

    :param manifest: of output that is published.
    """
    task: Any = context["task"]
    events = cast("dict[str, Any]", context).get("outlet_events")
    if events is None:
        return
    extra = {
        "job": manifest.job,
        "manifest": f"{manifest.destination}/_manifest.json" if manifest.parts else None,
        "destination": manifest.destination,
        "batch_ids": list(manifest.batch_ids),
        "counts": manifest.as_dict()["counts"],
    }
    for outlet in task.outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra = {**events[outlet].extra, **extra}
        elif isinstance(outlet, AssetAlias) and manifest.parts:
            events[outlet].add(Asset(uri=_CONNECTION_IN_URI.sub(r"\1", manifest.destination)), extra=extra)
