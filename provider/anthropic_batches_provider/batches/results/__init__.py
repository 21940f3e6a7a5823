"""Results of one batch: from the bytes of the API's stream to encoded output rows, in constant memory."""

from __future__ import annotations

from anthropic_batches_provider.batches.results.decode import Result, decode_result, missing_result
from anthropic_batches_provider.batches.results.expected import ExpectedRows
from anthropic_batches_provider.batches.results.fetching import spooled_results
from anthropic_batches_provider.batches.results.lines import split_lines
from anthropic_batches_provider.batches.results.output import NO_COLUMNS, RowEncoder
from anthropic_batches_provider.batches.results.source import ResultsSource
from anthropic_batches_provider.batches.results.spool import SpooledResults

__all__ = [
    "NO_COLUMNS",
    "ExpectedRows",
    "Result",
    "ResultsSource",
    "RowEncoder",
    "SpooledResults",
    "decode_result",
    "missing_result",
    "split_lines",
    "spooled_results",
]
