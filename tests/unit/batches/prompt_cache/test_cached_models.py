"""What is known of the models' caches agrees with a second witness, and says from how many rows a cache pays."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from anthropic_batches_provider.batches.prompt_cache.cached_models import (
    UNKNOWN_MODEL,
    CachingOfModel,
    break_even_rows,
    caching_of,
)
from anthropic_batches_provider.simulator.service.model_catalog import KNOWN_MODELS

RETIRED_LINE_3 = frozenset(("claude-3-7-sonnet", "claude-3-5-sonnet", "claude-3-haiku", "claude-3-opus"))


def test_the_minimums_are_those_of_the_simulated_models() -> None:
    both = {
        name: (known.least_tokens, model.cache_minimum)
        for model in KNOWN_MODELS
        for name in (model.id, model.alias)
        if name and (known := caching_of(name)) is not None
    }
    assert {name: pair for name, pair in both.items() if pair[0] != pair[1]} == {}
    unknown = {model.id for model in KNOWN_MODELS} - both.keys()
    assert {name.rpartition("-")[0] for name in unknown} == RETIRED_LINE_3


@pytest.mark.parametrize(
    ("model", "least_tokens", "read"),
    [
        ("claude-haiku-4-5", 4_096, 0.1),
        ("claude-haiku-4-5-20251001", 4_096, 0.1),
        ("claude-opus-4-7", 2_048, 0.1),
        ("claude-sonnet-4-6", 1_024, 0.1),
        ("claude-opus-5-5", 512, 0.05),
        ("claude-sonnet-5-5", 512, 0.05),
        ("claude-haiku-5-5", 512, 0.1),
        ("claude-fable-5", 512, 0.1),
        ("claude-fable-5-1", 512, 0.025),
        ("claude-mythos-5-2", 512, 0.025),
    ],
)
def test_minimum_and_price_of_reading_depend_on_the_model(model: str, least_tokens: int, read: float) -> None:
    assert caching_of(model) == CachingOfModel(least_tokens=least_tokens, read=read)


@pytest.mark.parametrize("model", ["", "gpt", "claude-haiku-4", "claude-haiku-4-5-2025", "claude-opus-6", "-20251001"])
def test_of_other_models_nothing_is_known(model: str) -> None:
    assert caching_of(model) is None


@pytest.mark.parametrize(("read", "ttl", "rows"), [
    (0.1, "1h", 3), (0.05, "1h", 3), (0.025, "1h", 3), (0.1, "5m", 2), (0.025, "5m", 2), (0.0, "1h", 3), (0.5, "1h", 4),
])  # fmt: skip
def test_a_cache_pays_from_the_first_row_on_that_makes_it_cheaper(read: float, ttl: CacheTtl, rows: int) -> None:
    caching = CachingOfModel(least_tokens=0, read=read)
    assert break_even_rows(caching, ttl) == rows
    assert caching.write(ttl) + (rows - 1) * read < rows
    assert caching.write(ttl) + (rows - 2) * read >= rows - 1


def test_an_unknown_model_has_the_ordinary_prices_and_no_minimum() -> None:
    assert [break_even_rows(UNKNOWN_MODEL, ttl) for ttl in ("1h", "5m")] == [3, 2]
    assert UNKNOWN_MODEL.least_tokens == 0
