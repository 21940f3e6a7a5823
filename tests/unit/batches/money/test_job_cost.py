"""The figures of a manifest: exact texts, the sum of all models, and what is unknown."""

import msgspec

from anthropic_batches_provider.batches.money.costs import KindCosts
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.money.model_costs import ModelCost

HAIKU = ModelCost(
    requests=2,
    batch=KindCosts(input=3, output=1_500_000_000_000),
    live=KindCosts(input=6, output=3_000_000_000_000),
    uncached=1_500_000_000_001,
    sources=("test",),
)
LOST = ModelCost(unknown={"lost": 2, "gone": 1})


def test_amounts_are_told_to_the_last_digit_by_model_and_kind() -> None:
    told = JobCost.of({"b": HAIKU, "a": HAIKU})
    assert list(told.models) == ["a", "b"]
    assert told.cost_usd == "3.000000000006"
    assert told.models["a"].cost_usd == "1.500000000003"
    assert (told.live_usd, told.saved_by_batch_usd) == ("6.000000000012", "3.000000000006")
    assert told.saved_by_cache_usd == "-0.000000000004"
    assert told.models["a"].kinds_usd == {
        "input": "0.000000000003", "output": "1.5", "cache_write_5m": "0", "cache_write_1h": "0", "cache_read": "0",
        "web_search": "0",
    }  # fmt: skip
    assert told.models["a"].live_kinds_usd["output"] == "3"
    assert (told.requests, told.at_least, told.unknown, told.prices) == (4, False, {}, ("test",))


def test_with_requests_of_unknown_cost_the_amounts_are_lower_bounds_of_those_models_and_of_the_job() -> None:
    told = JobCost.of({"a": HAIKU, "unknown": LOST})
    assert (told.at_least, told.models["a"].at_least, told.models["unknown"].at_least) == (True, False, True)
    assert (told.unknown_requests, told.unknown) == (3, {"gone": 1, "lost": 2})
    assert told.cost_usd == told.models["a"].cost_usd


def test_it_is_read_back_as_it_was_written() -> None:
    told = JobCost.of({"a": HAIKU, "unknown": LOST})
    assert msgspec.json.decode(msgspec.json.encode(told), type=JobCost) == told


def test_nothing_costs_nothing() -> None:
    told = JobCost.of({})
    assert (told.cost_usd, told.at_least, told.models) == ("0", False, {})
