"""Answers of the API as a watcher gets them, at moments of a test's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from anthropic_batches_provider.batches.client import Look, SightedCounts, Sighting

START = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def sighting(
    batch_id: str, *, created: float = START, status: Literal["in_progress", "canceling", "ended"] = "in_progress"
) -> Sighting:
    ended = status == "ended"
    at = datetime.fromtimestamp(created, UTC)
    return Sighting(
        id=batch_id,
        type="message_batch",
        processing_status=status,
        request_counts=SightedCounts(
            processing=0 if ended else 3, succeeded=3 if ended else 0, errored=0, canceled=0, expired=0
        ),
        created_at=at,
        expires_at=at + timedelta(hours=24),
        ended_at=at + timedelta(minutes=5) if ended else None,
    )


def page(*batch_ids: str, next_page: str | None = None, retry_after: float = 0.0, created: float = START) -> Look:
    return Look(
        sightings=tuple(sighting(batch_id, created=created) for batch_id in batch_ids),
        next_page=next_page,
        retry_after_seconds=retry_after,
    )


def one(batch_id: str, *, retry_after: float = 0.0, created: float = START, ended: bool = False) -> Look:
    seen = sighting(batch_id, created=created, status="ended" if ended else "in_progress")
    return Look(sightings=(seen,), retry_after_seconds=retry_after)
