"""Twenty ways to be wrong: each is known after the pilot, nothing else is sent, and the corrected task succeeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.errors import PilotFailedError
from tests.worlds.one_task_job import Arguments, OneTask
from tests.worlds.simulated_world import World

ROWS, PILOT = 40, 5


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A mistake in every request.

    :param says: a part of the message of the error.
    :param params: the wrong Messages params.
    :param rule: of the simulator, for a mistake that shows in the answers.
    :param output_schema: what no answer fits.
    """

    says: str
    params: Mapping[str, Any] = field(default_factory=dict)
    rule: Mapping[str, Any] | None = None
    output_schema: dict[str, Any] | None = None


def schema(**properties: Any) -> dict[str, Any]:
    """Return params that ask for JSON of a schema."""
    asked = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"output_config": {"format": {"type": "json_schema", "schema": asked}}}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "bm8gaW1hZ2U="}}
BREAKPOINT = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
IMPOSSIBLE = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": False}

REFUSED = {
    "a temperature": Mistake(params={"temperature": 0.5}, says="temperature"),
    "a top_k": Mistake(params={"top_k": 5}, says="top_k"),
    "more tokens than the model has": Mistake(params={"max_tokens": 10_000_000}, says="max_tokens: 10000000 > "),
    "no token": Mistake(params={"max_tokens": 0}, says="max_tokens: must be greater"),
    "a stream": Mistake(params={"stream": True}, says="stream"),
    "a fast batch": Mistake(params={"speed": "fast"}, says="speed"),
    "thinking that the model does not take": Mistake(params={"thinking": {"type": "adaptive"}}, says="thinking"),
    "an effort that the model does not take": Mistake(params={"output_config": {"effort": "low"}}, says="effort"),
    "a region for an older model": Mistake(params={"inference_geo": "us"}, says="inference_geo"),
    "thinking with a forced tool": Mistake(
        params={"thinking": {"type": "enabled", "budget_tokens": 1024}, "tool_choice": {"type": "any"}},
        says="Thinking may not be enabled",
    ),
    "five breakpoints": Mistake(params={"system": [BREAKPOINT] * 5}, says="maximum of 4 blocks"),
    "a form that is no schema": Mistake(
        params={"output_config": {"format": {"type": "json"}}}, says="Input should be 'json_schema'"
    ),
    "a form without its schema": Mistake(
        params={"output_config": {"format": {"type": "json_schema"}}}, says="schema: Field required"
    ),
    "a keyword that schemas may not have": Mistake(params=schema(a={"type": "integer", "minimum": 1}), says="minimum"),
    "an unknown model": Mistake(params={"model": "claude-haiku-9"}, says="not_found_error: model: claude-haiku-9"),
    "a retired model": Mistake(params={"model": "claude-3-haiku-20240307"}, says="not_found_error: model: claude-3"),
    "no message": Mistake(params={"messages": []}, says="at least one message is required"),
    "an empty prompt": Mistake(params={"messages": [{"role": "user", "content": ""}]}, says="non-empty content"),
    "an unknown role": Mistake(params={"messages": [{"role": "human", "content": "x"}]}, says="role"),
    "an image that is none": Mistake(params={"messages": [{"role": "user", "content": [IMAGE]}]}, says="image"),
}
UNUSABLE = {
    "too few tokens": Mistake(rule={"result": "max_tokens", "max_tokens_below": 100}, says="5 truncated"),
    "a prompt that the model declines": Mistake(rule={"result": "refusal", "contains": "harm"}, says="5 refusal"),
    "a schema that no answer fits": Mistake(output_schema=IMPOSSIBLE, says="5 invalid_output"),
}


def right(number: int) -> dict[str, Any]:
    """Return params with which a row is answered."""
    return {
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": f"question {number}"}],
    }


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    world.control.change_settings(batch_duration=600.0)
    return OneTask(world, tmp_path, Arguments(rows=ROWS, rows_per_shard=ROWS, pilot=PILOT))


def sent(task: OneTask) -> list[int]:
    return [batch.request_counts.total for batch in task.world.client.list()][::-1]


def test_there_are_twenty_ways() -> None:
    assert len(REFUSED) + len(UNUSABLE) >= 20


@pytest.mark.parametrize("mistake", REFUSED.values(), ids=REFUSED)
def test_what_the_api_refuses_is_known_after_the_pilot_for_nothing(task: OneTask, mistake: Mistake) -> None:
    with pytest.raises(PilotFailedError, match="refused 5 of 5 requests") as failed:
        task.finish(params_of=lambda number: {**right(number), **mistake.params})
    assert mistake.says in str(failed.value)
    assert "Nothing was billed" in str(failed.value)
    assert sent(task) == [PILOT]
    assert task.world.control.billing().rows_billed == 0
    manifest = task.finish(params_of=right, question="corrected")
    assert manifest.counts.succeeded == ROWS
    assert sent(task) == [PILOT, PILOT, ROWS - PILOT]
    task.world.check_each_row_billed_once(ROWS)


@pytest.mark.parametrize("mistake", UNUSABLE.values(), ids=UNUSABLE)
def test_what_makes_answers_unusable_costs_the_answers_of_the_pilot_alone(task: OneTask, mistake: Mistake) -> None:
    if mistake.rule is not None:
        task.world.control.add_outcome(**mistake.rule)

    def wrong(number: int) -> dict[str, Any]:
        return {**right(number), "max_tokens": 99, "messages": [{"role": "user", "content": f"harm {number}"}]}

    judged_by = None if mistake.output_schema is None else OutputSchema(mistake.output_schema)
    with pytest.raises(PilotFailedError, match=mistake.says) as failed:
        task.finish(params_of=wrong, output_schema=judged_by)
    assert "5 answers of the pilot were billed" in str(failed.value)
    assert sent(task) == [PILOT]
    assert task.world.control.billing().rows_billed == PILOT
    manifest = task.finish(
        params_of=right, output_schema=None, question="corrected", on_changed_input="restart", max_failed_rows=0
    )
    assert manifest.verdicts == {"fits": ROWS}
    assert sent(task) == [PILOT, PILOT, ROWS - PILOT]
    assert task.world.control.billing().rows_billed == PILOT + ROWS
