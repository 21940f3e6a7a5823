"""Sorts what came of a create call: accepted, refused for sure, or unknown, which is settled and never guessed."""

from __future__ import annotations

from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.errors import ApiConnectionError, ApiStatusError, UnexpectedAnswerError

# After these answers the service has made no batch; any other may come from a gateway after it had.
REFUSING_STATUSES = frozenset((400, 401, 402, 403, 404, 413, 422, 429))


def is_refusal(error: Exception) -> bool:
    """Return whether an error of a create call proves that it made no batch.

    :param error: what the call raised; anything that is not listed as a refusal is an unknown outcome.
    """
    if isinstance(error, ApiStatusError):
        return error.status in REFUSING_STATUSES
    return isinstance(error, ApiConnectionError) and not error.connected


def check_accepted(batch: MessageBatch, *, requests: int) -> None:
    """Check that an answer describes the batch that was sent.

    :raises UnexpectedAnswerError: its counts do not sum to the shard.
    """
    if batch.request_counts.total != requests:
        raise UnexpectedAnswerError(
            f"The answer describes {batch.id} with {batch.request_counts.total:,} requests, but {requests:,} were sent."
        )
