"""The calls that the engine makes to the service, as protocols that are as small as each room needs.

The client implements all of them. Parameters are positional where a stand-in may name them differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from anthropic_batches_provider.batches.account import Greeting
from anthropic_batches_provider.batches.message_batch import MessageBatch


class RetrieveService(Protocol):
    """Reports the state of one batch."""

    def retrieve(self, batch_id: str, /) -> MessageBatch:
        """Return the batch as it is now.

        :raises BatchNotFoundError: the key's workspace has no such batch.
        """


class CancelService(RetrieveService, Protocol):
    """Cancels batches, and reports beforehand whether there is anything to cancel."""

    def cancel(self, batch_id: str, /) -> MessageBatch:
        """Cancel a batch."""


class ListService(Protocol):
    """Lists batches."""

    def list(self) -> Iterator[MessageBatch]:
        """Iterate over the account's batches, newest first."""


class GreetService(Protocol):
    """Reports the account and the time."""

    def greet(self) -> Greeting:
        """List one batch; the answer names the account and the service's time."""


class ModelService(Protocol):
    """Describes models."""

    def model(self, model_id: str, /) -> dict[str, Any]:
        """Return the API's description of one model.

        :raises ApiStatusError: with status 404: the key has no access to such a model.
        """

    def models(self) -> Sequence[dict[str, Any]]:
        """Return the models that the key may use."""


class TokenService(Protocol):
    """Counts tokens."""

    def count_tokens(self, params: Mapping[str, Any], /) -> int:
        """Return the input tokens of Messages params. This is free, and has a rate limit of its own."""


class ResultsSource(RetrieveService, Protocol):
    """Reports the state of a batch, and returns its results."""

    def results(self, batch_id: str, /) -> AbstractContextManager[Iterator[bytes]]:
        """Open the results as chunks of bytes, cut anywhere.

        :raises BatchNotFoundError: there are no results, or no longer any.
        :raises ResultsStreamError: while iterating, when the stream breaks off.
        """


class LookingService(RetrieveService, ListService, Protocol):
    """Reports the state of batches, one by one or as a list; changes nothing."""


class SettlingService(ListService, ResultsSource, Protocol):
    """Shows which batches exist and whose they are; creates and cancels none."""


class SubmissionService(SettlingService, CancelService, GreetService, Protocol):
    """All the calls that turn shards into batches. Only this service can spend money."""

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        """Send one create call, and never repeat it."""
