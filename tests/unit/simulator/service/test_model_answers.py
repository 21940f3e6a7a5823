import json
from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.model_answers import PromptUsage, Served, make_message
from anthropic_batches_provider.simulator.service.outcomes import Outcome

SERVED = Served(1, "msg_1")
PARAMS = {
    "model": "claude-haiku-4-5",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Who are\u2028you?"}],
}


def message(outcome: Any = None, **params: Any) -> Any:
    return make_message(PARAMS | params, outcome, PromptUsage(10), SERVED)


def test_an_answer_echoes_the_question_and_fits_into_max_tokens() -> None:
    assert message()["content"][0]["text"].endswith("to: Who are\u2028you?")
    short = message(max_tokens=2)
    assert len(short["content"][0]["text"]) <= 8
    assert (short["stop_reason"], short["usage"]["output_tokens"]) == ("end_turn", 2)


def test_an_answer_depends_on_seed_and_params_alone() -> None:
    assert message() == message()
    assert message()["content"] != make_message(PARAMS, None, PromptUsage(10), Served(2, "msg_1"))["content"]


@pytest.mark.parametrize(
    ("result", "stop_reason"),
    [
        ("refusal", "refusal"),
        ("max_tokens", "max_tokens"),
        ("context_window", "model_context_window_exceeded"),
        ("pause_turn", "pause_turn"),
        ("thinking", "end_turn"),
    ],
)
def test_a_rule_decides_how_an_answer_stops(result: Any, stop_reason: str) -> None:
    assert message(Outcome(result))["stop_reason"] == stop_reason


def test_a_refusal_says_of_what_kind() -> None:
    assert message(Outcome("refusal", category="cyber"))["stop_details"]["category"] == "cyber"


@pytest.mark.parametrize("said", [message(Outcome("thinking")), message(thinking={"type": "adaptive"})])
def test_thinking_comes_first(said: Any) -> None:
    assert [block["type"] for block in said["content"]] == ["thinking", "text"]
    assert said["usage"]["output_tokens_details"]["thinking_tokens"] > 0


def test_a_rule_can_give_the_text() -> None:
    assert message(Outcome("succeeded", text='{"a":'))["content"] == [{"type": "text", "text": '{"a":'}]


def test_a_schema_gets_json_and_a_forced_tool_is_called() -> None:
    schema = {"type": "object", "properties": {"label": {"enum": ["a", "b"]}}, "required": ["label"]}
    said = message(output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(said["content"][0]["text"])["label"] in ("a", "b")
    tool = {"name": "mark", "input_schema": schema}
    called = message(tools=[tool], tool_choice={"type": "tool", "name": "mark"})
    assert called["stop_reason"] == "tool_use"
    assert called["content"][0]["input"]["label"] in ("a", "b")


def test_a_schema_that_is_not_understood_is_said_so() -> None:
    schema = {"type": "string", "pattern": "^(?=a)a$"}
    said = message(output_config={"format": {"type": "json_schema", "schema": schema}})
    assert said["content"][0]["text"].startswith("The simulator has no answer to this schema: cannot make a text")
