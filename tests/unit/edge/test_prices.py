"""Whose prices hold: the argument's, the connection's, or those of genai-prices; and what is said of mistakes."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import ClientSettings
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnknownPrices
from anthropic_batches_provider.edge.prices import check_connection_prices, price_list
from anthropic_batches_provider.errors import ConfigurationError

NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"


def settings(prices: object = None) -> ClientSettings:
    return ClientSettings(api_key="sk-ant-test", prices=prices)


def found(model: str, argument: object = None, connection: object = None) -> tuple[int, str] | None:
    """Return the price of a token of input outside of batches, in pico-dollars, and whose it is."""
    prices = price_list(argument, settings(connection), "conn").of(model, NOON, None)
    return (prices.live.input, prices.source) if isinstance(prices, ModelPrices) else None


def cost(dollars: str) -> dict[str, Any]:
    return {"input": dollars, "output": "20"}


def test_for_each_model_the_argument_wins_over_the_connection_and_this_over_the_public_prices() -> None:
    argument, connection = {OPUS: cost("1")}, {OPUS: cost("2"), SONNET: cost("3")}
    assert found(OPUS, argument, connection) == (1_000_000, "the argument `prices`")
    assert found(SONNET, argument, connection) == (3_000_000, "the connection conn")
    public = found("claude-haiku-4-5", argument, connection)
    assert public is not None
    assert public[1].startswith("genai-prices ")
    assert public == found("claude-haiku-4-5")


def test_the_argument_wins_also_over_the_prices_of_a_snapshot() -> None:
    dated = "claude-haiku-4-5-20251001"
    assert found(dated, {"claude-haiku-4-5": cost("7")}, {dated: cost("8")}) == (7_000_000, "the argument `prices`")


@pytest.mark.parametrize("nothing", [None, {}, "", " \n"])
def test_a_connection_without_prices_changes_nothing(nothing: object) -> None:
    assert found(OPUS, None, nothing) == found(OPUS)
    check_connection_prices(settings(nothing), "conn")


def test_a_connection_may_have_the_text_that_its_form_stores_with_numbers_as_they_were_written() -> None:
    text = f'{{"{OPUS}": {{"input": 4.10, "output": 20, "cache_read": 0.000002}}}}'
    assert found(OPUS, None, text) == found(OPUS, None, json.loads(text)) == (4_100_000, "the connection conn")
    with pytest.raises(ConfigurationError, match=r"`input` cannot be used: 4\.00000000000000000001 USD"):
        price_list(None, settings(f'{{"{OPUS}": {{"input": 4.00000000000000000001, "output": 20}}}}'), "conn")


MISTAKES = [
    ({OPUS: {"input": "4"}}, "['claude-opus-5-5']: `output` is missing."),
    ({OPUS: {**cost("4"), "cache_write": 5}}, "['claude-opus-5-5']: the prices have the unknown keys cache_write;"),
    ({OPUS: cost("four")}, "['claude-opus-5-5']: `input` is 'four'"),
    ({"": cost("4")}, " must name models by their ids, not ''."),
    ([OPUS], " must be a dict of prices by model, not list."),
]


@pytest.mark.parametrize(("prices", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_place_model_and_key(prices: Any, told: str) -> None:
    place = "Connection conn: `prices` of its extra"
    for refused in (prices, json.dumps(prices)):
        with pytest.raises(ConfigurationError) as raised:
            check_connection_prices(settings(refused), "conn")
        assert str(raised.value).startswith(place + told)
        assert str(raised.value).endswith(" Nothing was sent.")
    with pytest.raises(ConfigurationError) as raised:
        price_list(prices, settings(), "conn", state="All is well.")
    assert str(raised.value).startswith("`prices`" + told)
    assert str(raised.value).endswith(" All is well.")


@pytest.mark.parametrize("text", ["{", "4", "null", '"claude"', "nonsense"])
def test_a_text_that_is_no_json_object_is_told_with_the_connection(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^Connection conn: `prices` of its extra (is not JSON|must be a d)"):
        check_connection_prices(settings(text), "conn")


def test_the_prices_of_a_connection_are_not_checked_before_someone_asks_for_them() -> None:
    assert settings("{").prices == "{"
    assert "4.25" not in repr(settings({OPUS: cost("4.25")}))


def test_a_model_that_nobody_knows_is_told_with_both_places_for_its_prices() -> None:
    prices = price_list({OPUS: cost("4")}, settings(), "conn").of("claude-mythos-5", NOON, None)
    assert isinstance(prices, UnknownPrices)
    assert "`claude-mythos-5`" in prices.reason
    assert "in `prices=` of the task, or in the extra `prices` of its connection" in prices.reason


def test_the_page_shows_prices_that_can_be_used() -> None:
    page = (Path(__file__).parents[3] / "docs/money.md").read_text()
    section = page.partition("## Your own prices")[2].partition("\n## ")[0]
    (call,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (extra,) = re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (argument,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(call))
        if isinstance(node, ast.keyword) and node.arg == "prices"
    )
    assert found(OPUS, argument) == (3_600_000, "the argument `prices`")
    assert found("claude-haiku-5-5", argument) == (90_000, "the argument `prices`")
    assert found(OPUS, None, json.loads(extra)["prices"]) == (3_600_000, "the connection conn")
