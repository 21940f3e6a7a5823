"""Checks whether Messages params can be sent in a batch, and encodes them.

The checks cover only certain faults: in the shape that every request has, in the features that a batch lacks, in the
schema of the output, and in the size. The API judges everything else; its answer is that row's result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH, MAX_MESSAGE_BYTES
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_arguments
from anthropic_batches_provider.batches.requests.output_schemas import named_problems, problems_of_params
from anthropic_batches_provider.batches.requests.question_rules import params_problem
from anthropic_batches_provider.batches.requests.sdk_types import is_omitted
from anthropic_batches_provider.batches.requests.sdk_values import FileValueError
from anthropic_batches_provider.batches.requests.wording import listed, row_name
from anthropic_batches_provider.errors import InvalidRowError

CUSTOM_ID_ALLOWANCE = 100
"""Bytes reserved for the custom_id that each request gets later."""

MAX_PARAMS_BYTES = MAX_BYTES_PER_BATCH - CUSTOM_ID_ALLOWANCE - len(b'{"requests":[{"custom_id":"","params":}]}')
"""The size of the largest params that still fit into a batch of their own."""


def encode_checked_params(params: object, number: int, *, source: str) -> bytes:
    """Check the Messages params of one row and encode them.

    :param params: the value from the user's code or file.
    :param number: the row's position, from 0.
    :param source: the argument that gave them, named in errors: ``request_builder``, ``requests``.
    :raises InvalidRowError: if they cannot be sent; names the field and what it should be.
    """
    if type(params) is not dict and not isinstance(params, Mapping):
        raise InvalidRowError(
            f"{row_name(number)}: {source} gave a value of type {type(params).__name__} instead of Messages params. "
            f"Give a dict with model, max_tokens and messages.",
            row_number=number,
        )
    problem = params_problem(params) or missing_problem(params)
    if problem is not None:
        # Looked for only here: an omitted field is a problem, or is left out when the params are encoded.
        params = {name: value for name, value in params.items() if not is_omitted(value)}
        problem = params_problem(params) or missing_problem(params)
    if problem is not None:
        raise InvalidRowError(
            f"{row_name(number)}: {problem} The params given by {source} hold: {listed(params)}.", row_number=number
        )
    try:
        encoded = encode_arguments(params)
    except FileValueError as error:
        raise InvalidRowError(
            f"{row_name(number)}: in the params given by {source}, {error}", row_number=number
        ) from error
    except NotJsonError as error:
        raise InvalidRowError(
            f"{row_name(number)}: the params given by {source} are not JSON: {error}.", row_number=number
        ) from error
    if len(encoded) > MAX_PARAMS_BYTES:
        check_size(encoded, number)
    if "output_config" in params and (problems := problems_of_params(encoded)):
        raise InvalidRowError(
            f"{row_name(number)}: the schema in `output_config.format`, given by {source}, {named_problems(problems)}",
            row_number=number,
        )
    return encoded


def missing_problem(params: Mapping[str, Any]) -> str | None:
    """Return a sentence on the required field that is missing; None if all are present."""
    if "model" not in params or "max_tokens" not in params:
        name = "max_tokens" if "model" in params else "model"
        return f"`{name}` is missing; give it here or to the operator as `{name}=`."
    messages = params.get("messages")
    if not isinstance(messages, (list, tuple)) or not messages:
        return "`messages` must be a list of at least one message, such as [{'role': 'user', 'content': …}]."
    return None


def check_size(encoded: bytes, number: int) -> None:
    """Refuse params that would not even fit into a batch of their own.

    :raises InvalidRowError: names the size and the limit, in bytes.
    """
    if len(encoded) > MAX_PARAMS_BYTES:
        raise InvalidRowError(
            f"{row_name(number)}: its request has {len(encoded):,} bytes, but a batch holds at most "
            f"{MAX_BYTES_PER_BATCH:,}. Shorten the row's content, or refer to large content by URL or file id. "
            f"This row cannot be sent as it is.",
            row_number=number,
        )


def check_message_size(encoded: bytes, number: int) -> None:
    """Refuse a request with images or documents that is larger than one request may be.

    :raises InvalidRowError: names the size and the limit, in bytes.
    """
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise InvalidRowError(
            f"{row_name(number)}: its request has {len(encoded):,} bytes with its images and documents in base64, but "
            f"the API takes at most {MAX_MESSAGE_BYTES:,} in one request. Make several rows of it, make the files "
            "smaller, or give https:// URLs.",
            row_number=number,
        )
