from __future__ import annotations

import datetime as dt
import json

import pytest

from anthropic_batches_provider.batches.money.cost_sums import MORE_REASONS, NO_MODEL, UNREPORTED, CostSums
from anthropic_batches_provider.batches.money.costs import KindCosts
from anthropic_batches_provider.batches.money.dollars import as_decimal
from anthropic_batches_provider.batches.money.given_prices import GivenPrices
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.usage import BilledUsage, Usage, billed_usage
from tests.unit.batches.money.cost_cases import CASES, HAIKU, NOVEMBER, OPUS


def used(*numbers: int, geography: str | None = "global", exception: str | None = None) -> BilledUsage:
    return (*numbers, *(0,) * (8 - len(numbers))), geography, exception


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_request_adds_what_was_computed_by_hand(case: object) -> None:
    assert isinstance(case, type(CASES[0]))
    sums = CostSums(PriceList(GivenPrices(case.given)))
    add = sums.of_batch(case.created_at)
    pico = [add(case.model, (case.numbers, case.geography, None)) for _ in range(3)]
    total = sums.by_model()[case.model]
    if case.batch is None or case.live is None:
        assert pico == [None] * 3
        assert (total.requests, total.unknown_requests, total.batch.total) == (0, 3, 0)
    else:
        assert [as_decimal(each or 0) for each in pico] == [case.batch] * 3
        assert as_decimal(total.batch.total) == 3 * case.batch
        assert as_decimal(total.live.total) == 3 * case.live
        assert (total.requests, total.unknown_requests) == (3, 0)


def test_sums_are_by_model_and_by_kind_and_over_all() -> None:
    sums = CostSums(PriceList())
    add = sums.of_batch(NOVEMBER)
    add(OPUS, used(1_000, 100, 10, 20, 30, 0, 1))
    add(HAIKU, used(100_000))
    add(HAIKU, used(100_001, geography="us"))
    add(OPUS, used(1))
    by_model = sums.by_model()
    assert list(by_model) == [HAIKU, OPUS]
    assert by_model[OPUS].batch == KindCosts(
        input=1_001 * 2_000_000,
        output=100 * 10_000_000,
        cache_write_5m=10 * 2_500_000,
        cache_write_1h=20 * 4_000_000,
        cache_read=30 * 100_000,
        web_search=10**10,
    )
    assert by_model[HAIKU].batch == KindCosts(input=100_000 * 50_000 + 100_001 * 275_000)
    assert by_model[HAIKU].saved_by_batch == by_model[HAIKU].batch.total
    assert sums.total() == by_model[HAIKU] + by_model[OPUS]
    assert sums.total().requests == 4


def test_the_cache_gains_or_loses_against_plain_input_in_the_same_column() -> None:
    sums = CostSums(PriceList())
    add = sums.of_batch(NOVEMBER)
    add(OPUS, used(10, 0, 0, 1_000))  # $4 instead of $2 a million, in a batch
    assert sums.total().saved_by_cache == -1_000 * 2_000_000
    add(OPUS, used(10, 5, 0, 0, 1_000))  # $0.1 instead of $2
    assert sums.total().saved_by_cache == -1_000 * 2_000_000 + 1_000 * 1_900_000
    add(HAIKU, used(1, 0, 0, 0, 100_000))  # $0.025 instead of $0.25
    assert sums.by_model()[HAIKU].saved_by_cache == 100_000 * 225_000


def test_a_batch_has_the_prices_of_the_day_of_its_creation() -> None:
    sums = CostSums(PriceList())
    costs = [
        sums.of_batch(dt.datetime(2026, 3, day, tzinfo=dt.UTC))("claude-opus-4-6", used(200_001)) for day in (12, 13)
    ]
    assert costs == [200_001 * 5_000_000, 200_001 * 2_500_000]
    assert sums.total().batch.total == sum(costs)  # type: ignore[arg-type]  # none is None


@pytest.mark.parametrize(
    ("model", "billed", "reason"),
    [
        (OPUS, None, UNREPORTED),
        (None, None, UNREPORTED),
        (None, used(1), NO_MODEL),
        (OPUS, used(1, exception="its speed is 'fast'"), "its speed is 'fast'"),
    ],
)
def test_an_unknown_cost_is_counted_with_its_reason(model: str | None, billed: BilledUsage | None, reason: str) -> None:
    sums = CostSums(PriceList())
    add = sums.of_batch(NOVEMBER)
    assert add(model, billed) is None
    total = sums.by_model()[model or "unknown"]
    assert (dict(total.unknown), str(total)) == ({reason: 1}, "unknown")
    assert add(OPUS, used(1_000_000)) == 2 * 10**12
    assert str(sums.total()) == "at least $2.00"


def test_what_makes_a_cost_unknown_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    sums = CostSums(PriceList(GivenPrices({"claude-opus-6": {"input": 1, "output": 1}})))
    add = sums.of_batch(NOVEMBER)
    for _ in range(3):
        assert add(OPUS, used(1, exception="its speed is 'fast'")) is None
        assert add("claude-opus-6", used(1, 0, 0, 0, 5)) is None
        assert add("claude-opus-6", used(1)) == 500_000
        assert add(OPUS, None) is None
    assert caplog.messages == [
        f"The cost of a request to `{OPUS}` is unknown: its speed is 'fast'.",
        "The cost of a request to `claude-opus-6` is unknown: it used a kind that has no price.",
    ]
    assert sums.by_model()["claude-opus-6"].unknown_requests == sums.by_model()["claude-opus-6"].requests == 3


def test_reasons_do_not_grow_without_end() -> None:
    sums = CostSums(PriceList())
    add = sums.of_batch(NOVEMBER)
    for number in range(500):
        add(OPUS, used(1, exception=f"its speed is {number}"))
    unknown = sums.by_model()[OPUS].unknown
    assert (len(unknown), unknown[MORE_REASONS], sum(unknown.values())) == (21, 480, 500)


def test_what_requests_used_is_counted_whether_or_not_their_cost_is_known() -> None:
    sums = CostSums(PriceList())
    add = sums.of_batch(NOVEMBER)
    add(OPUS, used(1, 2, 3, 4, 5, 6, 7, 8))
    add(OPUS, used(1, geography="us"))
    add(OPUS, used(10, exception="its speed is 'fast'"))
    add(OPUS, None)
    add(HAIKU, used(100_001))
    add("claude-opus-6", used(1))
    add("claude-opus-6", used(0, 1))
    assert sums.usage() == {
        HAIKU: Usage(requests=1, input_tokens=100_001),
        OPUS: Usage(
            requests=4, unreported_requests=1, input_tokens=12, output_tokens=2, cache_creation_5m_input_tokens=3,
            cache_creation_1h_input_tokens=4, cache_read_input_tokens=5, thinking_tokens=6, web_search_requests=7,
            web_fetch_requests=8,
        ),
        "claude-opus-6": Usage(requests=2, input_tokens=1, output_tokens=1),
    }  # fmt: skip
    assert list(sums.usage()) == list(sums.by_model())


def test_usage_of_results_is_priced_as_it_was_reported() -> None:
    add = CostSums(PriceList()).of_batch(NOVEMBER)
    usage = {
        "input_tokens": 10,
        "output_tokens": 2,
        "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "cache_read_input_tokens": 1_000,
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 1},
        "service_tier": "batch",
        "inference_geo": "us",
    }
    tokens = 10 * 2_200_000 + 2 * 11_000_000 + 100 * 2_750_000 + 200 * 4_400_000 + 1_000 * 110_000
    assert add(OPUS, billed_usage(json.dumps(usage).encode())) == tokens + 10**10
