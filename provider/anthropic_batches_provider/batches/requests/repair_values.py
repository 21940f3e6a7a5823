"""What a repair changes, as it is sent: values of the SDK and files among them become JSON once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_arguments
from anthropic_batches_provider.batches.requests.repair_rules import check_repair
from anthropic_batches_provider.batches.requests.sdk_values import FileValueError
from anthropic_batches_provider.errors import ConfigurationError


def repair_changes(
    repair: Mapping[str, Mapping[str, Any]] | None, *, max_rounds: int, known: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return for each verdict the Messages params that its repair changes, as plain JSON values.

    :param repair: as the task asks for it; None repairs nothing.
    :param max_rounds: how often a row may be sent in total.
    :param known: the params that every row has; none if a builder may override them.
    :raises ConfigurationError: it cannot be asked for; names the verdict and what it should be.
    """
    if repair is None:
        return {}
    check_repair(repair, max_rounds=max_rounds, known=known)
    try:
        changes: dict[str, dict[str, Any]] = msgspec.json.decode(encode_arguments(repair))
    except (NotJsonError, FileValueError) as error:
        raise ConfigurationError(f"`repair` cannot be sent: {error}") from error
    return changes
