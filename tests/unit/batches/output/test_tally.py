"""Counting a row returns its cost; the sums by batch are those of the job, also over parts of older versions."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.ledger import TallyRecord
from anthropic_batches_provider.batches.money.batch_uses import NO_BATCH, UNPRICED_PART, Used, by_model
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.request_costs import MISSING_RESULT, STRAY_RESULT, UNREADABLE_RESULT
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow, OtherResult
from anthropic_batches_provider.batches.output.tally import Tally, tally_of_parts
from anthropic_batches_provider.batches.results import MISSING, UNREADABLE, Result
from anthropic_batches_provider.batches.row_failures import INVALID_ROW
from anthropic_batches_provider.batches.usage import Usage, usage_from_dict

DAY = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
TYPES = (*["succeeded"] * 5, "errored", "canceled", "expired", MISSING, UNREADABLE)


class Prices:
    """Pico-dollars: an input token costs 1, and an output token 10; of ``other`` a hundred times as much."""

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        if model == "unknown-model":
            return UnknownPrices("nobody knows")
        factor = 100 if model == "other" else 1
        batch, live = (UnitPrices(input=factor * each, output=10 * factor * each) for each in (1, 2))
        return ModelPrices(batch=batch, live=live, source="test")


PRICES = PriceList(public=Prices())


def tally_of(*rows: AnsweredRow, prices: PriceList | None = PRICES) -> tuple[Tally, list[int | None]]:
    tally = Tally(prices, lambda _: DAY)
    return tally, [tally.add(row) for row in rows]


def usage(tokens: int, output: int = 0) -> msgspec.Raw:
    return msgspec.Raw(json.dumps({"input_tokens": tokens, "output_tokens": output, "service_tier": "batch"}))


def answered(result_type: str, batch_id: str | None = "b", *others: OtherResult, **fields: Any) -> AnsweredRow:
    return AnsweredRow(NO_COLUMNS, batch_id, Result("n", result_type, **fields), earlier_rounds=others or None)


def other(
    result_type: str, batch_id: str = "a", model: str | None = None, used: msgspec.Raw | None = None
) -> OtherResult:
    return OtherResult(batch_id, result_type, None, None, None, None, model, used)


@pytest.mark.parametrize(
    ("row", "cost"),
    [
        (answered("succeeded", model="m", usage=usage(5, 2)), 25),
        (answered("succeeded", model="other", usage=usage(5, 2)), 2_500),
        (answered("succeeded", model="unknown-model", usage=usage(5, 2)), None),
        (answered("succeeded", model="m", usage=None), None),
        (answered("succeeded", "b", other("succeeded", "a", "other", usage(1)), model="m", usage=usage(5, 2)), 125),
        (answered("succeeded", "b", other("errored"), other("expired"), model="m", usage=usage(5, 2)), 25),
        (answered("succeeded", "b", other(MISSING), model="m", usage=usage(5, 2)), None),
        (answered("succeeded", "b", other(UNREADABLE), model="m", usage=usage(5, 2)), None),
        (answered("succeeded", "b", other("succeeded", "a", "m"), model="m", usage=usage(5, 2)), None),
        (answered("errored", "b", other("succeeded", "a", "m", usage(3))), 3),
        (answered("errored"), 0), (answered("canceled"), 0), (answered("expired"), 0), (answered(INVALID_ROW, None), 0),
        (answered(MISSING), None), (answered(UNREADABLE), None),
    ],
)  # fmt: skip
def test_a_row_costs_the_sum_of_its_requests_or_nobody_knows(row: AnsweredRow, cost: int | None) -> None:
    assert tally_of(row)[1] == [cost]
    assert tally_of(row, prices=None)[1] == [None]


def test_what_is_unknown_is_counted_in_its_batch_by_reason() -> None:
    tally, _ = tally_of(answered(MISSING, "b", other(UNREADABLE, "a")), answered(UNREADABLE, "b"))
    tally.count_strays("a", foreign=2, duplicates=1)
    unread = Usage(requests=1, unreported_requests=1)
    assert tally.by_batch() == {
        "a": {"unknown": Used(unread, ModelCost(unknown={STRAY_RESULT: 3, UNREADABLE_RESULT: 1}))},
        "b": {"unknown": Used(unread, ModelCost(unknown={MISSING_RESULT: 1, UNREADABLE_RESULT: 1}))},
    }


def random_row(rolls: random.Random) -> AnsweredRow:
    def fields(result_type: str) -> dict[str, Any]:
        if result_type != "succeeded":
            return {}
        model = rolls.choice(["m", "m", "other", "unknown-model", None])
        return {"model": model, "usage": rolls.choice([usage(rolls.randrange(9), rolls.randrange(9)), None])}

    batches = ["b", "c", "d"]
    others = []
    for _ in range(rolls.choice([0, 0, 0, 1, 2])):
        found = fields(result_type := rolls.choice(TYPES))
        others.append(other(result_type, rolls.choice(batches), found.get("model"), found.get("usage")))
    result_type = rolls.choice(TYPES)
    return answered(result_type, rolls.choice(batches), *others, **fields(result_type))


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_random_rows_add_up_to_the_whole_by_batch_model_and_reason(seed: int) -> None:
    rolls = random.Random(seed)
    rows = [random_row(rolls) for _ in range(60)]
    whole, costs = tally_of(*rows)
    parts = tally_of_parts(PRICES)
    for start in range(0, len(rows), 20):
        record = tally_of(*rows[start : start + 20])[0].record()
        parts.include(msgspec.json.decode(msgspec.json.encode(record), type=TallyRecord))
    assert parts.by_batch() == whole.by_batch()
    assert (parts.usage(), parts.cost()) == (whole.usage(), whole.cost())
    check_sums(whole)
    plain, _ = tally_of(*rows, prices=None)
    assert {name: usages(models) for name, models in plain.by_batch().items()} == {
        name: found for name, models in whole.by_batch().items() if (found := usages(models))
    }
    priced, again = tally_of(*(row for row, cost in zip(rows, costs, strict=True) if cost is not None))
    total = sum(used.cost.batch.total for used in by_model(priced.by_batch().values()).values() if used.cost)
    assert total == sum(cost for cost in again if cost is not None) > 0
    cost = priced.cost()
    assert cost is not None
    assert not cost.at_least


def usages(models: Mapping[str, Used]) -> dict[str, Usage]:
    return {model: used.usage for model, used in models.items() if used.usage != Usage()}


def check_sums(tally: Tally) -> None:
    """Check that the sums over batches are what the manifest tells of the job."""
    used = by_model(tally.by_batch().values())
    assert usages(used) == usage_from_dict(tally.usage())
    assert tally.cost() == JobCost.of({name: each.cost for name, each in used.items() if each.cost not in NO_COST})


NO_COST = (None, ModelCost())


def older(record: TallyRecord, *, priced: bool) -> TallyRecord:
    """Return a record as a version that kept no batches wrote it."""
    return msgspec.structs.replace(record, batches={}, costs=record.costs if priced else None)


def test_parts_of_older_versions_belong_to_no_batch() -> None:
    one, _ = tally_of(answered("succeeded", model="m", usage=usage(5, 2)), answered(MISSING))
    two, _ = tally_of(answered("succeeded", "c", model="m", usage=usage(1)))
    tally = tally_of_parts(PRICES)
    tally.include(older(one.record(), priced=True))
    tally.include(two.record())
    found = tally.by_batch()
    assert set(found) == {NO_BATCH, "c"}
    assert found[NO_BATCH] == one.by_batch()["b"]
    assert found["c"] == two.by_batch()["c"]
    check_sums(tally)


def test_parts_of_before_prices_are_unknown_under_their_models() -> None:
    rows = [answered("succeeded", model="m", usage=usage(5)), answered("succeeded", model="other", usage=usage(1))]
    one, _ = tally_of(*rows, answered(MISSING), answered(UNREADABLE))
    one.count_strays("b", foreign=3, duplicates=0)
    without, _ = tally_of(*rows, answered(MISSING), answered(UNREADABLE), prices=None)
    without.count_strays("b", foreign=3, duplicates=0)
    for record in (older(one.record(), priced=False), without.record()):
        tally = tally_of_parts(PRICES)
        tally.include(record)
        (name,) = found = tally.by_batch()
        unknown = {model: used.cost.unknown for model, used in found[name].items() if used.cost is not None}
        assert unknown == {"m": {UNPRICED_PART: 1}, "other": {UNPRICED_PART: 1}, "unknown": {UNPRICED_PART: 5}}
        cost = tally.cost()
        assert cost is not None
        assert (cost.unknown, cost.requests) == ({UNPRICED_PART: 7}, 0)
        check_sums(tally)


def test_without_any_prices_there_is_no_cost_and_the_usage_is_by_batch() -> None:
    without, _ = tally_of(answered("succeeded", model="m", usage=usage(5)), answered(MISSING), prices=None)
    tally = Tally()
    tally.include(without.record())
    assert tally.cost() is None
    assert tally.by_batch() == {"b": {"m": Used(Usage(requests=1, input_tokens=5), None)}}
    assert without.record().costs is None
