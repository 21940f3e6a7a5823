"""The life of a batch, on a clock that stands still."""

import json
from typing import Any

import pytest

from anthropic_batches_provider.simulator import Clock, Settings, Simulator
from anthropic_batches_provider.simulator.service.outcomes import parse_rule
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.result_lines import result_rows
from anthropic_batches_provider.simulator.service.simulated_batch import Origin

ORIGIN = Origin("wrkspc_a", "2026-10-21")
DAY = 24 * 3600


def body(count: int = 10, **params: Any) -> Any:
    usual = {"model": "claude-haiku-4-5", "max_tokens": 64}
    requests = [
        {
            "custom_id": f"r-{n}",
            "params": usual | {"messages": [{"role": "user", "content": f"Question {n}"}]} | params,
        }
        for n in range(count)
    ]
    return json.dumps({"requests": requests}).encode()


def simulator(**settings: Any) -> Any:
    return Simulator(clock=Clock(start=1_795_000_000, speed=0), settings=Settings(**settings))


def create(sim: Any, content: bytes | None = None, origin: Any = ORIGIN) -> Any:
    return sim.commit(sim.prepare(content or body(), origin))


def seen(sim: Any, batch: Any, fresh: bool = False) -> Any:
    shown = batch.body(sim.clock.now(), base_url="http://x", incremental=sim.settings.incremental_counts, fresh=fresh)
    return shown["processing_status"], {name: n for name, n in shown["request_counts"].items() if n}


def rows(sim: Any, batch: Any) -> Any:
    return list(result_rows(batch, seed=sim.seed, cache=sim.cache_of(batch)))


def test_a_batch_of_no_duration_is_in_progress_when_made_and_ended_at_the_next_look() -> None:
    sim = simulator()
    batch = create(sim)
    assert seen(sim, batch, fresh=True) == ("in_progress", {"processing": 10})
    assert seen(sim, batch) == ("ended", {"succeeded": 10})


def test_counts_stand_still_until_the_end() -> None:
    sim = simulator(batch_duration=100)
    batch = create(sim)
    sim.clock.advance(99)
    assert seen(sim, batch) == ("in_progress", {"processing": 10})
    sim.clock.advance(1)
    assert seen(sim, batch) == ("ended", {"succeeded": 10})


def test_counts_move_if_asked_to() -> None:
    sim = simulator(batch_duration=100, incremental_counts=True)
    batch = create(sim)
    sim.clock.advance(30)
    assert seen(sim, batch) == ("in_progress", {"processing": 7, "succeeded": 3})


def test_a_cancel_keeps_what_is_done_and_what_is_in_flight() -> None:
    sim = simulator(batch_duration=100, cancel_duration=20, cancel_completes=0.5)
    batch = create(sim)
    sim.clock.advance(40)
    assert sim.cancel(batch) is True
    assert seen(sim, batch) == ("canceling", {"processing": 10})
    assert sim.cancel(batch) is False
    sim.clock.advance(20)
    assert seen(sim, batch) == ("ended", {"succeeded": 7, "canceled": 3})
    assert sorted(row.result["type"] for row in rows(sim, batch)) == ["canceled"] * 3 + ["succeeded"] * 7


@pytest.mark.parametrize("status", [200, 400])
def test_canceling_an_ended_batch_is_as_set(status: int) -> None:
    sim = simulator(cancel_ended_status=status)
    batch = create(sim)
    if status == 200:
        assert sim.cancel(batch) is False
    else:
        with pytest.raises(Refusal, match="already ended"):
            sim.cancel(batch)


def test_a_batch_expires_after_a_day_with_the_rows_that_are_not_done() -> None:
    sim = simulator(batch_duration=2 * DAY)
    batch = create(sim)
    sim.clock.advance(DAY - 1)
    assert seen(sim, batch) == ("in_progress", {"processing": 10})
    sim.clock.advance(1)
    assert seen(sim, batch) == ("ended", {"succeeded": 5, "expired": 5})


def test_results_are_gone_after_29_days_and_the_batch_stays() -> None:
    sim = simulator()
    batch = create(sim)
    sim.clock.advance(29 * DAY)
    shown = sim.batch(batch.id, "wrkspc_a").body(sim.clock.now(), base_url="", incremental=False)
    assert shown["archived_at"] is not None
    assert shown["results_url"] is None
    with pytest.raises(Refusal, match="no available results"):
        sim.check_results(batch)


def test_a_batch_can_be_ended_by_hand() -> None:
    sim = simulator(batch_duration=100)
    done, expired = create(sim), create(sim)
    sim.clock.advance(20)
    done.end(sim.clock.now())
    expired.end(sim.clock.now(), unfinished_expire=True)
    assert seen(sim, done) == ("ended", {"succeeded": 10})
    assert seen(sim, expired) == ("ended", {"succeeded": 2, "expired": 8})


def test_results_are_shuffled_and_the_same_each_time() -> None:
    sim, again, plain = simulator(), simulator(), simulator(shuffle_results=False)
    given = [f"r-{n}" for n in range(10)]
    ids = [row.custom_id for row in rows(sim, create(sim))]
    assert ids != given
    assert sorted(ids) == given
    assert rows(again, create(again)) == rows(again, again.batches()[0])
    assert [row.custom_id for row in rows(again, again.batches()[0])] == ids
    assert [row.custom_id for row in rows(plain, create(plain))] == given


def test_the_queue_has_a_limit_and_ended_batches_leave_it() -> None:
    sim = simulator(batch_duration=100, queue_limit=15)
    create(sim)
    with pytest.raises(Refusal, match="429"):
        create(sim)
    sim.clock.advance(100)
    create(sim)


def test_a_batch_of_another_workspace_does_not_exist() -> None:
    sim = simulator()
    batch = create(sim)
    with pytest.raises(Refusal, match="not found"):
        sim.batch(batch.id, "wrkspc_b")
    assert sim.page("wrkspc_b", limit=20, after_id=None, before_id=None).batches == []


def test_deleting_takes_an_ended_batch_and_leaves_its_bill() -> None:
    sim = simulator(batch_duration=100)
    batch = create(sim)
    with pytest.raises(Refusal, match="In progress batches cannot be deleted"):
        sim.delete(batch)
    sim.clock.advance(100)
    sim.delete(batch)
    with pytest.raises(Refusal, match="not found"):
        sim.batch(batch.id, "wrkspc_a")
    assert sim.billing().rows_billed == 10


def test_a_late_commit_becomes_a_batch_when_its_time_has_come() -> None:
    sim = simulator()
    entry = sim.log.create(sim.clock.now())
    sim.commit_late(sim.prepare(body(), ORIGIN), 60, entry)
    assert sim.batches() == []
    sim.clock.advance(61)
    (batch,) = sim.batches()
    assert batch.created_at == sim.clock.now() - 1
    assert entry.batch_id == batch.id


def test_only_succeeded_rows_are_billed_and_repeats_are_told() -> None:
    sim = simulator()
    sim.rules.add(parse_rule({"result": "errored", "custom_id": "r-[01]$"}))
    create(sim)
    bill = sim.billing()
    assert (bill.rows_billed, bill.distinct_contents, bill.max_times_billed) == (8, 8, 1)
    assert bill.repeated == []
    sim.rules.clear()
    create(sim)
    bill = sim.billing()
    assert (bill.rows_billed, bill.distinct_contents, bill.max_times_billed) == (18, 10, 2)
    assert bill.repeated_requests == 8
    assert all(repeat.custom_ids[0] == repeat.custom_ids[1] for repeat in bill.repeated)
    assert bill.tokens.input_tokens == sum(batch.tokens.input_tokens for batch in bill.batches) > 0


def test_a_batch_in_progress_is_not_billed_yet() -> None:
    sim = simulator(batch_duration=100)
    create(sim)
    assert (sim.billing().rows_billed, sim.billing().batches[0].ended) == (0, False)
    sim.clock.advance(100)
    assert sim.billing().rows_billed == 10


@pytest.mark.parametrize("key_order", [lambda p: p, lambda p: dict(reversed(p.items()))])
def test_equal_params_are_one_content_however_they_are_written(key_order: Any) -> None:
    sim = simulator()
    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    for indent in (None, 2):
        request = {"custom_id": "a", "params": key_order(params)}
        create(sim, json.dumps({"requests": [request]}, indent=indent).encode())
    assert sim.billing().distinct_contents == 1


def test_with_a_hit_rate_the_first_of_a_prefix_writes_the_cache_and_others_read_it() -> None:
    sim = simulator(cache_hit_rate=1)
    system = [{"type": "text", "text": "x" * 40_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    batch = create(sim, body(4, system=system))
    usages = [row.result["message"]["usage"] for row in rows(sim, batch)]
    assert [usage["cache_creation"]["ephemeral_1h_input_tokens"] for usage in usages] == [10_000, 0, 0, 0]
    assert [usage["cache_read_input_tokens"] for usage in usages] == [0, 10_000, 10_000, 10_000]
    assert all(0 < usage["input_tokens"] < 20 for usage in usages)


def test_a_prefix_below_the_models_minimum_is_not_cached() -> None:
    sim = simulator()
    system = [{"type": "text", "text": "x" * 400, "cache_control": {"type": "ephemeral"}}]
    batch = create(sim, body(2, system=system))
    assert [row.result["message"]["usage"]["cache_creation_input_tokens"] for row in rows(sim, batch)] == [0, 0]


def test_a_reset_forgets_all_but_the_time_and_makes_new_ids() -> None:
    sim = simulator()
    first = create(sim)
    sim.reset()
    assert sim.batches() == []
    assert create(sim).id != first.id
