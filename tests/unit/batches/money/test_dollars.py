from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.money.dollars import (
    as_decimal,
    exact_dollars,
    json_dollars,
    pico_of,
    rounded_dollars,
)

DOLLAR = 10**12


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (21_310_000_000, "0.02131"),
        (DOLLAR, "1"),
        (10 * DOLLAR, "10"),
        (1_000_000 * DOLLAR + 1, "1000000.000000000001"),
        (-DOLLAR // 2, "-0.5"),
        (10**40 + 1, f"{10**28}.000000000001"),
    ],
)
def test_dollars_are_exact_to_the_last_digit(pico: int, text: str) -> None:
    assert exact_dollars(pico) == text
    assert as_decimal(pico) == Decimal(text)
    assert pico_of(text) == pico


@given(st.integers(min_value=-(10**45), max_value=10**45))
def test_every_amount_survives_its_text(pico: int) -> None:
    assert pico_of(exact_dollars(pico)) == pico


@given(st.lists(st.integers(min_value=0, max_value=3 * DOLLAR) | st.integers(min_value=0, max_value=10**30)))
def test_an_amount_in_json_has_the_same_digits_each_time(amounts: list[int]) -> None:
    written = json_dollars()
    for pico in amounts * 2:
        assert bytes(written(pico) or b"").decode() == exact_dollars(pico)
    assert written(None) is None


def test_more_amounts_than_are_remembered_are_written_alike() -> None:
    written = json_dollars()
    for pico in (*range(10_000), *range(10_000)):
        assert bytes(written(pico) or b"").decode() == exact_dollars(pico)


@pytest.mark.parametrize("text", ["", "one", "1,5", "NaN", "Infinity", "0.0000000000001", "0." + "1" * 80])
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="dollars"):
        pico_of(text)


@pytest.mark.parametrize(
    ("pico", "figure", "lower_bound"),
    [
        (0, "$0.00", "at least $0.00"),
        (12_296_000_000_000, "$12.30", "at least $12.29"),
        (1_234_567_891_000_000_000, "$1,234,567.89", "at least $1,234,567.89"),
        (DOLLAR, "$1.00", "at least $1.00"),
        (129 * DOLLAR // 1000, "$0.13", "at least $0.12"),
        (99 * DOLLAR // 1000, "$0.099", "at least $0.099"),
        (2_139_000_000, "$0.0021", "at least $0.0021"),
        (2_199_000_000, "$0.0022", "at least $0.0021"),
        (1, "$0.0000000000010", "at least $0.0000000000010"),
        (-12_296_000_000_000, "-$12.30", "at least -$12.29"),
    ],
)
def test_people_read_a_rounded_figure_and_lower_bounds_stay_true(pico: int, figure: str, lower_bound: str) -> None:
    assert rounded_dollars(pico) == figure
    assert rounded_dollars(pico, at_least=True) == lower_bound
