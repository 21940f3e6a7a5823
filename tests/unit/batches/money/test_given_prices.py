from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from anthropic_batches_provider.batches.money.given_prices import GivenPrices
from anthropic_batches_provider.batches.money.published_prices import PublishedPrices
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.prompt_cache.cached_models import MODELS
from anthropic_batches_provider.errors import ConfigurationError

MODEL = "claude-opus-5-5"
LEAST = {"input": "4", "output": "20"}


def given(**prices: Any) -> ModelPrices:
    found = GivenPrices({MODEL: {**LEAST, **prices}}).of(MODEL)
    assert found is not None
    return found


def test_the_least_are_input_and_output_and_the_rest_follows_from_what_is_published() -> None:
    assert given() == ModelPrices(
        live=UnitPrices(
            input=4_000_000,
            output=20_000_000,
            cache_write_5m=5_000_000,
            cache_write_1h=8_000_000,
            cache_read=200_000,
            web_search=10**10,
        ),
        batch=UnitPrices(
            input=2_000_000,
            output=10_000_000,
            cache_write_5m=2_500_000,
            cache_write_1h=4_000_000,
            cache_read=100_000,
            web_search=10**10,
        ),
        source="the argument `prices`",
    )


def test_the_cache_of_a_model_that_is_not_known_here_has_no_price() -> None:
    prices = GivenPrices({"claude-opus-6": LEAST}).of("claude-opus-6")
    assert prices is not None
    assert (prices.batch.cache_write_5m, prices.batch.cache_write_1h, prices.batch.cache_read) == (None, None, None)
    assert prices.batch.web_search == 10**10


@pytest.mark.parametrize("price", ["0.1", " 0.1 ", 0.1, Decimal("0.1"), "0.10"])
def test_a_price_is_what_was_written_however_it_was_written(price: object) -> None:
    assert given(cache_read=price).live.cache_read == 100_000


def test_a_share_for_batches_holds_for_all_tokens_and_no_searches() -> None:
    prices = given(batch=0.25, web_search=8)
    assert (prices.batch.input, prices.batch.cache_read, prices.batch.web_search) == (1_000_000, 50_000, 8 * 10**9)
    assert given(batch=1).batch == given(batch=1).live


def test_prices_of_an_id_hold_for_its_snapshots_and_those_of_a_snapshot_only_for_it() -> None:
    prices = GivenPrices(
        {"claude-haiku-4-5": {"input": 1, "output": 5}, "claude-haiku-4-5-20251001": {"input": 2, "output": 5}}
    )
    found = {
        model: None if (known := prices.of(model)) is None else known.live.input
        for model in ("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20260101", "claude-haiku-4")
    }
    assert found == {
        "claude-haiku-4-5": 1_000_000,
        "claude-haiku-4-5-20251001": 2_000_000,
        "claude-haiku-4-5-20260101": 1_000_000,
        "claude-haiku-4": None,
    }


def test_long_prompts_have_prices_of_their_own() -> None:
    prices = given(above={100: {"input": 8, "output": 40}, "1000": {"input": 16, "output": 80, "cache_read": "0.1"}})
    assert [(step.above, step.prices.input, step.prices.cache_read) for step in prices.batch.steps] == [
        (100, 4_000_000, 200_000),
        (1_000, 8_000_000, 50_000),
    ]


def test_a_model_whose_long_prompts_are_dearer_needs_their_prices() -> None:
    with pytest.raises(ConfigurationError, match=r'more than 100,000 tokens are dearer.*"above": \{100000') as raised:
        GivenPrices({"claude-haiku-5-5": LEAST})
    assert str(raised.value).endswith("Nothing was sent.")
    prices = GivenPrices({"claude-haiku-5-5": {**LEAST, "above": {}}}).of("claude-haiku-5-5-20261007")
    assert prices is not None
    assert prices.live.steps == ()


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ([], "`prices` must be a dict of prices by model, not list"),
        ("claude-opus-5-5", "not str"),
        ({1: LEAST}, "must name models by their ids, not 1"),
        ({" claude ": LEAST}, "must name models by their ids"),
        ({MODEL: "4"}, "the prices must be a dict, not str"),
        ({MODEL: {"output": "20"}}, "`input` is missing"),
        ({MODEL: {"input": "4"}}, "`output` is missing"),
        ({MODEL: {**LEAST, "cache_write": 5}}, "unknown keys cache_write; use input, output, cache_write_5m"),
        ({MODEL: {**LEAST, "input": "-4"}}, "`input` is '-4': it must be a number in plain digits, 0 or more"),
        ({MODEL: {**LEAST, "input": -4}}, "`input` is -4"),
        ({MODEL: {**LEAST, "input": "$4"}}, "it must be a number"),
        ({MODEL: {**LEAST, "input": "4,5"}}, "it must be a number"),
        ({MODEL: {**LEAST, "input": "1e3"}}, "it must be a number"),
        ({MODEL: {**LEAST, "input": "NaN"}}, "it must be a number"),
        ({MODEL: {**LEAST, "input": float("nan")}}, "it must be a number"),
        ({MODEL: {**LEAST, "input": float("inf")}}, "it must be a number"),
        ({MODEL: {**LEAST, "input": True}}, "it must be a number"),
        ({MODEL: {**LEAST, "input": None}}, "it must be a number"),
        ({MODEL: {**LEAST, "cache_read": ""}}, "`cache_read` is ''"),
        ({MODEL: {**LEAST, "batch": "50"}}, "`batch` is 50: it must be a share"),
        ({MODEL: {**LEAST, "batch": "-0.5"}}, "`batch` is '-0.5'"),
        ({MODEL: {**LEAST, "input": 0.1 + 0.2}}, "`input` cannot be used: 0.30000000000000004 USD"),
        ({MODEL: {**LEAST, "input": "4.0000001"}}, "is not a whole number of pico-dollars"),
        ({MODEL: {**LEAST, "input": 0.0000036}}, "Give it in dollars for a million tokens, with fewer digits"),
        (
            {MODEL: {**LEAST, "input": "0.00001"}},
            "`cache_write_5m`, which follows from `input`, cannot be used: 0.0000125 USD",
        ),
        ({MODEL: {**LEAST, "input": "1.000003", "cache_read": 1, "cache_write_5m": 1}}, "its prices in batches cannot"),
        ({MODEL: {**LEAST, "web_search": "0.0000000001"}}, "`web_search` cannot be used"),
        ({MODEL: {**LEAST, "web_search": "0.0000000001"}}, "Give it in dollars for 1,000 searches"),
        ({MODEL: {**LEAST, "above": 5}}, "`above` must be a dict"),
        ({MODEL: {**LEAST, "above": {"many": LEAST}}}, "`above` names the length 'many'"),
        ({MODEL: {**LEAST, "above": {1.5: LEAST}}}, "`above` names the length 1.5"),
        ({MODEL: {**LEAST, "above": {True: LEAST}}}, "`above` names the length True"),
        ({MODEL: {**LEAST, "above": {"-1": LEAST}}}, "`above` names the length '-1'"),
        ({MODEL: {**LEAST, "above": {5: LEAST, "5": LEAST}}}, "names a length twice"),
        ({MODEL: {**LEAST, "above": {5: {"input": 1}}}}, "`output` above 5 tokens is missing"),
        (
            {MODEL: {**LEAST, "above": {5: {**LEAST, "batch": 1}}}},
            "the prices above 5 tokens have the unknown keys batch",
        ),
        ({MODEL: {**LEAST, "above": {5: 1}}}, "the prices above 5 tokens must be a dict, not int"),
    ],
)
def test_prices_that_cannot_be_used_are_refused_with_the_reason(prices: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        GivenPrices(prices)
    assert message in str(raised.value)
    assert str(raised.value).endswith("Nothing was sent.")


def test_messages_name_where_the_prices_were_given() -> None:
    with pytest.raises(ConfigurationError, match=r"^The extra `prices` of connection 'c'\["):
        GivenPrices({MODEL: {}}, origin="The extra `prices` of connection 'c'")
    assert given().source == "the argument `prices`"


@pytest.mark.parametrize("model", sorted(MODELS))
def test_what_follows_from_input_is_what_the_library_says(model: str) -> None:
    public = PublishedPrices().of(model, dt.date(2026, 10, 13))
    if isinstance(public, UnknownPrices):
        assert model in ("claude-mythos-5", "claude-mythos-5-1", "claude-mythos-preview")
        return
    output = Decimal(public.live.output).scaleb(-6)
    given = {"input": Decimal(public.live.input).scaleb(-6), "output": output, "above": {}}
    prices = GivenPrices({model: given}).of(model)
    assert prices is not None
    assert replace(prices.live, web_search=None) == replace(public.live, web_search=None, steps=())
