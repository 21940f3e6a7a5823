"""The sums of what results report of the prompt cache, by message batch and model."""

from __future__ import annotations

import json

from anthropic_batches_provider.batches.prompt_cache.cache_uses import CacheUse, CacheUses, added_up, cache_use_in
from anthropic_batches_provider.batches.usage import UsageByModel

A, B = "msgbatch_a", "msgbatch_b"


def usage(*, read: int = 0, hour: int = 0, minutes: int = 0, output: int = 1) -> bytes:
    return json.dumps(
        {
            "input_tokens": 3,
            "output_tokens": output,
            "cache_creation_input_tokens": hour + minutes,
            "cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour},
            "cache_read_input_tokens": read,
        }
    ).encode()


def test_each_request_counts_for_its_batch_and_its_model() -> None:
    uses = CacheUses()
    uses.add(B, "sonnet", usage(read=100))
    uses.add(A, "sonnet", usage(hour=100))
    uses.add(B, "sonnet", usage(read=100))
    uses.add(B, "opus", usage(minutes=70))
    assert uses.by_batch() == {
        A: {"sonnet": CacheUse(requests=1, written_1h=100)},
        B: {"opus": CacheUse(requests=1, written_5m=70), "sonnet": CacheUse(requests=2, read=200)},
    }
    assert list(uses.by_batch()) == [A, B]


def test_a_request_that_reports_no_usage_adds_nothing() -> None:
    uses = CacheUses()
    for unreadable in (None, b"null", b"{}", b"[1]"):
        uses.add(A, None, unreadable)
    assert uses.by_batch() == {A: {"unknown": CacheUse()}}


def test_many_different_usages_are_added_up_in_constant_memory() -> None:
    uses = CacheUses()
    for number in range(10_000):
        uses.add(A, "sonnet", usage(read=number, output=number))
        assert len(uses._times) <= 4096
    assert uses.by_batch() == {A: {"sonnet": CacheUse(requests=10_000, read=sum(range(10_000)))}}


def test_sums_of_parts_are_included() -> None:
    uses = CacheUses()
    uses.add(A, "sonnet", usage(hour=5))
    uses.include({A: {"sonnet": CacheUse(requests=2, read=7)}, B: {"opus": CacheUse(requests=1)}})
    found = uses.by_batch()
    assert found == {A: {"sonnet": CacheUse(requests=3, written_1h=5, read=7)}, B: {"opus": CacheUse(requests=1)}}
    assert added_up(found.values()) == {"sonnet": found[A]["sonnet"], "opus": found[B]["opus"]}


def test_a_manifests_usage_says_the_same_of_the_cache() -> None:
    uses, totals = CacheUses(), UsageByModel()
    for model, reported in (("sonnet", usage(hour=5)), ("sonnet", usage(read=9)), (None, None), ("opus", usage())):
        uses.add(A, model, reported)
        totals.add(model, reported)
    assert cache_use_in(totals.as_dict()) == uses.by_batch()[A]
