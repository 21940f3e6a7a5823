"""Cancels batches, for whoever may: idempotent, and never in the way of the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from anthropic_batches_provider.errors import BatchNotFoundError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import MessageBatchClient

log = logging.getLogger(__name__)


def cancel_batches(client: MessageBatchClient, batch_ids: Iterable[str]) -> tuple[list[str], list[str]]:
    """Cancel every batch that is in progress.

    :returns: the ids that were canceled now, and those left alone: ended, canceling, or unknown to the API.
    :raises ApiError: the service refused or did not answer; the batches before that one are seen to.
    """
    canceled: list[str] = []
    untouched: list[str] = []
    for batch_id in batch_ids:
        (canceled if _cancel(client, batch_id) else untouched).append(batch_id)
    return canceled, untouched


def _cancel(client: MessageBatchClient, batch_id: str) -> bool:
    try:
        batch = client.retrieve(batch_id)
    except BatchNotFoundError as error:
        log.warning("%s cannot be canceled: %s", batch_id, error)
        return False
    if batch.processing_status != "in_progress":
        log.info("%s is %s already: %s", batch_id, batch.processing_status, batch.request_counts.as_dict())
        return False
    client.cancel(batch_id)
    log.warning("Canceled %s; what it finishes before it stops is kept and billed.", batch_id)
    return True
