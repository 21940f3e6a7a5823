"""Classifies the outcome of a create call: accepted, certainly refused, or unknown.

An unknown outcome is settled, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pendulum

from anthropic_batches_provider.batches.clock import SERVICE_CLOCK_SKEW
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import ApiConnectionError, ApiStatusError, UnexpectedAnswerError

#: The answers that prove that the service created no batch: each status with the API's own ``error.type`` for it.
#: https://platform.claude.com/docs/en/api/errors (seen 2026-08-22)
REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        422: "invalid_request_error",
        429: "rate_limit_error",
    }
)


def is_refusal(error: Exception) -> bool:
    """Return whether an error of a create call proves that the call created no batch.

    A refusal counts only in the API's own form: the status with its type, and a request id. A gateway that lets the
    call through and then answers with a page of its own proves nothing, whatever its status.

    :param error: the error that the call raised. Unless it is a proven refusal, the outcome is unknown.
    """
    if isinstance(error, ApiStatusError):
        return not error.reached_api or is_the_apis_refusal(error.status, error.error_type, error.request_id)
    return isinstance(error, ApiConnectionError) and not error.connected


def is_the_apis_refusal(status: int, error_type: str | None, request_id: str | None) -> bool:
    """Return whether an answer to a create call has the form of a refusal by the API itself.

    :param error_type: the ``error.type`` of the answer's JSON; None if the body has another form.
    :param request_id: the API's request id, from the header ``request-id`` or the body.
    """
    return error_type is not None and REFUSALS.get(status) == error_type and bool(request_id)


def is_the_apis_not_found(error: ApiStatusError) -> bool:
    """Return whether a 404 has the API's own form, and is not a page of something on the way."""
    return error.status == 404 and is_the_apis_refusal(error.status, error.error_type, error.request_id)


def check_accepted(batch: MessageBatch, *, requests: int, intended_at: pendulum.DateTime) -> None:
    """Check that an answer describes the batch that was sent.

    :param requests: number of requests in the shard.
    :param intended_at: when the intent was written, by the service's clock.
    :raises UnexpectedAnswerError: its counts do not add up to the shard, it was created before the call, or it has
        ended already: something between Airflow and the API may have answered with another batch.
    """
    if not batch.request_counts.are_known or batch.request_counts.total != requests:
        raise UnexpectedAnswerError(
            f"The answer describes {batch.id} with {batch.request_counts}, but the call sent "
            f"{counted(requests, 'request')}."
        )
    if batch.created_at is None or batch.created_at < intended_at - SERVICE_CLOCK_SKEW:
        raise UnexpectedAnswerError(
            f"The answer describes {batch.id}, which was created at {batch.created_at}, but the call was made after "
            f"{intended_at}."
        )
    if batch.has_ended:
        raise UnexpectedAnswerError(f"The answer describes {batch.id}, which has ended already.")
