"""Counts the tokens of a job's requests under its beta headers.

Without them, the API refuses to count some requests that it takes in a batch of these betas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import MessageBatchClient


@dataclass(frozen=True, slots=True)
class TokensWithBetas:
    """A :class:`.TokenService`.

    :param betas: values of the ``anthropic-beta`` header of the job's batches.
    """

    client: MessageBatchClient
    betas: Sequence[str]

    def count_tokens(self, params: Mapping[str, Any], /) -> int:
        """Return the input tokens of Messages params."""
        return self.client.count_tokens(params, betas=self.betas)
