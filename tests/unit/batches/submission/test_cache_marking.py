"""A job's requests are marked where the prompt cache can pay, and else the log says why they are not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row
from anthropic_batches_provider.batches.ledger import PromptCacheRecord
from anthropic_batches_provider.batches.prompt_cache import CacheTtl, PromptCache
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.submission import cache_marking
from anthropic_batches_provider.batches.submission.cache_marking import MarkedRows, marked_rows, unmarked_rows
from anthropic_batches_provider.errors import ApiConnectionError, ApiError, ApiStatusError, ConfigurationError

HAIKU = "claude-haiku-5-5"  # caches 512 tokens and more
HOUR = PromptCache(ttl="1h")
MARK = b'"cache_control"'
GATEWAY = ApiStatusError("no page", status=404)


class Tokens:
    """Counts a token for each character of the JSON, or raises what it is given; remembers the calls."""

    def __init__(self, error: ApiError | None = None, constant: int | None = None) -> None:
        self._error = error
        self._constant = constant
        self.asked: list[Mapping[str, Any]] = []

    def count_tokens(self, params: Mapping[str, Any], /) -> int:
        self.asked.append(params)
        if self._error is not None:
            raise self._error
        return len(json.dumps(params)) if self._constant is None else self._constant


class Source:
    """A generator of rows that remembers how many were taken, and whether it was closed."""

    def __init__(self, rows: list[PreparedRow | InvalidRow]) -> None:
        self._rows = rows
        self.taken = 0
        self.is_closed = False

    def read(self) -> Iterator[PreparedRow | InvalidRow]:
        try:
            for row in self._rows:
                self.taken += 1
                yield row
        finally:
            self.is_closed = True


def row(number: int, *, system: str = "s" * 600, model: str = HAIKU) -> PreparedRow:
    params = {"model": model, "max_tokens": 9, "system": system, "messages": [{"role": "user", "content": f"{number}"}]}
    return PreparedRow(number, b'{"n":%d}' % number, json.dumps(params).encode(), asks_for_json=number == 1)


def bad(number: int) -> InvalidRow:
    return invalid_row(number, "bad", b"{}")


def ready(count: int, **fields: Any) -> list[PreparedRow | InvalidRow]:
    return [row(number, **fields) for number in range(count)]


def marks(found: MarkedRows) -> list[int]:
    return [row.params.count(MARK) if isinstance(row, PreparedRow) else -1 for row in found.rows]


def test_rows_are_marked_and_else_as_they_were() -> None:
    rows = ready(5)
    found = marked_rows(rows, HOUR, tokens=Tokens())
    assert found.cache is not None
    assert found.cache.ttl == "1h"
    for given, marked in zip(rows, found.rows, strict=True):
        assert isinstance(given, PreparedRow)
        assert isinstance(marked, PreparedRow)
        assert (marked.number, marked.columns, marked.asks_for_json) == (
            given.number,
            given.columns,
            given.asks_for_json,
        )
        text, mark = b'"%b"' % (b"s" * 600), b',"cache_control":{"type":"ephemeral","ttl":"1h"}'
        assert marked.params == given.params.replace(text, b'[{"type":"text","text":%b%b}]' % (text, mark))


def test_the_prefix_is_counted_by_two_free_calls() -> None:
    tokens = Tokens()
    found = marked_rows(ready(3), HOUR, tokens=tokens)
    whole, rest = tokens.asked
    assert whole.keys() - rest.keys() == {"system"}
    prefix = len(json.dumps({"system": "s" * 600})) - len("{}") + len(", ")
    assert found.cache == PromptCacheRecord(ttl="1h", prefix_tokens=prefix)


def test_without_a_service_that_counts_rows_are_marked_uncounted() -> None:
    found = marked_rows(ready(3, system="short"), HOUR, tokens=None)
    assert (found.cache, marks(found)) == (PromptCacheRecord(ttl="1h"), [1, 1, 1])


@pytest.mark.parametrize(("ttl", "needed"), [("1h", 3), ("5m", 2)])
def test_fewer_rows_than_make_the_cache_pay_are_not_marked(
    ttl: CacheTtl, needed: int, caplog: pytest.LogCaptureFixture
) -> None:
    tokens, asked = Tokens(), PromptCache(ttl=ttl)
    with caplog.at_level(logging.INFO):
        found = marked_rows(ready(needed - 1), asked, tokens=tokens)
    assert (found.cache, marks(found), tokens.asked) == (None, [0] * (needed - 1), [])
    assert f"there are fewer than {needed} rows" in caplog.text
    assert marks(marked_rows(ready(needed), asked, tokens=Tokens())) == [1] * needed


@pytest.mark.parametrize("at", range(4))
def test_invalid_rows_do_not_count_and_stay_in_their_place(at: int) -> None:
    rows: list[PreparedRow | InvalidRow] = ready(2)
    rows[at:at] = [bad(8), bad(9)]
    assert marks(marked_rows(rows, HOUR, tokens=None)) == [-1 if isinstance(row, InvalidRow) else 0 for row in rows]
    rows.append(row(3))
    found = list(marked_rows(rows, HOUR, tokens=None).rows)
    assert [row.number for row in found] == [row.number for row in rows]
    assert [row for row in found if isinstance(row, InvalidRow)] == [bad(8), bad(9)]
    assert all(MARK in row.params for row in found if isinstance(row, PreparedRow))


def test_a_prefix_below_the_models_minimum_is_not_marked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = marked_rows(ready(3, system="s" * 497), HOUR, tokens=Tokens())
    assert (found.cache, marks(found)) == (None, [0, 0, 0])
    assert "the rows share 511 tokens, and claude-haiku-5-5 caches no prefix below 512" in caplog.text
    caplog.clear()
    assert marked_rows(ready(3, system="s" * 498), HOUR, tokens=Tokens()).cache == PromptCacheRecord(
        ttl="1h", prefix_tokens=512
    )
    assert not caplog.records


@pytest.mark.parametrize(
    "tokens", [Tokens(GATEWAY), Tokens(ApiConnectionError("no answer", connected=False)), Tokens(constant=7)]
)
def test_a_prefix_that_cannot_be_counted_is_marked_with_a_warning(
    tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    found = marked_rows(ready(3, system="short"), HOUR, tokens=tokens)
    assert (found.cache, marks(found)) == (PromptCacheRecord(ttl="1h"), [1, 1, 1])
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "could not be counted. It is marked all the same" in warning
    assert "at no extra cost" in warning


def test_of_an_unknown_model_the_minimum_is_unknown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = marked_rows(ready(3, system="short", model="claude-next"), HOUR, tokens=Tokens())
    assert found.cache is not None
    assert marks(found) == [1, 1, 1]
    assert "The least prefix that claude-next caches is not known here" in caplog.text


def test_no_more_rows_are_read_ahead_than_the_cache_needs_to_pay() -> None:
    source = Source([bad(0), *ready(9)])
    found = marked_rows(source.read(), HOUR, tokens=None)
    assert source.taken == 4
    next(found.rows)
    assert source.taken == 4
    assert len(list(found.rows)) == 9
    assert source.is_closed


def test_many_invalid_rows_are_not_all_read_ahead(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache_marking, "_MOST_AHEAD", 10)
    source = Source([row(0), *map(bad, range(1, 30)), row(30)])
    found = marked_rows(source.read(), HOUR, tokens=None)
    assert (source.taken, found.cache) == (10, PromptCacheRecord(ttl="1h"))
    assert marks(found) == [1] + [-1] * 29 + [1]
    source = Source([*map(bad, range(30)), row(30)])
    with caplog.at_level(logging.INFO):
        found = marked_rows(source.read(), HOUR, tokens=None)
    assert (source.taken, found.cache) == (10, None)
    assert marks(found) == [-1] * 30 + [0]
    assert "none of the first rows can be sent (10 rows)" in caplog.text


def test_no_rows_are_no_error_here() -> None:
    assert marks(marked_rows([], HOUR, tokens=Tokens())) == []


def test_the_source_is_closed_when_a_row_is_refused() -> None:
    source = Source([row(0, system=""), *ready(3)])
    with pytest.raises(ConfigurationError, match="the rows share nothing") as refused:
        marked_rows(source.read(), HOUR, tokens=None)
    assert source.is_closed, f"not left to the end of {refused}, which holds the frames"
    source = Source([*ready(5), row(5, system="other"), row(6)])
    found = marked_rows(source.read(), HOUR, tokens=None)
    with pytest.raises(ConfigurationError, match=r"Row 5 .*its `system` is not"):
        list(found.rows)
    assert (source.is_closed, source.taken) == (True, 6)


def test_the_source_is_closed_when_it_is_no_longer_read() -> None:
    source = Source(ready(9))
    found = marked_rows(source.read(), HOUR, tokens=None)
    next(found.rows)
    assert isinstance(found.rows, Iterator)
    found.rows.close()  # type: ignore[attr-defined]
    assert (source.is_closed, source.taken) == (True, 3)


def test_a_job_without_prompt_cache_has_its_rows_as_they_are() -> None:
    rows = ready(2)
    found = unmarked_rows(rows)
    assert (found.cache, list(found.rows)) == (None, rows)
