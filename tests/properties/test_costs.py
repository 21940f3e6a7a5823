"""Costs of random rows: any grouping has the same sum, and genai-prices computes the same, where it is right."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.batches.money.batch_uses import BatchUses, Used
from anthropic_batches_provider.batches.money.cost_sums import CostSums
from anthropic_batches_provider.batches.money.dollars import as_decimal
from anthropic_batches_provider.batches.money.given_prices import GivenPrices
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.usage import BilledUsage

DAYS = [dt.datetime(2026, month, day, 12, tzinfo=dt.UTC) for month, day in ((3, 1), (10, 13), (10, 14), (11, 27))]
MODELS = ["claude-opus-5-5", "claude-haiku-5-5", "claude-opus-4-6", "claude-opus-4-1", "claude-mythos-5", "contract"]
GIVEN = {"contract": {"input": "3.21", "output": "17.6"}}
# Tokens of a request, often around the steps of Haiku 5.5 and of Opus 4.6 before 2026-03-13.
TOKENS = st.one_of(st.integers(0, 300), st.integers(0, 300_000), st.integers(99_990, 100_010), st.just(200_000))

Row = tuple[dt.datetime, str, BilledUsage]


@st.composite
def rows(draw: st.DrawFn) -> Row:
    tokens = [draw(TOKENS) for _ in range(5)]
    numbers = (*tokens, draw(st.integers(0, 9)), draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    geography = draw(st.sampled_from(["us", "global", None, "not_available", "mars"]))
    return draw(st.sampled_from(DAYS)), draw(st.sampled_from(MODELS)), (numbers, geography, None)


def summed(price_list: PriceList, some: list[Row]) -> tuple[CostSums, list[int | None]]:
    sums = CostSums(price_list)
    adders = {day: sums.of_batch(day) for day in DAYS}
    return sums, [adders[day](model, billed) for day, model, billed in some]


@settings(max_examples=150, deadline=None)
@given(st.lists(rows(), max_size=40), st.lists(st.integers(0, 5), min_size=40, max_size=40), st.randoms())
def test_any_grouping_and_order_has_the_sum_of_the_rows(
    some: list[Row], groups: list[int], order: random.Random
) -> None:
    price_list = PriceList(GivenPrices(GIVEN))
    whole, costs = summed(price_list, some)
    known = [cost for cost in costs if cost is not None]
    assert whole.total().batch.total == sum(known)
    assert (whole.total().requests, whole.total().unknown_requests) == (len(known), len(some) - len(known))
    collected, added = BatchUses(is_priced=True), ModelCost()
    for group in range(6):
        part = [row for row, place in zip(some, groups, strict=False) if place == group]
        order.shuffle(part)
        sums, _ = summed(price_list, part)
        uses = BatchUses(is_priced=True)
        for model, cost in sums.by_model().items():
            uses.add("b", model, Used(sums.usage()[model], cost))
        collected.include(uses.as_records())
        added += sums.total()
    found = collected.by_batch().get("b", {})
    assert {model: used.cost for model, used in found.items()} == whole.by_model()
    assert {model: used.usage for model, used in found.items()} == whole.usage()
    assert added == whole.total()


BATCHED = [
    model.id
    for provider in providers
    if provider.id == "anthropic"
    for model in provider.models
    if any(variant.when == {"processing": "batch"} for variant in model.price_variants or ())
]


@pytest.mark.parametrize("model", BATCHED)
def test_the_library_computes_the_same_where_it_is_right(model: str) -> None:
    """That is: with prices of batches, and not in the US."""
    rolls = random.Random(model)
    price_list, day = PriceList(), DAYS[-1]
    for _ in range(150):
        tokens = [rolls.choice([0, rolls.randrange(200), rolls.randrange(150_000)]) for _ in range(5)]
        searches = rolls.choice([0, 0, rolls.randrange(4)])
        sums = CostSums(price_list)
        pico = sums.of_batch(day)(model, ((*tokens, 0, searches, 0), "global", None))
        assert pico is not None
        assert as_decimal(pico) == by_library(model, tokens, searches, {"processing": "batch"})
        assert as_decimal(sums.total().live.total) == by_library(model, tokens, searches, None)


def by_library(model: str, tokens: list[int], searches: int, context: dict[str, str] | None) -> Decimal:
    plain, output, writes_5m, writes_1h, reads = tokens
    usage = Usage(
        input_tokens=plain + writes_5m + writes_1h + reads,
        output_tokens=output,
        cache_write_tokens=writes_5m + writes_1h,
        cache_write_1h_tokens=writes_1h,
        cache_read_tokens=reads,
        web_searches=searches,
    )
    return calc_price(
        usage, model, provider_id="anthropic", genai_request_timestamp=DAYS[-1], price_context=context
    ).total_price


def test_a_million_rows_of_different_usage_sum_up_to_the_last_digit() -> None:
    rolls = random.Random(18)
    sums = CostSums(PriceList())
    add = sums.of_batch(DAYS[-1])
    total = 0
    plain = outputs = reads = 0
    for _ in range(1_000_000):
        one, two, three = rolls.randrange(5_000), rolls.randrange(3_000), rolls.randrange(200_000)
        plain, outputs, reads = plain + one, outputs + two, reads + three
        total += add("claude-opus-5-5", ((one, two, 0, 0, three, 0, 0, 0), "global", None)) or 0
    assert sums.total().batch.total == total == plain * 2_000_000 + outputs * 10_000_000 + reads * 100_000
    assert sums.total().requests == 1_000_000
