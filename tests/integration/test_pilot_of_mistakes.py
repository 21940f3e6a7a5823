"""Twenty ways to be wrong: each is known after the pilot, nothing else is sent, and the corrected task succeeds.

With a prompt cache, what the API refuses is known after one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.errors import ConfigurationError, PilotFailedError
from tests.worlds.one_task_job import Arguments, OneTask
from tests.worlds.simulated_world import World

ROWS, PILOT = 40, 5
SPARE_PRIMERS = 2
SHARED = "The guide says: be brief. " * 1_600


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


# ------------------------------------------------------------------------------------------------ with a prompt cache


def primed(number: int) -> dict[str, Any]:
    """Return params with which a row is answered, with a text before it that all rows share."""
    return {"system": SHARED, **right(number)}


def cache_written(task: OneTask) -> float:
    """Return how often the shared text was written to the cache."""
    task.world.control.end_batches()
    bill = task.world.control.billing()
    read = bill.tokens.cache_read_input_tokens
    written = bill.tokens.cache_creation_input_tokens
    return written / ((read + written) / bill.rows_billed)


FIVE_BREAKPOINTS = "five breakpoints"
REST = ROWS - 1 - SPARE_PRIMERS


@pytest.mark.parametrize(
    "mistake", [each for name, each in REFUSED.items() if name != FIVE_BREAKPOINTS],
    ids=[name for name in REFUSED if name != FIVE_BREAKPOINTS],
)  # fmt: skip
def test_with_a_prompt_cache_what_the_api_refuses_is_known_after_one_row(task: OneTask, mistake: Mistake) -> None:
    with pytest.raises(PilotFailedError, match="refused 1 of 1 request as they are") as failed:
        task.finish(params_of=lambda number: {**primed(number), **mistake.params}, pilot="auto", prompt_cache="1h")
    assert mistake.says in str(failed.value)
    assert "Nothing was billed" in str(failed.value)
    assert sent(task) == [1]
    assert task.world.control.billing().rows_billed == 0
    manifest = task.finish(params_of=primed, question="corrected")
    assert manifest.counts.succeeded == ROWS
    assert sent(task) == [1, 1, REST, *[1] * SPARE_PRIMERS]
    task.world.check_each_row_billed_once(ROWS)
    assert cache_written(task) == 1


@pytest.mark.parametrize("pilot", ["auto", PILOT])
def test_with_a_prompt_cache_more_breakpoints_than_there_may_be_are_known_before_anything_is_sent(
    task: OneTask, pilot: Any
) -> None:
    mistake = REFUSED[FIVE_BREAKPOINTS]
    with pytest.raises(ConfigurationError, match="cache_control"):
        task.finish(params_of=lambda number: {**primed(number), **mistake.params}, pilot=pilot, prompt_cache="5m")
    assert sent(task) == []
    manifest = task.finish(params_of=primed, question="corrected")
    assert manifest.counts.succeeded == ROWS
    task.world.check_each_row_billed_once(ROWS)


@pytest.mark.parametrize("mistake", UNUSABLE.values(), ids=UNUSABLE)
def test_with_a_prompt_cache_and_a_number_one_row_goes_and_then_these_and_no_other(
    task: OneTask, mistake: Mistake
) -> None:
    if mistake.rule is not None:
        task.world.control.add_outcome(**mistake.rule)

    def wrong(number: int) -> dict[str, Any]:
        return {**primed(number), "max_tokens": 99, "messages": [{"role": "user", "content": f"harm {number}"}]}

    judged_by = None if mistake.output_schema is None else OutputSchema(mistake.output_schema)
    with pytest.raises(PilotFailedError, match=mistake.says) as failed:
        task.finish(params_of=wrong, output_schema=judged_by, prompt_cache="1h")
    assert "5 answers of the pilot were billed" in str(failed.value)
    assert sent(task) == [1, PILOT]
    assert task.world.control.billing().rows_billed == 1 + PILOT
    manifest = task.finish(params_of=primed, output_schema=None, question="corrected", on_changed_input="restart")
    assert manifest.verdicts == {"fits": ROWS}
    assert sent(task) == [1, PILOT, 1, PILOT, REST - PILOT, *[1] * SPARE_PRIMERS]
    assert task.world.control.billing().rows_billed == 1 + PILOT + ROWS


@pytest.mark.parametrize("mistake", UNUSABLE.values(), ids=UNUSABLE)
def test_with_a_prompt_cache_one_answer_that_cannot_be_used_is_a_warning(
    task: OneTask, mistake: Mistake, caplog: pytest.LogCaptureFixture
) -> None:
    """A single answer may be cut by chance: only five say something of the rest."""
    if mistake.rule is not None:
        task.world.control.add_outcome(**mistake.rule, times=1)

    def wrong(number: int) -> dict[str, Any]:
        return {**primed(number), "max_tokens": 99, "messages": [{"role": "user", "content": f"harm {number}"}]}

    judged_by = None if mistake.output_schema is None else OutputSchema(mistake.output_schema)
    task.finish(params_of=wrong, output_schema=judged_by, pilot="auto", prompt_cache="1h", max_failed_rows=ROWS)
    assert sent(task) == [1, REST, *[1] * SPARE_PRIMERS]
    assert f"Not all of the pilot's rows can be used: {mistake.says.replace('5', '1')}" in caplog.text
    task.world.check_each_row_billed_once(ROWS)
