"""Announces the published output of a task: in XCom, the task state and the events of asset outlets."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.edge.table_addresses import address_of
from anthropic_batches_provider.edge.task_destination import XCOM
from anthropic_batches_provider.edge.task_state import show_in_task_state
from anthropic_batches_provider.edge.xcom_keys import MANIFEST_KEY, RETURN_VALUE_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.output.manifest import Manifest

log = logging.getLogger(__name__)

MOST_FILES = 100
"""Files that an event names; a reader finds all of them in the manifest."""

MOST_COLUMNS = 1000
"""Columns that an event names."""

_MANIFEST_NAME = "_manifest.json"
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
    """Give the event of each outlet an ``extra`` that describes the output.

    An asset alias gets an asset for the folder or the table, whose URI is known only now. The URI leaves out the
    connection's name, since an asset's identity must not depend on it.

    :param manifest: of the published output.
    """
    task: Any = context["task"]
    events = cast("dict[str, Any]", context).get("outlet_events")
    if events is None:
        return
    extra = extra_of(manifest)
    for outlet in task.outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra = {**events[outlet].extra, **extra}
        elif isinstance(outlet, AssetAlias) and (asset := _asset_of(manifest)) is not None:
            events[outlet].add(asset, extra=extra)


def extra_of(manifest: Manifest) -> dict[str, Any]:
    """Return what the event of an asset says of an output; plain values, bounded but for the batches."""
    told = manifest.as_dict()
    in_files = manifest.destination != XCOM and manifest.table is None
    return {
        "job": manifest.job,
        "manifest": f"{manifest.destination}/{_MANIFEST_NAME}" if in_files else None,
        "destination": manifest.destination,
        "batch_ids": list(manifest.batch_ids),
        "counts": told["counts"],
        "rows": manifest.counts.rows,
        "cost": _cost_of(manifest),
        "table": told["table"],
        "files": [part.uri for part in manifest.parts[:MOST_FILES]] if in_files else [],
        "file_count": len(manifest.parts) if in_files else 0,
        "output_format": told["output_format"],
        "columns": told["columns"][:MOST_COLUMNS],
        "column_count": len(manifest.columns),
        "dead_letters": told["dead_letters"],
    }


def _cost_of(manifest: Manifest) -> dict[str, Any] | None:
    """Return the sums of the cost, in dollars as exact texts; None if prices are not known."""
    cost = manifest.cost
    if cost is None:
        return None
    return {name: getattr(cost, name) for name in ("cost_usd", "at_least", "live_usd", "saved_by_batch_usd")}


def _asset_of(manifest: Manifest) -> Asset | None:
    """Return the folder or the table as an asset; None for rows in XCom, and for a table that cannot be named.

    The output is published, so what cannot be asked now must not fail the task.
    """
    table = manifest.table
    if manifest.destination == XCOM:
        return None
    if table is None:
        return Asset(uri=_CONNECTION_IN_URI.sub(r"\1", manifest.destination))
    try:
        return Asset(uri=address_of(table.conn_id, table.table).asset_uri)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises
        log.warning(
            "The asset alias gets no asset for %s: the database could not be asked for its schema (%s). Name the "
            "schema in SqlTable(…).", manifest.destination, type(error).__name__,
        )  # fmt: skip
        return None
