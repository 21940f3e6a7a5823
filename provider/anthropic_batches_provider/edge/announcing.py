"""Announces the published output of a task: in XCom, the task state and the events of asset outlets."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.edge.task_state import show_in_task_state
from anthropic_batches_provider.edge.xcom_keys import MANIFEST_KEY, RETURN_VALUE_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.output.manifest import Manifest

log = logging.getLogger(__name__)

_CONNECTION_IN_URI = re.compile(r"^([a-z0-9+.-]+://)[^/@]*@")


def announce(context: Context, manifest: Manifest, value: Any) -> None:
    """Announce the published output; call this before its failed rows are judged, so that a failing task announces too.

    :param value: the task's return value if it succeeds.
    """
    task_instance: Any = context["ti"]
    task_instance.xcom_push(key=MANIFEST_KEY, value=manifest.as_dict())
    if manifest.failed_rows:
        # Airflow pushes no return value of a task that fails, but paid results must still be available.
        task_instance.xcom_push(key=RETURN_VALUE_KEY, value=value)
    _warn_of_answers(manifest)
    show_in_task_state(context, "manifest", {"destination": manifest.destination, **manifest.as_dict()["counts"]})
    _announce_to_outlets(context, manifest)


def _warn_of_answers(manifest: Manifest) -> None:
    """Say in the log how many succeeded rows have no answer that can be used, whether or not they count as failed."""
    found = {verdict: count for verdict, count in manifest.verdicts.items() if verdict != FITS}
    if found:
        counts_as = (
            "they count as failed rows" if manifest.output_schema is not None else "max_failed_rows ignores them"
        )
        log.warning(
            "Succeeded rows whose answer may be of no use: %s; %s. See verdict or stop_reason in the output.",
            ", ".join(f"{count:,} {verdict}" for verdict, count in found.items()), counts_as,
        )  # fmt: skip


def _announce_to_outlets(context: Context, manifest: Manifest) -> None:
    """Give the event of each outlet an ``extra`` with job, manifest and counts.

    An asset alias gets an asset for the destination, whose URI is known only now. The URI leaves out the connection's
    name, since an asset's identity must not depend on it.

    :param manifest: of the published output.
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
