"""What there is to collect, as rows part by part.

Invariants: rows come one per request, whatever the results hold; of each round one batch at a time is on the disk and
none in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.manifest import Manifest, Tally
from anthropic_batches_provider.batches.results import Result, SpooledResults, decode_result

SHORT_ID_LENGTH = 8

BLOCK_BYTES = 1 << 17
"""Encoded rows travel in blocks of about this size: steps through generators and files cost more than their bytes."""


class OutputPart(Protocol):
    """The rows of one batch."""

    @property
    def batch(self) -> MessageBatch:
        """The batch, which has ended."""

    @property
    def requests(self) -> int:
        """How many rows there are."""

    def rows(self, spool: Path, tally: Tally) -> Generator[bytes, None, None]:
        """Fetch the results and yield the encoded output rows, one a line, in blocks of whole lines.

        :param spool: local folder.
        :param tally: counts each row as it is encoded.
        """

    def close(self, spool: Path) -> None:
        """Note what is to be kept of this part, once its rows are safe."""


class OutputSource(Protocol):
    """All that one collection writes."""

    @property
    def job(self) -> str | None:
        """URI of the job folder."""

    @property
    def owner(self) -> str | None:
        """The unit of work that it belongs to."""

    @property
    def short_id(self) -> str:
        """8 characters for file names: equal for the same work, and hardly ever for another."""

    @property
    def batches(self) -> Sequence[MessageBatch]:
        """All batches that rows come from, which have ended."""

    @property
    def parts(self) -> Sequence[OutputPart]:
        """The batches, in order of output."""

    def opened(self, spool: Path) -> AbstractContextManager[None]:
        """Have at hand what lies across the parts, while their rows are read."""

    def check_current(self) -> None:
        """Look, before anything is published, whether what was read is still all there is.

        :raises LedgerError: it is not.
        """

    def close(self, manifest: Manifest) -> None:
        """Note that all is published, and let go of what is no longer needed."""


def result_at(results: SpooledResults, position: int, batch: MessageBatch) -> Result | None:
    line = results[position]
    if line is None:
        return None
    return decode_result(line, batch_id=batch.id, line_number=lambda: results.line_number(position))
