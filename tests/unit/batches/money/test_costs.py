from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest

from anthropic_batches_provider.batches.money.costs import KindCosts, cost_function, kind_costs
from anthropic_batches_provider.batches.money.dollars import as_decimal
from anthropic_batches_provider.batches.money.given_prices import GivenPrices
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.unit_prices import KINDS, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.usage import Usage
from tests.unit.batches.money.cost_cases import CASES, Case


def dollars(case: Case, prices: UnitPrices) -> Decimal | None:
    """Return what a case costs, by both ways to compute it."""
    by_kind, total = kind_costs(case.numbers, prices), cost_function(prices)(case.numbers)
    assert total == (None if by_kind is None else by_kind.total)
    return None if total is None else as_decimal(total)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_usage_costs_what_was_computed_by_hand(case: Case) -> None:
    prices = PriceList(GivenPrices(case.given)).of(case.model, case.created_at, case.geography)
    if isinstance(prices, UnknownPrices):
        assert (case.batch, case.live) == (None, None)
        assert f"`{case.model}`" in prices.reason
    else:
        assert dollars(case, prices.batch) == case.batch
        assert dollars(case, prices.live) == case.live


def test_there_are_at_least_30_cases_with_different_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 30


def test_the_numbers_of_a_usage_have_the_order_that_costs_expect() -> None:
    assert [field.name for field in fields(Usage)][2:] == [
        "input_tokens",
        "output_tokens",
        "cache_creation_5m_input_tokens",
        "cache_creation_1h_input_tokens",
        "cache_read_input_tokens",
        "thinking_tokens",
        "web_search_requests",
        "web_fetch_requests",
    ]


def test_costs_are_told_by_kind() -> None:
    prices = UnitPrices(
        input=1, output=10, cache_write_5m=100, cache_write_1h=1_000, cache_read=10_000, web_search=100_000
    )
    costs = kind_costs((1, 2, 3, 4, 5, 6, 7, 8), prices)
    assert costs == KindCosts(
        input=1, output=20, cache_write_5m=300, cache_write_1h=4_000, cache_read=50_000, web_search=700_000
    )
    assert costs is not None
    assert costs.total == 754_321


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("input", "output")])
def test_a_kind_without_a_price_makes_only_the_cost_unknown_that_used_it(kind: str) -> None:
    known = {each: 1 for each in KINDS if each != kind}
    prices = UnitPrices.of_kinds(known)
    counts = dict.fromkeys(KINDS, 1)
    for uses, expected in ((1, None), (0, 5)):
        counts[kind] = uses
        numbers = (*(counts[each] for each in KINDS[:-1]), 0, counts["web_search"], 0)
        assert cost_function(prices)(numbers) == expected
        assert (costs.total if (costs := kind_costs(numbers, prices)) else None) == expected


def test_costs_of_enormous_usage_are_exact() -> None:
    numbers = (10**15 + 1, 0, 0, 0, 0, 0, 0, 0)
    assert cost_function(UnitPrices(input=999_999_999_999, output=0))(numbers) == (10**15 + 1) * 999_999_999_999
