"""Decides whether the prompt cache can pay for a job, and marks its requests if it can.

Invariants: nothing is marked that cannot pay; the rows' fingerprint is that of the requests without the marks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anthropic_batches_provider.batches.closing import closed_after
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.ledger import PromptCacheRecord
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.prompt_cache.cached_models import UNKNOWN_MODEL, break_even_rows, caching_of
from anthropic_batches_provider.batches.prompt_cache.prefix_markers import PrefixMarker
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.service import TokenService
from anthropic_batches_provider.errors import ApiError

log = logging.getLogger(__name__)

_MOST_AHEAD = 10_000
"""Rows that are read before their time at most; they are in memory."""


@dataclass(frozen=True, slots=True)
class MarkedRows:
    """The rows of a job, with or without marks.

    :param cache: how the requests are marked; None if they are not.
    :param prefix_bytes: the bytes of each request that all share; 0 if none is marked.
    :param why_unmarked: a sentence; "" if the requests are marked, or if nobody asked for that.
    """

    rows: Iterator[PreparedRow | InvalidRow]
    cache: PromptCacheRecord | None
    prefix_bytes: int = 0
    why_unmarked: str = ""


def unmarked_rows(rows: Iterable[PreparedRow | InvalidRow]) -> MarkedRows:
    """Return the rows as they are."""
    return MarkedRows(iter(rows), None)


def marked_rows(
    rows: Iterable[PreparedRow | InvalidRow], asked: PromptCache, *, tokens: TokenService | None
) -> MarkedRows:
    """Mark the shared prefix in each request if the cache can pay; else return the rows as they are, and log why.

    Reads as many rows ahead as the cache needs to pay, and no more. Rows are closed when an error keeps them from being
    read on.

    :param tokens: counts the tokens of the prefix; None for that not to be counted.
    :raises ConfigurationError: a row's prefix differs from that of the first, there is none, or a mark cannot be added.
    """
    pending = iter(rows)
    try:
        return _decided(_RowsAhead(pending), asked, tokens)
    except BaseException:
        with closed_after(pending):
            raise


class _RowsAhead:
    """Reads rows before their time; invalid ones do not count, and stay in their place.

    :param pending: the rows.
    """

    def __init__(self, pending: Iterator[PreparedRow | InvalidRow]) -> None:
        self._pending = pending
        self._read: list[PreparedRow | InvalidRow] = []
        self._ready = 0
        self.first: PreparedRow | None = None

    @property
    def count(self) -> int:
        """How many rows were read."""
        return len(self._read)

    def has(self, count: int) -> bool:
        """Return whether so many rows can be sent. After many invalid rows, it takes the rest for valid ones."""
        while self._ready < count:
            if len(self._read) >= _MOST_AHEAD:
                return self.first is not None
            row = next(self._pending, None)
            if row is None:
                return False
            self._read.append(row)
            if isinstance(row, PreparedRow):
                self._ready += 1
                self.first = self.first or row
        return True

    def rows(self) -> Iterator[PreparedRow | InvalidRow]:
        """Yield all rows, and close them at the end."""
        with closed_after(self._pending):
            yield from self._read
            self._read.clear()
            yield from self._pending


def _decided(ahead: _RowsAhead, asked: PromptCache, tokens: TokenService | None) -> MarkedRows:
    if not ahead.has(1) or ahead.first is None:
        return _unmarked(ahead, f"none of the first rows can be sent ({counted(ahead.count, 'row')}).")
    marker = PrefixMarker(ahead.first.params, ahead.first.number, asked)
    caching = caching_of(marker.model)
    needed = break_even_rows(caching or UNKNOWN_MODEL, asked.ttl)
    if not ahead.has(needed):
        return _unmarked(
            ahead,
            f"there are fewer than {counted(needed, 'row')}, and with fewer, prompt_cache={asked.ttl!r} costs more "
            "than no cache.",
        )
    counted_tokens = None if tokens is None else _prefix_tokens(marker, tokens)
    if caching is None:
        log.info("The least prefix that %s caches is not known here. The prefix is marked as asked.", marker.model)
    elif counted_tokens is not None and counted_tokens < caching.least_tokens:
        return _unmarked(
            ahead,
            f"the rows share {counted(counted_tokens, 'token')}, and {marker.model} caches no prefix below "
            f"{caching.least_tokens:,}.",
        )
    cache = PromptCacheRecord(ttl=asked.ttl, prefix_tokens=counted_tokens)
    return MarkedRows(_marked(ahead.rows(), marker), cache, marker.prefix_bytes)


def _unmarked(ahead: _RowsAhead, why: str) -> MarkedRows:
    sentence = f"The prompt cache is not used: {why}"
    log.info("%s", sentence)
    return MarkedRows(ahead.rows(), None, why_unmarked=sentence)


def _prefix_tokens(marker: PrefixMarker, tokens: TokenService) -> int | None:
    """Return the tokens of the prefix: the difference between two prompts; None if they cannot be counted."""
    whole, rest = marker.counted_params()
    try:
        prefix = tokens.count_tokens(whole) - tokens.count_tokens(rest)
        if prefix > 0:
            return prefix
        problem = f"The service counts {prefix:,}."
    except ApiError as error:
        problem = str(error)
    log.warning(
        "The tokens of the shared prefix could not be counted. It is marked all the same: if it is shorter than the "
        "model's minimum, the API caches nothing, at no extra cost. %s",
        problem,
    )
    return None


def _marked(rows: Iterator[PreparedRow | InvalidRow], marker: PrefixMarker) -> Iterator[PreparedRow | InvalidRow]:
    mark = marker.marked
    with closed_after(rows):
        for row in rows:
            if isinstance(row, PreparedRow):
                yield PreparedRow(row.number, row.columns, mark(row.params, row.number), row.asks_for_json)
            else:
                yield row
