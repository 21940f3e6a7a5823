"""Results of one batch: from the bytes of the API's stream to decoded results, in constant memory."""

from __future__ import annotations

from anthropic_batches_provider.batches.results.decode import (
    MISSING,
    UNREADABLE,
    Result,
    decode_result,
    missing_result,
    result_of_invalid_row,
)
from anthropic_batches_provider.batches.results.expected import ExpectedRows
from anthropic_batches_provider.batches.results.fetching import spooled_results
from anthropic_batches_provider.batches.results.spool import SpooledResults
from anthropic_batches_provider.batches.results.unreadable import read_loosely

__all__ = [
    "MISSING",
    "UNREADABLE",
    "ExpectedRows",
    "Result",
    "SpooledResults",
    "decode_result",
    "missing_result",
    "read_loosely",
    "result_of_invalid_row",
    "spooled_results",
]
