"""What the engine asks of the service: the calls of the client, in protocols as small as each room needs.

The client has them all. Parameters that its stand-ins may name otherwise go by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from anthropic_batches_provider.batches.account import Greeting
from anthropic_batches_provider.batches.message_batch import MessageBatch


class RetrieveService(Protocol):
    """Tells how one batch stands."""

    def retrieve(self, batch_id: str, /) -> MessageBatch:
        """Return the batch as it is now.

        :raises BatchNotFoundError: the key's workspace has no such batch.
        """


class CancelService(RetrieveService, Protocol):
    """Cancels batches, and tells first whether there is anything to cancel."""

    def cancel(self, batch_id: str, /) -> MessageBatch:
        """Cancel a batch."""


class ListService(Protocol):
    """Lists batches."""

    def list(self) -> Iterator[MessageBatch]:
        """Iterate over the account's batches, newest first."""


class GreetService(Protocol):
    """Tells account and time."""

    def greet(self) -> Greeting:
        """List one batch, whose answer names the account and the service's time."""


class ResultsSource(RetrieveService, Protocol):
    """Tells how a batch stands, and gives its results."""

    def results(self, batch_id: str, /) -> AbstractContextManager[Iterator[bytes]]:
        """Open the results as chunks of bytes, cut anywhere.

        :raises BatchNotFoundError: there are no results, or none any more.
        :raises ResultsStreamError: while iterating, when the stream breaks off.
        """


class LookingService(RetrieveService, ListService, Protocol):
    """Shows how many batches stand; changes nothing."""


class SettlingService(ListService, ResultsSource, Protocol):
    """Shows which batches there are, and whose; creates and cancels none."""


class SubmissionService(SettlingService, CancelService, GreetService, Protocol):
    """All that bringing shards to their batches takes: the only service that can spend."""

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        """Send one create call, once."""
