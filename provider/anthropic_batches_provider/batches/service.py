"""What collection asks of the service: a batch's state and its results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from anthropic_batches_provider.batches.message_batch import MessageBatch


class ResultsSource(Protocol):
    """The calls of the client that results need."""

    def retrieve(self, batch_id: str, /) -> MessageBatch:
        """Return the batch as it is now.

        :raises BatchNotFoundError: the key's workspace has no such batch.
        """

    def results(self, batch_id: str, /) -> AbstractContextManager[Iterator[bytes]]:
        """Open the results as chunks of bytes, cut anywhere.

        :raises BatchNotFoundError: there are no results to be had.
        :raises ResultsStreamError: while iterating, when the stream breaks off.
        """
