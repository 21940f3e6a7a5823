"""Turns ended batches into answered rows: fetches, decodes, and joins them with the rows' own columns, in input order.

Invariant: nothing here costs money, so collecting again is always safe.
"""

from __future__ import annotations

from anthropic_batches_provider.batches.collection.ended_batches import retrieve
from anthropic_batches_provider.batches.collection.entry_points import (
    XComCollection,
    XComRows,
    collect_batches,
    collect_job,
    rows_for_xcom,
)
from anthropic_batches_provider.batches.collection.job_collection import JobCollection
from anthropic_batches_provider.batches.collection.job_context import output_schema_of

__all__ = [
    "JobCollection",
    "XComCollection",
    "XComRows",
    "collect_batches",
    "collect_job",
    "output_schema_of",
    "retrieve",
    "rows_for_xcom",
]
