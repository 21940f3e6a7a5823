from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from anthropic_batches_provider.batches.money.unit_prices import (
    HALF,
    ModelPrices,
    NotWholeError,
    PriceStep,
    UnitPrices,
    pico_dollars,
)

FLAT = UnitPrices(input=40, output=200, cache_write_5m=50, cache_write_1h=80, cache_read=4, web_search=1_000)
LONG = UnitPrices(input=400, output=2_000, cache_read=40, web_search=1_000)


def test_a_price_becomes_pico_dollars_for_one_token() -> None:
    assert pico_dollars(Decimal("0.005"), 10**6) == 5_000
    assert pico_dollars(10, 10**3) == 10**10


@pytest.mark.parametrize("price", [Decimal("0.0000001"), Decimal("1.23456789"), Fraction(1, 3)])
def test_a_price_that_is_not_whole_is_refused_and_never_rounded(price: Decimal | Fraction) -> None:
    with pytest.raises(NotWholeError, match="not a whole number"):
        pico_dollars(price, 10**6)


@pytest.mark.parametrize(
    "wrong",
    [{"input": None}, {"output": None}, {"input": -1}, {"input": 1.0}, {"cache_read": True}, {"web_search": "1"}],
)
def test_a_unit_price_is_a_whole_number_from_0_on(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        UnitPrices(**{"input": 1, "output": 1, **wrong})


def test_steps_begin_at_increasing_lengths_and_have_none_of_their_own() -> None:
    step = PriceStep(above=10, prices=LONG)
    with pytest.raises(ValueError, match="increasing"):
        UnitPrices(input=1, output=1, steps=(step, step))
    with pytest.raises(ValueError, match="cannot have steps"):
        UnitPrices(input=1, output=1, steps=(PriceStep(above=1, prices=UnitPrices(input=1, output=1, steps=(step,))),))


def test_the_longest_step_below_a_prompt_has_its_prices() -> None:
    longest = UnitPrices(input=4_000, output=1)
    prices = UnitPrices(
        input=40, output=200, steps=(PriceStep(above=10, prices=LONG), PriceStep(above=20, prices=longest))
    )
    found = {tokens: prices.for_prompt(tokens).input for tokens in (0, 10, 11, 20, 21, 10**9)}
    assert found == {0: 40, 10: 40, 11: 400, 20: 400, 21: 4_000, 10**9: 4_000}
    assert prices.for_prompt(10).steps == ()


def test_a_factor_multiplies_tokens_in_every_column_and_no_searches() -> None:
    prices = UnitPrices(input=40, output=200, web_search=1_000, steps=(PriceStep(above=10, prices=LONG),))
    assert prices.with_tokens_times(Fraction(11, 10)) == UnitPrices(
        input=44,
        output=220,
        web_search=1_000,
        steps=(PriceStep(above=10, prices=UnitPrices(input=440, output=2_200, cache_read=44, web_search=1_000)),),
    )
    with pytest.raises(NotWholeError, match="`cache_write_5m`"):
        UnitPrices(input=2, output=2, cache_write_5m=5).with_tokens_times(HALF)


def test_a_price_of_batches_needs_the_price_outside_of_them() -> None:
    with pytest.raises(ValueError, match="`cache_read` is known in a batch"):
        ModelPrices(
            batch=UnitPrices(input=1, output=1, cache_read=1), live=UnitPrices(input=2, output=2), source="a test"
        )


def test_columns_begin_where_either_price_changes() -> None:
    live = UnitPrices(input=40, output=200, cache_read=4, web_search=1_000, steps=(PriceStep(above=10, prices=LONG),))
    prices = ModelPrices(batch=UnitPrices(input=20, output=100), live=live, source="a test")
    assert [(start, batch.input, outside.input) for start, batch, outside in prices.columns()] == [
        (-1, 20, 40),
        (10, 20, 400),
    ]
    assert ModelPrices(batch=FLAT, live=FLAT, source="a test").columns() == ((-1, FLAT, FLAT),)
