"""Classifies the outcome of a create call: accepted, certainly refused, or unknown.

An unknown outcome is settled, never guessed.
"""

from __future__ import annotations

from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import ApiConnectionError, ApiStatusError, UnexpectedAnswerError

# These answers prove that the service created no batch. Any other may come from a gateway after it created one.
REFUSING_STATUSES = frozenset((400, 401, 402, 403, 404, 413, 422, 429))


def is_refusal(error: Exception) -> bool:
    """Return whether an error of a create call proves that the call created no batch.

    :param error: the error that the call raised. If it is not listed as a refusal, the outcome is unknown.
    """
    if isinstance(error, ApiStatusError):
        return error.status in REFUSING_STATUSES
    return isinstance(error, ApiConnectionError) and not error.connected


def check_accepted(batch: MessageBatch, *, requests: int) -> None:
    """Check that an answer describes the batch that was sent.

    :raises UnexpectedAnswerError: its counts do not add up to the requests of the shard.
    """
    if batch.request_counts.total != requests:
        raise UnexpectedAnswerError(
            f"The answer describes {batch.id} with {counted(batch.request_counts.total, 'request')}, but the call sent "
            f"{counted(requests, 'request')}."
        )
