"""Decides whether the prompt cache can pay for a job, and marks its requests if it can.

Invariants: nothing is marked that cannot pay; the rows' fingerprint is that of the requests without the marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.ledger import PromptCacheRecord
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.service import TokenService


@dataclass(frozen=True, slots=True)
class MarkedRows:
    """The rows of a job, with or without marks.

    :param cache: how the requests are marked; None if they are not.
    """

    rows: Iterator[PreparedRow | InvalidRow]
    cache: PromptCacheRecord | None


def unmarked_rows(rows: Iterable[PreparedRow | InvalidRow]) -> MarkedRows:
    """Return the rows as they are."""
    return MarkedRows(iter(rows), None)


def marked_rows(
    rows: Iterable[PreparedRow | InvalidRow], asked: PromptCache, *, tokens: TokenService | None
) -> MarkedRows:
    """Mark the shared prefix in each request if the cache can pay; else return the rows as they are, and log why.

    Reads as many rows ahead as the cache needs to pay, and no more.

    :param tokens: counts the tokens of the prefix; None for that not to be counted.
    :raises ConfigurationError: a row's prefix differs from that of the first, there is none, or a mark cannot be added.
    """
    raise NotImplementedError
