"""Cancels batches: decides which can be canceled, and holds the one function that every caller uses."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from anthropic_batches_provider.errors import ApiStatusError, BatchNotFoundError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.message_batch import MessageBatch
    from anthropic_batches_provider.batches.service import CancelService

log = logging.getLogger(__name__)

_REFUSED_FOR_ITS_STATE = (400, 409, 422)


def takes_cancellation(batch: MessageBatch) -> bool:
    """Return whether a batch can be canceled: while it is in progress, or in a state that we do not know.

    A batch that is canceling needs no further call, and an ended batch stays as it is.
    """
    return batch.processing_status not in ("canceling", "ended")


def cancel_if_in_progress(service: CancelService, batch_id: str) -> MessageBatch:
    """Cancel a batch if it is in progress, and leave any other batch alone.

    :returns: the batch as it was before this call; it was canceled if it :func:`takes_cancellation`.
    :raises BatchNotFoundError: the key's workspace has no such batch.
    :raises ApiError: the service refused or did not answer.
    """
    found = service.retrieve(batch_id)
    if takes_cancellation(found):
        try:
            service.cancel(batch_id)
        except ApiStatusError as error:
            if found.processing_status == "in_progress" or error.status not in _REFUSED_FOR_ITS_STATE:
                raise
            log.warning("%s is %s and does not take a cancellation: %s", batch_id, found.processing_status, error)
    return found


def cancel_batches(service: CancelService, batch_ids: Iterable[str]) -> tuple[list[str], list[str]]:
    """Cancel every batch that is in progress; a batch that the service does not know does not block the others.

    :returns: the ids that this call canceled, and the ids left alone: ended, canceling, or unknown to the API.
    :raises ApiError: the service refused or did not answer; the batches before that one were handled.
    """
    canceled: list[str] = []
    untouched: list[str] = []
    for batch_id in batch_ids:
        (canceled if _cancel(service, batch_id) else untouched).append(batch_id)
    return canceled, untouched


def _cancel(service: CancelService, batch_id: str) -> bool:
    try:
        found = cancel_if_in_progress(service, batch_id)
    except BatchNotFoundError as error:
        log.warning("%s cannot be canceled: %s", batch_id, error)
        return False
    if takes_cancellation(found):
        log.warning("%s is being canceled. Requests that it finishes before it stops are kept and billed.", batch_id)
        return True
    log.info("%s is already %s: %s", batch_id, found.processing_status, found.request_counts.as_dict())
    return False
