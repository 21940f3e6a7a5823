"""From ended batches to published rows: fetch, decode, write in input order, and only then say so.

Invariants: nothing is published unless all of it is whole; the manifest is written last and names everything that
counts; what the previous manifest names stays untouched until the new one is in place; nothing here costs money, so
that collecting again is always safe.
"""

from __future__ import annotations

from anthropic_batches_provider.batches.collection.collecting import (
    DEFAULT_XCOM_MAX_BYTES,
    XComCollection,
    XComRows,
    collect_batches,
    collect_job,
    rows_for_xcom,
)
from anthropic_batches_provider.batches.collection.destination import (
    MANIFEST_NAME,
    OWNER_NAME,
    Destination,
    OutputFormat,
    check_destination,
    check_writable,
    claim_destination,
)
from anthropic_batches_provider.batches.collection.ended import RetrievingService, retrieve
from anthropic_batches_provider.batches.collection.failed_rows import RAISE_MAX_ROUNDS, check_failed_rows
from anthropic_batches_provider.batches.collection.job_collection import JobCollection
from anthropic_batches_provider.batches.collection.manifest import Manifest, PartFile, RowCounts, Times
from anthropic_batches_provider.batches.collection.settings import CollectionSettings

__all__ = [
    "DEFAULT_XCOM_MAX_BYTES",
    "MANIFEST_NAME",
    "OWNER_NAME",
    "RAISE_MAX_ROUNDS",
    "CollectionSettings",
    "Destination",
    "JobCollection",
    "Manifest",
    "OutputFormat",
    "PartFile",
    "RetrievingService",
    "RowCounts",
    "Times",
    "XComCollection",
    "XComRows",
    "check_destination",
    "check_failed_rows",
    "check_writable",
    "claim_destination",
    "collect_batches",
    "collect_job",
    "retrieve",
    "rows_for_xcom",
]
