"""Requests of several batches are priced by the day of each batch; what cannot be priced is counted by reason."""

import datetime as dt
import json

from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.request_costs import UNDATED_BATCH, RequestCosts
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.usage import UsageByModel

MAY, JUNE = (dt.datetime(2026, month, 3, 12, tzinfo=dt.UTC) for month in (5, 6))
USAGE = json.dumps({"input_tokens": 10, "output_tokens": 1, "service_tier": "batch"}).encode()


class RisingPrices:
    """Prices in pico-dollars that are the number of the month."""

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        batch, live = (UnitPrices(input=day.month * factor, output=0) for factor in (1, 2))
        return ModelPrices(batch=batch, live=live, source="test")


def costs_of(**born: dt.datetime | None) -> RequestCosts:
    return RequestCosts(PriceList(public=RisingPrices()), born.get)


def test_each_batch_has_the_prices_of_the_day_on_which_it_was_created() -> None:
    costs, usage = costs_of(first=MAY, later=JUNE), UsageByModel()
    for batch_id in ("first", "later", "first"):
        usage.add("m", USAGE, costs.of_batch(batch_id))
    usage.add_up()
    total = costs.sums.total()
    assert (total.requests, total.batch.total, total.live.total) == (3, 10 * (5 + 6 + 5), 20 * (5 + 6 + 5))
    assert usage.total().input_tokens == 30


def test_equal_requests_are_priced_each_and_usage_is_the_same_as_without_prices() -> None:
    costs, priced, plain = costs_of(b=MAY), UsageByModel(), UsageByModel()
    for usage in [USAGE] * 7 + [b"nonsense", b'{"input_tokens": 3, "output_tokens": 2, "server_tool_use": {"x": 1}}']:
        priced.add("m", usage, costs.of_batch("b"))
        plain.add("m", usage)
    assert priced.as_dict() == plain.as_dict()
    total = costs.sums.total()
    assert (total.requests, total.batch.total, total.unknown_requests) == (7, 7 * 50, 2)


def test_a_batch_of_which_nobody_says_when_it_was_created_has_an_unknown_cost() -> None:
    costs, usage = costs_of(b=None), UsageByModel()
    usage.add("m", USAGE, costs.of_batch("b"))
    usage.add_up()
    assert costs.sums.by_model()["m"].unknown == {UNDATED_BATCH: 1}
    assert costs.sums.total().requests == 0
