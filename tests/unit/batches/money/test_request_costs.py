"""Requests of several batches are priced by the day of each batch; what cannot be priced is counted by reason."""

import datetime as dt
import json

import pytest

from anthropic_batches_provider.batches.money import request_costs
from anthropic_batches_provider.batches.money.batch_uses import NO_BATCH, UNPRICED_PART, BatchUses, Used
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.request_costs import (
    MISSING_RESULT,
    STRAY_RESULT,
    UNDATED_BATCH,
    UNREADABLE_RESULT,
    RequestCosts,
)
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.usage import Usage, UsageByModel

MAY, JUNE = (dt.datetime(2026, month, 3, 12, tzinfo=dt.UTC) for month in (5, 6))
USAGE = json.dumps({"input_tokens": 10, "output_tokens": 1, "service_tier": "batch"}).encode()


class RisingPrices:
    """Prices in pico-dollars that are the number of the month."""

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        batch, live = (UnitPrices(input=day.month * factor, output=0) for factor in (1, 2))
        return ModelPrices(batch=batch, live=live, source="test")


def costs_of(**born: dt.datetime | None) -> RequestCosts:
    return RequestCosts(PriceList(public=RisingPrices()), born.get)


def uses_of(*costs: RequestCosts) -> BatchUses:
    uses = BatchUses(is_priced=True)
    for each in costs:
        each.add_to(uses)
    return uses


def test_each_batch_has_the_prices_of_the_day_on_which_it_was_created() -> None:
    costs = costs_of(first=MAY, later=JUNE)
    assert [costs.of_batch(batch_id)("m", USAGE) for batch_id in ("first", "later", "first")] == [50, 60, 50]
    found = uses_of(costs).by_batch()
    totals = {batch_id: used["m"].cost for batch_id, used in found.items()}
    assert {name: cost and (cost.requests, cost.batch.total, cost.live.total) for name, cost in totals.items()} == {
        "first": (2, 100, 200), "later": (1, 60, 120),
    }  # fmt: skip
    assert [found[batch_id]["m"].usage.input_tokens for batch_id in found] == [20, 10]


def test_equal_requests_are_priced_each_and_usage_is_the_same_as_without_prices() -> None:
    costs, without, plain = costs_of(b=MAY), RequestCosts(None, lambda _: None), UsageByModel()
    told = b'{"input_tokens": 3, "output_tokens": 2, "server_tool_use": {"x": 1}, "output_tokens_details": '
    some = [USAGE] * 7 + [b"nonsense", None, told + b'{"thinking_tokens": 1}}', told + b"null}"]
    for number, usage in enumerate(some):
        assert costs.of_batch("b")("m", usage) == (50 if number < 7 else None)
        assert without.of_batch("b")("m", usage) is None
        plain.add("m", usage)
    found = uses_of(costs).by_batch()["b"]["m"]
    assert found.usage == plain.total()
    assert found.cost is not None
    assert (found.cost.requests, found.cost.batch.total, found.cost.unknown_requests) == (7, 7 * 50, 4)
    uses = BatchUses()
    without.add_to(uses)
    assert uses.by_batch() == {"b": {"m": Used(plain.total(), None)}}


def test_usages_beyond_the_remembered_ones_are_counted_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_costs, "_MOST_DIFFERENT", 3)
    costs = costs_of(b=MAY)
    some = [
        json.dumps({"input_tokens": n % 5, "output_tokens": 1, "service_tier": "batch"}).encode() for n in range(50)
    ]
    assert [costs.of_batch("b")("m", usage) for usage in some] == [5 * (number % 5) for number in range(50)]
    assert uses_of(costs).by_batch()["b"]["m"].usage == Usage(requests=50, input_tokens=100, output_tokens=50)


def test_a_batch_of_which_nobody_says_when_it_was_created_has_an_unknown_cost() -> None:
    costs = costs_of(b=None)
    assert costs.of_batch("b")("m", USAGE) is None
    used = uses_of(costs).by_batch()["b"]["m"]
    assert used.cost == ModelCost(unknown={UNDATED_BATCH: 1})
    assert used.usage == Usage(requests=1, input_tokens=10, output_tokens=1)


def test_what_has_no_usage_is_counted_with_its_batch_and_its_reason() -> None:
    costs = costs_of(b=MAY)
    costs.add_unreadable("b")
    costs.add_unknown("b", MISSING_RESULT)
    costs.add_unknown(None, STRAY_RESULT, 3)
    assert uses_of(costs).by_batch() == {
        NO_BATCH: {"unknown": Used(Usage(), ModelCost(unknown={STRAY_RESULT: 3}))},
        "b": {
            "unknown": Used(
                Usage(requests=1, unreported_requests=1), ModelCost(unknown={MISSING_RESULT: 1, UNREADABLE_RESULT: 1})
            )
        },
    }


def test_what_has_no_usage_is_told_as_unpriced_once_other_prices_are_known() -> None:
    without, uses = RequestCosts(None, lambda _: None), BatchUses()
    without.add_unreadable("b")
    without.add_unknown("b", MISSING_RESULT, 2)
    without.of_batch("b")("m", USAGE)
    without.add_to(uses)
    unread = Usage(requests=1, unreported_requests=1)
    assert uses.by_batch()["b"]["unknown"] == Used(unread, None)
    uses.is_priced = True
    assert uses.by_batch()["b"] == {
        "m": Used(Usage(requests=1, input_tokens=10, output_tokens=1), ModelCost(unknown={UNPRICED_PART: 1})),
        "unknown": Used(unread, ModelCost(unknown={UNPRICED_PART: 3})),
    }
