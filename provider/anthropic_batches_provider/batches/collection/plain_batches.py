"""Batches that something else submitted: rows in the order of the API's results, identified only by their custom_id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pendulum

from anthropic_batches_provider.batches.collection.ended_batches import check_ended, check_whole, retrieve
from anthropic_batches_provider.batches.judging import judge_text
from anthropic_batches_provider.batches.ledger import PromptCacheRecord
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.columns import RowLayout, check_columns, fields_in_table
from anthropic_batches_provider.batches.output.failed_rows import NO_LETTERS_OF_PLAIN_BATCHES
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.output.row_sink import CountedRows
from anthropic_batches_provider.batches.output.source import SHORT_ID_LENGTH
from anthropic_batches_provider.batches.results import spooled_results
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.errors import ConfigurationError


class PlainBatches:
    """Batches that something else submitted; the rows of each come in the order of the API's results.

    :raises ConfigurationError: there are no ids, ``columns=`` is not for such an output, or dead letters are asked for.
    :raises BatchesNotEndedError: a batch has not ended.
    :raises ResultsUnavailableError: the API does not know a batch.
    :raises UnexpectedAnswerError: a batch has ended, but the API does not say how many requests it has.
    """

    def __init__(self, batch_ids: Sequence[str], source: ResultsSource, settings: CollectionSettings) -> None:
        self.layout = _layout(settings)
        check_columns(self.layout, fields_in_table(None) if settings.as_table else {}, own=())
        ids = list(dict.fromkeys(batch_ids))
        if not ids:
            raise ConfigurationError("batch_ids= names no batch, so there is nothing to collect. Name at least one.")
        if settings.dead_letters:
            raise ConfigurationError(NO_LETTERS_OF_PLAIN_BATCHES)
        self.batches = [retrieve(batch_id, source, settings.clock) for batch_id in ids]
        check_ended(self.batches)
        for batch in self.batches:
            check_whole(batch)
        self.job: str | None = None
        self.owner: str | None = None
        self.output_schema: str | None = None
        self.prompt_cache: PromptCacheRecord | None = None
        self.short_id = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:SHORT_ID_LENGTH]
        self.parts = [_PlainPart(batch, source, settings) for batch in self.batches]

    def opened(self, spool: Path) -> AbstractContextManager[None]:
        return nullcontext()

    def check_current(self) -> None:
        """Do nothing: batches do not change after they have ended."""

    def dead_letters(self) -> Iterator[bytes]:
        """Yield nothing: the requests of other submitters are not known."""
        return iter(())

    def close(self, manifest: Manifest) -> None:
        """Keep nothing: there is no job folder."""


class _PlainPart:
    """The rows of a batch that belongs to no job."""

    def __init__(self, batch: MessageBatch, source: ResultsSource, settings: CollectionSettings) -> None:
        self._source = source
        self._settings = settings
        self.batch = batch
        self.rows = batch.request_counts.total
        self.prompt_cache: PromptCacheRecord | None = None

    @property
    def layout(self) -> RowLayout:
        """Which columns of the result the rows have."""
        return _layout(self._settings)

    def created_at(self, batch_id: str) -> pendulum.DateTime | None:
        """Return when the batch was created; there is no other."""
        return self.batch.created_at

    def write_to(self, rows: CountedRows, spool: Path) -> None:
        """Pass on the rows in the order of the API's results."""
        batch_id, with_message = self.batch.id, self._settings.include_message
        clock = self._settings.clock
        with spooled_results(self._source, self.batch, spool / "results", expected=None, clock=clock) as results:
            for result in results.decoded(with_message=with_message):
                if result is not None:
                    rows.add(judge_text(NO_COLUMNS, batch_id, result))

    def close(self, spool: Path) -> None:
        """Keep nothing: there is no job folder."""


def _layout(settings: CollectionSettings) -> RowLayout:
    return RowLayout(include_message=settings.include_message, choice=settings.choice)
