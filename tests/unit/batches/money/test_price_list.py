from __future__ import annotations

import datetime as dt
import logging

import pytest

from anthropic_batches_provider.batches.money.given_prices import GivenPrices
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.published_prices import NOT_INSTALLED, PublishedPrices
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnitPrices, UnknownPrices

NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
PRICES = ModelPrices(batch=UnitPrices(input=10, output=50), live=UnitPrices(input=20, output=100), source="a test")


class Public:
    """Prices by day, which counts how often it is asked."""

    def __init__(self, found: ModelPrices | UnknownPrices = PRICES) -> None:
        self.found = found
        self.asked: list[tuple[str, dt.date]] = []

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        self.asked.append((model, day))
        return self.found


def test_each_model_day_and_geography_is_looked_up_once() -> None:
    public = Public()
    prices = PriceList(public=public)
    for hour in range(12):
        assert prices.of("a", NOON + dt.timedelta(hours=hour), "global") == PRICES
    assert public.asked == [("a", dt.date(2026, 11, 27))]
    prices.of("a", NOON + dt.timedelta(hours=12), "global")
    prices.of("b", NOON, "global")
    prices.of("a", NOON, "us")
    assert len(public.asked) == 4


def test_the_day_is_that_in_utc() -> None:
    public = Public()
    PriceList(public=public).of("a", dt.datetime(2026, 10, 13, 23, tzinfo=dt.timezone(dt.timedelta(hours=-2))), None)
    assert public.asked == [("a", dt.date(2026, 10, 14))]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        PriceList(public=Public()).of("a", NOON.replace(tzinfo=None), None)


def test_given_prices_replace_the_public_ones_for_their_models_only() -> None:
    public = Public()
    prices = PriceList(GivenPrices({"a": {"input": 1, "output": 2}}), public=public)
    found = prices.of("a", NOON, None)
    assert isinstance(found, ModelPrices)
    assert found.source == "the argument `prices`"
    assert prices.of("b", NOON, None) == PRICES
    assert [model for model, _ in public.asked] == ["b"]


def test_of_several_given_prices_the_first_that_has_a_model_decides() -> None:
    first = GivenPrices({"a": {"input": 1, "output": 2}}, source="first")
    second = GivenPrices({"a-20260101": {"input": 3, "output": 4}, "b": {"input": 5, "output": 6}}, source="second")
    prices = PriceList(first, second, public=Public())
    found = {model: prices.of(model, NOON, None) for model in ("a-20260101", "b", "c")}
    assert {model: each.source for model, each in found.items() if isinstance(each, ModelPrices)} == {
        "a-20260101": "first", "b": "second", "c": "a test",
    }  # fmt: skip


def test_without_the_extra_prices_are_known_only_if_some_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PublishedPrices, "is_installed", staticmethod(lambda: False))
    assert PriceList(GivenPrices({}), GivenPrices({"a": {"input": 1, "output": 2}})).are_known()
    assert not PriceList(GivenPrices({})).are_known()
    assert not PriceList().are_known()


def test_prices_in_the_us_that_are_not_whole_are_unknown_there_and_known_elsewhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    prices = PriceList(GivenPrices({"a": {"input": "0.000002", "output": 2}}), public=Public())
    assert isinstance(prices.of("a", NOON, "global"), ModelPrices)
    found = prices.of("a", NOON, "us")
    assert isinstance(found, UnknownPrices)
    assert "costs of `a` in the geography 'us' are unknown: 1 pico-dollars for `input`, times 11/10" in found.reason
    assert caplog.messages == [found.reason]


def test_each_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    prices = PriceList(public=Public(UnknownPrices("Nobody knows `a`.")))
    for geography in ("global", "us", None):
        prices.of("a", NOON, geography)
    assert caplog.messages == ["Nobody knows `a`."]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_missing_extra_is_told_once_and_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    prices = PriceList(public=Public(NOT_INSTALLED))
    assert [prices.of(model, NOON, None) for model in "abc"] == [NOT_INSTALLED] * 3
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, NOT_INSTALLED.reason)
    ]


def test_the_log_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    prices = PriceList(public=Public())
    for number in range(1_000):
        prices.of("a", NOON, f"region-{number}")
    assert len(caplog.messages) == 20
