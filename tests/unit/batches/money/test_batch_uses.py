"""Sums by batch and model survive their records, and tell what was not priced once other prices are known."""

import datetime as dt

import msgspec

from anthropic_batches_provider.batches.money.batch_uses import (
    NO_BATCH,
    UNPRICED_PART,
    BatchUses,
    ModelUse,
    Used,
    by_model,
)
from anthropic_batches_provider.batches.money.cost_sums import CostSums
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.usage import Usage
from tests.unit.batches.money.cost_cases import NOVEMBER, OPUS

ONE = Usage(requests=1, input_tokens=7, thinking_tokens=2, output_tokens=3)


def cost_of(tokens: int, created_at: dt.datetime = NOVEMBER) -> ModelCost:
    sums = CostSums(PriceList())
    sums.of_batch(created_at)(OPUS, ((tokens, 3, 0, 5, 0, 2, 1, 0), "global", None))
    return sums.total()


def kept(uses: BatchUses) -> dict[str, dict[str, ModelUse]]:
    """Return the records after a way through JSON."""
    return msgspec.json.decode(msgspec.json.encode(uses.as_records()), type=dict[str, dict[str, ModelUse]])


def test_sums_survive_their_records_and_add_up_by_batch_and_model() -> None:
    uses = BatchUses(is_priced=True)
    uses.add("b", OPUS, Used(ONE, cost_of(7)))
    uses.add("a", OPUS, Used(ONE, cost_of(8)))
    uses.add("b", "unknown", Used(Usage(), ModelCost(unknown={"lost": 2})))
    other = BatchUses(is_priced=True)
    other.include(kept(uses))
    assert other.by_batch() == uses.by_batch()
    assert list(uses.by_batch()) == ["a", "b"]
    other.include(kept(uses))
    assert other.by_batch()["b"][OPUS] == Used(ONE + ONE, cost_of(7) + cost_of(7))
    assert by_model(other.by_batch().values()) == {
        OPUS: Used(ONE + ONE + ONE + ONE, cost_of(7) + cost_of(7) + cost_of(8) + cost_of(8)),
        "unknown": Used(Usage(), ModelCost(unknown={"lost": 4})),
    }


def test_a_record_holds_nothing_that_is_zero() -> None:
    uses = BatchUses(is_priced=True)
    uses.add("b", OPUS, Used(ONE, cost_of(7)))
    uses.add("b", "free", Used(Usage(requests=1), ModelCost()))
    encoded = msgspec.json.decode(msgspec.json.encode(uses.as_records()))
    assert encoded["b"]["free"] == {"usage": {"requests": 1}, "cost": {}}
    assert encoded["b"][OPUS]["usage"] == {"requests": 1, "input_tokens": 7, "output_tokens": 3, "thinking_tokens": 2}
    assert set(encoded["b"][OPUS]["cost"]["batch_usd"]) == {"input", "output", "cache_write_1h", "web_search"}
    assert "unknown" not in encoded["b"][OPUS]["cost"]


def test_parts_without_prices_are_unknown_only_beside_parts_with_prices() -> None:
    uses = BatchUses()
    uses.add(NO_BATCH, OPUS, Used(ONE), unpriced=0)
    uses.add(NO_BATCH, "unknown", Used(), unpriced=4)
    uses.include(kept(uses))
    assert uses.by_batch() == {NO_BATCH: {OPUS: Used(ONE + ONE)}}
    priced = BatchUses(is_priced=True)
    priced.add("b", OPUS, Used(ONE, cost_of(7)))
    uses.add_all(priced)
    assert uses.by_batch() == {
        NO_BATCH: {
            OPUS: Used(ONE + ONE, ModelCost(unknown={UNPRICED_PART: 2})),
            "unknown": Used(Usage(), ModelCost(unknown={UNPRICED_PART: 8})),
        },
        "b": {OPUS: Used(ONE, cost_of(7))},
    }
