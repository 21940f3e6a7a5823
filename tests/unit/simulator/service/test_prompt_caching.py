"""Prompt caching across batches: who warms whom, for how long, and what is charged."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.message_batch_service import MessageBatchService
from anthropic_batches_provider.simulator.service.prompt_contents import breakpoints, input_tokens, prompt_blocks
from anthropic_batches_provider.simulator.service.result_lines import result_rows
from anthropic_batches_provider.simulator.service.service_settings import DEFAULT_WORKSPACE, VERSIONS
from anthropic_batches_provider.simulator.service.simulated_batch import MessageBatch, Origin
from tests.unit.simulator.service.test_simulated_batch import body, simulator

PREFIX_TOKENS = 10_000
MINUTES = 60.0


def system(ttl: str = "1h", text: str = "x") -> list[dict[str, Any]]:
    cache_control = {"type": "ephemeral", "ttl": ttl}
    return [{"type": "text", "text": text * (4 * PREFIX_TOKENS), "cache_control": cache_control}]


def send(sim: MessageBatchService, rows: int = 1, *, workspace: str = DEFAULT_WORKSPACE, **params: Any) -> MessageBatch:
    return sim.commit(sim.prepare(body(rows, **{"system": system(), **params}), Origin(workspace, VERSIONS[0])))


def read_and_written(sim: MessageBatchService, batch: MessageBatch) -> tuple[int, int]:
    """Return how many requests of a batch read the prefix, and how many wrote it."""
    usages = [
        row.result["message"]["usage"]
        for row in result_rows(batch, seed=sim.seed, cache=sim.cache_of(batch))
        if row.result["type"] == "succeeded"
    ]
    read = [usage["cache_read_input_tokens"] for usage in usages]
    written = [usage["cache_creation_input_tokens"] for usage in usages]
    assert {*read, *written} <= {0, PREFIX_TOKENS}
    return sum(map(bool, read)), sum(map(bool, written))


def test_requests_of_a_cold_batch_do_not_read_each_other() -> None:
    sim = simulator()
    assert read_and_written(sim, send(sim, 5)) == (0, 5)


def test_a_batch_of_one_request_warms_the_next_batch() -> None:
    sim = simulator()
    first = send(sim)
    second = send(sim, 5)
    assert [read_and_written(sim, batch) for batch in (first, second)] == [(0, 1), (5, 0)]


@pytest.mark.parametrize(("ttl", "minutes"), [("5m", 5), ("1h", 60)])
def test_an_entry_lives_for_its_ttl_and_again_after_each_read(ttl: str, minutes: float) -> None:
    sim = simulator()
    send(sim, system=system(ttl))
    for wait, found in ((minutes - 1, (1, 0)), (minutes - 1, (1, 0)), (minutes, (0, 1)), (minutes - 1, (1, 0))):
        sim.clock.advance(wait * MINUTES)
        assert read_and_written(sim, send(sim, system=system(ttl))) == found


def test_a_batch_that_runs_has_left_nothing_yet() -> None:
    sim = simulator(batch_duration=600)
    batches = [send(sim), send(sim)]
    sim.clock.advance(600)
    batches.append(send(sim))
    sim.clock.advance(600)
    assert [read_and_written(sim, batch) for batch in batches] == [(0, 1), (0, 1), (1, 0)]


def test_what_a_batch_found_does_not_change_later() -> None:
    sim = simulator(batch_duration=600)
    canceled, other = send(sim, 3), send(sim)
    sim.clock.advance(300)
    sim.cancel(canceled)
    sim.clock.advance(300)
    before = read_and_written(sim, other)
    send(sim)
    sim.clock.advance(600)
    assert before == read_and_written(sim, other) == (0, 1)


@pytest.mark.parametrize(
    "other", [{"workspace": "wrkspc_other"}, {"model": "claude-opus-5-5"}, {"system": system(text="y")}]
)
def test_another_workspace_model_or_text_is_not_warm(other: dict[str, Any]) -> None:
    sim = simulator()
    send(sim)
    assert read_and_written(sim, send(sim, **other)) == (0, 1)


def test_a_deleted_batch_has_left_its_entries_all_the_same() -> None:
    sim = simulator()
    sim.delete(send(sim))
    assert read_and_written(sim, send(sim)) == (1, 0)
    sim.reset()
    assert read_and_written(sim, send(sim)) == (0, 1)


def test_rows_without_an_answer_leave_nothing() -> None:
    sim = simulator()
    refused = send(sim, max_tokens=0)
    assert [row.result["type"] for row in result_rows(refused, seed=0, cache=sim.cache_of(refused))] == ["errored"]
    assert read_and_written(sim, send(sim)) == (0, 1)


def test_the_share_of_requests_that_read_what_an_earlier_batch_left_can_be_set() -> None:
    sim = simulator(warm_cache_hit_rate=0.5)
    send(sim)
    read, written = read_and_written(sim, send(sim, 200))
    assert read + written == 200
    assert 70 < read < 130


def test_the_bill_says_what_the_results_say() -> None:
    sim = simulator()
    send(sim)
    send(sim, 5)
    tokens = sim.billing().tokens
    assert (tokens.cache_creation_input_tokens, tokens.cache_read_input_tokens) == (PREFIX_TOKENS, 5 * PREFIX_TOKENS)


def test_a_prefix_that_grows_is_read_as_far_as_it_is_known() -> None:
    sim = simulator()
    send(sim)
    longer = [*system(), *system(text="z")]
    batch = send(sim, system=longer)
    (row,) = result_rows(batch, seed=sim.seed, cache=sim.cache_of(batch))
    usage = row.result["message"]["usage"]
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (PREFIX_TOKENS, PREFIX_TOKENS)


@pytest.mark.parametrize(
    "block",
    [
        {"name": "look", "input_schema": {"type": "object", "title": "x" * 4_000}},
        {"type": "tool_result", "tool_use_id": "a", "content": "x" * 4_000},
    ],
)
def test_a_mark_is_no_part_of_the_prompt(block: dict[str, Any]) -> None:
    def params(block: dict[str, Any]) -> dict[str, Any]:
        return {"tools": [block]} if "name" in block else {"messages": [{"role": "user", "content": [block]}]}

    marked = params(block | {"cache_control": {"type": "ephemeral", "ttl": "1h"}})
    (point,) = breakpoints(marked)
    assert input_tokens(marked) == input_tokens(params(block))
    assert point.tokens == sum(found.tokens for found in prompt_blocks(params(block)))
