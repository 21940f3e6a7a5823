"""The source of the rows to write: the rows of batches, part by part.

Invariants: each row of the input has one row here, whatever the results hold. Of each round, one batch at a time is
on the disk, and none is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pendulum

from anthropic_batches_provider.batches.ledger import PromptCacheRecord
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.output.row_sink import CountedRows

SHORT_ID_LENGTH = 8


class OutputPart(Protocol):
    """The rows of one batch, which become one file."""

    @property
    def batch(self) -> MessageBatch:
        """The batch, which has ended."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def layout(self) -> RowLayout:
        """Which columns of the result the rows have."""

    @property
    def prompt_cache(self) -> PromptCacheRecord | None:
        """How the requests use the prompt cache; None if they do not, or if nobody knows."""

    def created_at(self, batch_id: str) -> pendulum.DateTime | None:
        """Return when the service created a batch that a result of these rows comes from; None if it does not say."""

    def write_to(self, rows: CountedRows, spool: Path) -> None:
        """Fetch the results and pass on the answered rows, in the order of the output.

        :param spool: local folder.
        """

    def close(self, spool: Path) -> None:
        """Save the files to keep for this part, once its rows are safe."""


class OutputSource(Protocol):
    """Everything that one collection writes."""

    @property
    def job(self) -> str | None:
        """URI of the job folder."""

    @property
    def owner(self) -> str | None:
        """The unit of work that it belongs to."""

    @property
    def short_id(self) -> str:
        """8 characters for file names: equal for the same work, and almost never equal for other work."""

    @property
    def batches(self) -> Sequence[MessageBatch]:
        """All batches that the rows come from; all have ended."""

    @property
    def parts(self) -> Sequence[OutputPart]:
        """The batches, in order of output."""

    @property
    def layout(self) -> RowLayout:
        """Which columns of the result the rows of all parts have."""

    @property
    def output_schema(self) -> str | None:
        """The hash of the JSON Schema that judges the answers; None without one."""

    @property
    def prompt_cache(self) -> PromptCacheRecord | None:
        """How the requests of all parts use the prompt cache; None if they do not, or if nobody knows."""

    def opened(self, spool: Path) -> AbstractContextManager[None]:
        """Keep results that are spread over the parts available while their rows are read."""

    def check_current(self) -> None:
        """Check, before anything is published, that the results that were read are still all there are.

        :raises LedgerError: they are not.
        """

    def dead_letters(self) -> Iterator[bytes]:
        """Yield the failed rows with their requests, as lines of ready requests; call it once all parts are written."""

    def close(self, manifest: Manifest) -> None:
        """Record that everything is published, and delete files that are no longer needed."""
