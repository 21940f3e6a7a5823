from __future__ import annotations

import json

import pytest

from anthropic_batches_provider.batches.money.costs import KindCosts
from anthropic_batches_provider.batches.money.model_costs import ModelCost, cost_from_dict, cost_of_column
from anthropic_batches_provider.batches.money.unit_prices import UnitPrices

DOLLAR = 10**12
COST = ModelCost(
    requests=3,
    batch=KindCosts(input=DOLLAR, output=DOLLAR // 2, cache_read=1),
    live=KindCosts(input=2 * DOLLAR, output=DOLLAR, cache_read=2),
    uncached=DOLLAR,
    sources=("genai-prices 0.2.3",),
)


def test_a_cost_says_what_it_is_for_machines() -> None:
    assert COST.as_dict() == {
        "requests": 3,
        "cost_usd": "1.500000000001",
        "batch_usd": {
            "input": "1",
            "output": "0.5",
            "cache_write_5m": "0",
            "cache_write_1h": "0",
            "cache_read": "0.000000000001",
            "web_search": "0",
        },
        "live_usd": {
            "input": "2",
            "output": "1",
            "cache_write_5m": "0",
            "cache_write_1h": "0",
            "cache_read": "0.000000000002",
            "web_search": "0",
        },
        "uncached_usd": "1",
        "saved_by_batch_usd": "1.500000000001",
        "saved_by_cache_usd": "-0.500000000001",
        "unknown_requests": 0,
        "unknown": {},
        "prices": ["genai-prices 0.2.3"],
    }
    assert cost_from_dict(json.loads(json.dumps(COST.as_dict()))) == COST


def test_a_damaged_amount_is_an_error() -> None:
    with pytest.raises(ValueError, match="no number of dollars"):
        cost_from_dict({**COST.as_dict(), "uncached_usd": "much"})


def test_a_sum_keeps_reasons_and_sources() -> None:
    other = ModelCost(requests=1, unknown={"a": 1, "b": 2}, sources=("given in `prices`",))
    total = COST + other + ModelCost(unknown={"a": 5})
    assert (total.requests, total.unknown, total.unknown_requests) == (4, {"a": 6, "b": 2}, 8)
    assert total.sources == ("genai-prices 0.2.3", "given in `prices`")
    assert total.batch == COST.batch


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (COST, "$1.50"),
        (COST + ModelCost(unknown={"a": 1}), "at least $1.50"),
        (ModelCost(unknown={"a": 1}), "unknown"),
        (ModelCost(), "$0.00"),
    ],
)
def test_a_cost_says_what_it_is_for_people(cost: ModelCost, text: str) -> None:
    assert str(cost) == text


def test_no_requests_cost_nothing_and_name_no_source() -> None:
    prices = UnitPrices(input=1, output=1)
    assert cost_of_column([0] * 6, 0, prices, prices, "a test") == ModelCost()


def test_a_kind_without_a_price_never_costs_nothing() -> None:
    prices = UnitPrices(input=1, output=1)
    with pytest.raises(ValueError, match="unknown"):
        cost_of_column([0, 0, 0, 0, 1, 0], 1, prices, prices, "a test")
