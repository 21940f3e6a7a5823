"""Marked requests are charged for the shared prefix, as it was counted, and for nothing else through the cache."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.prompt_cache import CacheTtl, PromptCache
from anthropic_batches_provider.batches.requests import PromptTemplate, Question, encode_ready_request
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits, body_chunks, cut_shards
from anthropic_batches_provider.batches.submission.cache_marking import MarkedRows, marked_rows
from tests.worlds.simulated_world import World

HAIKU = "claude-haiku-5-5"
LONG = "An article of a long law. " * 200
GUIDE = {"type": "text", "text": LONG + "é"}
CONTRACT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": LONG}}
TOOL = {"name": "look", "description": LONG, "input_schema": {"type": "object"}}
ROWS = 6


def asked(**fields: Any) -> Question:
    prompt = PromptTemplate("Label: {{ row.text }}", SandboxedEnvironment(), {})
    return Question(**{"prompt": prompt, "model": HAIKU, "max_tokens": 9, **fields})


def built(row: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": row["text"]}], "metadata": {"user_id": row["text"]}}


def ready(number: int) -> bytes:
    message = {"role": "user", "content": f"Label: {number}"}
    params = {"messages": [message], "max_tokens": 9 + number, "model": HAIKU, "system": LONG}
    return encode_ready_request({"custom_id": "a", "params": params}, number)[1]


QUESTIONS = {
    "a system prompt": asked(system=LONG),
    "blocks of a system prompt": asked(system=[GUIDE, GUIDE]),
    "tools": asked(params={"tools": [TOOL, TOOL | {"name": "see"}]}),
    "shared blocks": asked(shared=(CONTRACT, GUIDE), system="Be brief."),
    "a builder": Question(request_builder=built, model=HAIKU, max_tokens=9, shared=(GUIDE,)),
}
PARAMS = {
    name: [question.encode_params({"text": "x" * (n + 1)}, n) for n in range(ROWS)]
    for name, question in QUESTIONS.items()
} | {"ready requests": [ready(number) for number in range(ROWS)]}


def marked(world: World, params: list[bytes], asked: PromptCache) -> MarkedRows:
    return marked_rows((PreparedRow(n, b"{}", row) for n, row in enumerate(params)), asked, tokens=world.client)


def usages(world: World, rows: Iterable[PreparedRow | InvalidRow], folder: Path) -> list[dict[str, Any]]:
    """Send rows as one batch, and return the usage of each."""
    (shard,) = cut_shards(rows, nonce="0123456789ab", limits=ShardLimits(), folder=folder)
    with shard.requests_path.open("rb") as requests:
        batch = world.client.create(body_chunks(requests), content_length=shard.body_bytes)
    world.control.end_batches()
    with world.client.results(batch.id) as chunks:
        results = [json.loads(line) for line in b"".join(chunks).splitlines()]
    assert {result["result"]["type"] for result in results} == {"succeeded"}, results
    results.sort(key=lambda result: str(result["custom_id"]))
    return [result["result"]["message"]["usage"] for result in results]


@pytest.mark.parametrize("ttl", ["5m", "1h"])
@pytest.mark.parametrize("name", PARAMS)
def test_a_primer_writes_the_counted_prefix_and_the_others_read_it(
    world: World, tmp_path: Path, name: str, ttl: CacheTtl
) -> None:
    shared_blocks = len(QUESTIONS[name].shared) if name in QUESTIONS else 0
    found = marked(world, PARAMS[name], PromptCache(ttl=ttl, shared_blocks=shared_blocks))
    assert found.cache is not None
    prefix = found.cache.prefix_tokens
    assert prefix is not None
    assert prefix > 512
    rows = list(found.rows)
    unmarked = [PreparedRow(n, b"{}", row) for n, row in enumerate(PARAMS[name])]
    plain = [usage["input_tokens"] for usage in usages(world, unmarked, tmp_path)]
    (primer,) = usages(world, rows[:1], tmp_path)
    assert primer["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0} | {
        f"ephemeral_{ttl}_input_tokens": prefix
    }
    assert (primer["cache_read_input_tokens"], primer["input_tokens"]) == (0, plain[0] - prefix)
    others = usages(world, rows[1:], tmp_path)
    assert [usage["cache_read_input_tokens"] for usage in others] == [prefix] * (ROWS - 1)
    assert [usage["cache_creation_input_tokens"] for usage in others] == [0] * (ROWS - 1)
    assert [usage["input_tokens"] for usage in others] == [tokens - prefix for tokens in plain[1:]]


def test_a_prefix_that_the_model_does_not_cache_is_not_marked_and_would_cost_nothing_if_it_were(
    world: World, tmp_path: Path
) -> None:
    short = [asked(system="Short. " * 100).encode_params({"text": "x"}, n) for n in range(ROWS)]
    found = marked(world, short, PromptCache(ttl="1h"))
    assert found.cache is None
    rows = list(found.rows)
    assert [row.params for row in rows if isinstance(row, PreparedRow)] == short
    plain = usages(world, rows, tmp_path)
    uncounted = marked_rows(rows, PromptCache(ttl="1h"), tokens=None)
    assert uncounted.cache is not None
    assert usages(world, uncounted.rows, tmp_path) == plain
    assert all(usage["cache_creation_input_tokens"] == 0 for usage in plain)


def test_a_gateway_that_counts_no_tokens_keeps_no_row_from_being_marked(world: World, tmp_path: Path) -> None:
    world.control.add_fault("count_tokens", "status", status=404, html=True)
    found = marked(world, PARAMS["a system prompt"], PromptCache(ttl="1h"))
    assert found.cache is not None
    assert found.cache.prefix_tokens is None
    assert all(usage["cache_creation_input_tokens"] > 512 for usage in usages(world, found.rows, tmp_path))


def test_the_api_takes_what_stands_beside_own_marks(world: World, tmp_path: Path) -> None:
    own = {"cache_control": {"type": "ephemeral"}}
    turns = [{"role": "user", "content": [GUIDE | own] * 2}]
    params = {"tools": [TOOL | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}], "system": LONG}
    question = Question(request_builder=lambda row: {**params, "messages": turns}, model=HAIKU, max_tokens=9)
    found = marked(world, [question.encode_params({}, n) for n in range(ROWS)], PromptCache(ttl="1h"))
    assert len(usages(world, found.rows, tmp_path)) == ROWS
