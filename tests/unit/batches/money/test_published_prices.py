from __future__ import annotations

import copy
import datetime as dt
import socket
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices import data_snapshot
from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, Tier, TieredPrices

from anthropic_batches_provider.batches.money import published_prices
from anthropic_batches_provider.batches.money.published_prices import NOT_INSTALLED, PublishedPrices
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnknownPrices

TODAY = dt.date(2026, 11, 27)
BEFORE = dt.date(2026, 10, 13)
ANTHROPIC = next(provider for provider in providers if provider.id == "anthropic")


@pytest.fixture
def opus() -> Iterator[ModelInfo]:
    """Return the library's Opus 5.5, to be changed as a newer version might have it."""
    place = next(index for index, model in enumerate(ANTHROPIC.models) if model.id == "claude-opus-5-5")
    original = ANTHROPIC.models[place]
    ANTHROPIC.models[place] = changed = copy.deepcopy(original)
    published_prices._library.cache_clear()
    yield changed
    ANTHROPIC.models[place] = original
    published_prices._library.cache_clear()


def prices_of(model: str, day: dt.date = TODAY) -> ModelPrices:
    found = PublishedPrices().of(model, day)
    assert isinstance(found, ModelPrices), found
    return found


def reason_for(model: str, day: dt.date = TODAY) -> str:
    found = PublishedPrices().of(model, day)
    assert isinstance(found, UnknownPrices), found
    return found.reason


def variant_of(model: ModelInfo) -> ModelPrice:
    """Return the prices of batches."""
    assert model.price_variants is not None
    return next(variant.prices for variant in model.price_variants if variant.when == {"processing": "batch"})


def test_prices_say_whose_they_are() -> None:
    assert prices_of("claude-opus-5-5").source == f"genai-prices {genai_prices.__version__}"


def test_every_model_that_is_not_retired_has_whole_prices_of_batches_for_every_kind() -> None:
    models = [model for model in ANTHROPIC.models if model.price_variants]
    assert len(models) > 10
    for model in models:
        for _, batch, live in prices_of(model.id).columns():
            assert batch.web_search == live.web_search == 10**10
            for kind in ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"):
                assert batch.of(kind) is not None
                assert live.of(kind) == 2 * (batch.of(kind) or 0)


def test_before_the_library_has_prices_of_batches_they_are_half_of_those_of_that_day() -> None:
    assert prices_of("claude-haiku-5-5", BEFORE) == prices_of("claude-haiku-5-5")
    assert prices_of("claude-opus-4-6", dt.date(2026, 3, 12)).batch.for_prompt(200_001).output == 18_750_000


def test_a_retired_model_has_half_its_price_until_the_library_has_prices_of_batches_and_then_none() -> None:
    assert prices_of("claude-opus-4-20250514", BEFORE).batch.input == 7_500_000
    reason = reason_for("claude-opus-4-20250514", BEFORE + dt.timedelta(days=1))
    assert "has no price of `claude-opus-4-20250514` in batches" in reason


@pytest.mark.parametrize("model", ["claude-mythos-5", "claude-mythos-5-1", "claude-opus-6", "gpt-5", "", "unknown"])
def test_a_model_that_the_library_does_not_know_has_no_price(model: str) -> None:
    reason = reason_for(model)
    assert f"does not know `{model}`." in reason
    assert "Install a newer genai-prices" in reason


@pytest.mark.parametrize(
    "model", ["claude-opus-4-10", "claude-sonnet-4-50", "claude-haiku-4-5-fast", "claude-opus-4-6-20260205-x"]
)
def test_a_name_that_only_begins_as_that_of_a_model_has_no_price(model: str) -> None:
    assert f"does not know `{model}`, and takes it for" in reason_for(model)


@pytest.mark.parametrize(
    ("model", "same"),
    [
        ("claude-opus-5-5-20260922", "claude-opus-5-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("CLAUDE-OPUS-5-5", "claude-opus-5-5"),
    ],
)
def test_a_snapshot_costs_what_its_model_costs(model: str, same: str) -> None:
    assert prices_of(model) == prices_of(same)


@pytest.mark.parametrize("model", ["claude-sonnet-4-20250514", "claude-3-5-haiku-20241022", "claude-3-haiku-20240307"])
def test_old_ids_find_the_librarys_own_names(model: str) -> None:
    assert prices_of(model, dt.date(2025, 9, 1)).batch.input > 0


def test_a_missing_price_of_batches_is_never_that_outside_of_one(opus: ModelInfo) -> None:
    del variant_of(opus).__dict__["cache_write_1h_mtok"]
    prices = prices_of("claude-opus-5-5")
    assert prices.batch.cache_write_1h is None
    assert (prices.live.cache_write_1h, prices.batch.cache_write_5m) == (8_000_000, 2_500_000)
    del variant_of(opus).__dict__["input_mtok"]
    assert "has no price of `claude-opus-5-5` in batches" in reason_for("claude-opus-5-5")


def test_a_price_of_batches_in_one_column_only_is_none(opus: ModelInfo) -> None:
    assert isinstance(opus.prices, ModelPrice)
    opus.prices.__dict__["output_mtok"] = TieredPrices(base=Decimal(20), tiers=[Tier(start=1_000, price=Decimal(10))])
    assert "has no price of `claude-opus-5-5` in batches" in reason_for("claude-opus-5-5")


def test_a_kind_of_batches_without_a_variant_at_all_is_no_price(opus: ModelInfo) -> None:
    opus.price_variants = [variant for variant in opus.price_variants or () if "speed" in variant.when]
    assert "has no price of `claude-opus-5-5` in batches" in reason_for("claude-opus-5-5")
    assert prices_of("claude-opus-5-5", BEFORE).batch.input == 2_000_000


def test_writes_for_an_hour_are_unknown_where_the_library_would_take_those_for_5_minutes(opus: ModelInfo) -> None:
    assert isinstance(opus.prices, ModelPrice)
    del opus.prices.__dict__["cache_write_1h_mtok"]
    del variant_of(opus).__dict__["cache_write_1h_mtok"]
    prices = prices_of("claude-opus-5-5")
    assert (prices.live.cache_write_1h, prices.batch.cache_write_1h) == (None, None)
    assert prices.live.cache_write_5m == 5_000_000


def test_the_librarys_own_price_for_5_minutes_comes_before_that_of_all_writes(opus: ModelInfo) -> None:
    assert isinstance(opus.prices, ModelPrice)
    opus.prices.__dict__["cache_write_5m_mtok"] = Decimal(6)
    variant_of(opus).__dict__["cache_write_5m_mtok"] = Decimal(3)
    prices = prices_of("claude-opus-5-5")
    assert (prices.live.cache_write_5m, prices.batch.cache_write_5m) == (6_000_000, 3_000_000)


def test_a_price_that_is_not_whole_is_none(opus: ModelInfo) -> None:
    variant_of(opus).__dict__["input_mtok"] = Decimal("1.99999999")
    assert "not a whole number of pico-dollars" in reason_for("claude-opus-5-5")


def test_a_price_of_tokens_that_is_new_here_is_none(opus: ModelInfo) -> None:
    assert isinstance(opus.prices, ModelPrice)
    opus.prices.__dict__["output_reasoning_mtok"] = Decimal(6)
    assert "prices of `claude-opus-5-5` that are not known here: output_reasoning_mtok" in reason_for("claude-opus-5-5")


def test_a_library_that_cannot_be_read_costs_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise AttributeError("model_price")

    monkeypatch.setattr(published_prices, "_library", lambda: published_prices._Library("genai-prices 9", broken))
    reason = reason_for("claude-opus-5-5")
    assert "`claude-opus-5-5` in genai-prices 9 could not be read: AttributeError('model_price')" in reason


def test_without_the_extra_all_is_unknown_and_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    published_prices._library.cache_clear()
    assert PublishedPrices().of("claude-opus-5-5", TODAY) is NOT_INSTALLED
    assert "pip install 'airflow-provider-anthropic-batches[money]'" in NOT_INSTALLED.reason
    published_prices._library.cache_clear()


def test_prices_that_others_downloaded_in_this_process_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = prices_of("claude-opus-5-5")
    monkeypatch.setattr(
        data_snapshot, "_custom_snapshot", data_snapshot.DataSnapshot(providers=[], from_auto_update=True)
    )
    published_prices._library.cache_clear()
    assert prices_of("claude-opus-5-5") == expected


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("connected")

    monkeypatch.setattr(socket.socket, "connect", refused)
    published_prices._library.cache_clear()
    assert prices_of("claude-opus-5-5").batch.input == 2_000_000
