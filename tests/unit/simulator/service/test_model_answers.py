import json
from typing import Any

import jsonschema
import pytest

from anthropic_batches_provider.simulator.service.model_answers import PromptUsage, Served, make_message
from anthropic_batches_provider.simulator.service.outcomes import Outcome

SERVED = Served(1, "msg_1")
PARAMS: dict[str, Any] = {
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
        ("invalid_output", "end_turn"),
        ("fenced", "end_turn"),
        ("preface", "end_turn"),
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


def test_a_rule_can_give_the_tokens_that_are_reported() -> None:
    said = message(Outcome("succeeded", output_tokens=33))
    assert said["usage"]["output_tokens"] == 33
    assert said["content"] == message()["content"]
    thinks = message(Outcome("succeeded", output_tokens=3), thinking={"type": "adaptive"})["usage"]
    assert (thinks["output_tokens"], thinks["output_tokens_details"]) == (3, {"thinking_tokens": 3})


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


SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["a", "b"]}, "size": {"type": "integer"}, "text": {"type": "string"}},
    "required": ["label", "size", "text"],
    "additionalProperties": False,
}
FORMAT: Any = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}


def text_of(said: Any) -> str:
    return "".join(block["text"] for block in said["content"] if block["type"] == "text")


def format_of(schema: Any) -> Any:
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def asking(text: str, *answers: Any) -> Any:
    turns = [{"role": "assistant", "content": answer} for answer in answers]
    return {"messages": [{"role": "user", "content": text}, *turns]}


def test_invalid_output_is_json_that_the_schema_refuses() -> None:
    values = [json.loads(text_of(message(Outcome("invalid_output"), **FORMAT, **asking(f"q {n}")))) for n in range(40)]
    assert not any(jsonschema.Draft202012Validator(SCHEMA).is_valid(value) for value in values)
    assert len({json.dumps(value) for value in values}) > 10
    assert message(Outcome("invalid_output"), **FORMAT) == message(Outcome("invalid_output"), **FORMAT)


def test_a_schema_that_takes_any_json_gets_an_answer_that_is_none() -> None:
    text = text_of(message(Outcome("invalid_output"), **format_of({})))
    assert text == "The simulator has no answer to this schema: the schema takes any JSON"


def test_a_fence_and_a_preface_hold_the_valid_answer() -> None:
    valid = text_of(message(**FORMAT))
    jsonschema.validate(json.loads(valid), SCHEMA)
    assert text_of(message(Outcome("fenced"), **FORMAT)) == f"```json\n{valid}\n```"
    sentence, blank, rest = text_of(message(Outcome("preface"), **FORMAT)).split("\n")
    assert (sentence != "", blank, rest) == (True, "", valid)


@pytest.mark.parametrize("result", ["invalid_output", "fenced", "preface"])
def test_without_a_schema_a_row_is_answered_as_usual(result: Any) -> None:
    assert message(Outcome(result)) == message()


def test_a_text_of_the_rule_is_fenced_with_a_schema_or_without() -> None:
    both: tuple[Any, Any] = ({}, FORMAT)
    for params in both:
        assert text_of(message(Outcome("fenced", text="{}"), **params)) == "```json\n{}\n```"
        assert text_of(message(Outcome("preface", text="{}"), **params)).endswith("\n\n{}")


@pytest.mark.parametrize("result", ["max_tokens", "context_window"])
@pytest.mark.parametrize(
    "schema", [SCHEMA, {"type": "integer"}, {"const": 7}, {"type": "number"}, {"type": "string"}, {"type": "boolean"}]
)
def test_json_that_is_cut_off_is_no_json(result: Any, schema: Any) -> None:
    for number in range(10):
        params = format_of(schema) | asking(f"q {number}")
        cut = text_of(message(Outcome(result), **params))
        assert text_of(message(**params)).startswith(cut)
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid|Extra"):
            json.loads(cut)


def test_an_answer_of_which_nothing_is_left_has_no_content_and_is_billed() -> None:
    said = message(Outcome("max_tokens"), **format_of({"const": 7}))
    assert (said["content"], said["stop_reason"], said["usage"]["output_tokens"]) == ([], "max_tokens", 64)


def test_a_refusal_is_one_with_a_schema_too() -> None:
    said = message(Outcome("refusal"), **FORMAT)
    assert (said["stop_reason"], text_of(said)) == ("refusal", "I can't help with that request.")


@pytest.mark.parametrize("params", [{}, FORMAT, {"thinking": {"type": "adaptive"}}], ids=["text", "json", "thinking"])
def test_a_paused_turn_that_is_sent_back_is_continued_to_the_whole_answer(params: Any) -> None:
    whole = message(**params, **asking("Who are you?"))
    begun = message(Outcome("pause_turn"), **params, **asking("Who are you?"))
    continued = message(**params, **asking("Who are you?", begun["content"]))
    assert continued["stop_reason"] == "end_turn"
    assert text_of(begun) + text_of(continued) == text_of(whole)
    assert "" not in (text_of(begun), text_of(continued))
    as_text = message(**params, **asking("Who are you?", text_of(begun)))
    assert as_text["content"] == continued["content"]


def test_a_turn_can_be_paused_again_and_again() -> None:
    turns: list[Any] = []
    for _ in range(3):
        turns.append(message(Outcome("pause_turn"), **FORMAT, **asking("Why?", *turns))["content"])
    turns.append(message(**FORMAT, **asking("Why?", *turns))["content"])
    together = "".join(block["text"] for turn in turns for block in turn)
    assert together == text_of(message(**FORMAT, **asking("Why?")))


def test_json_is_continued_with_more_tokens_and_by_another_model() -> None:
    begun = message(Outcome("pause_turn"), **FORMAT)
    params = FORMAT | {"max_tokens": 4096, "model": "claude-sonnet-4-5"}
    turns = [*PARAMS["messages"], {"role": "assistant", "content": begun["content"]}]
    assert text_of(begun) + text_of(message(**params, messages=turns)) == text_of(message(**FORMAT))


def test_what_the_simulator_did_not_begin_is_answered_as_a_whole() -> None:
    assert text_of(message(**FORMAT, **asking("Why?", "Because"))) == text_of(message(**FORMAT, **asking("Why?")))


def test_a_beginning_that_was_the_whole_leaves_an_empty_rest() -> None:
    params = format_of({"const": 7})
    begun = message(Outcome("pause_turn"), **params, **asking("Why?"))
    assert text_of(begun) == "7"
    assert message(**params, **asking("Why?", begun["content"]))["content"] == []


def test_an_earlier_answer_in_a_conversation_is_not_continued() -> None:
    begun = text_of(message(**asking("Why?")))[:10]
    turns: list[Any] = [*asking("Why?", begun)["messages"], {"role": "user", "content": "Why?"}]
    assert text_of(message(messages=turns)) == text_of(message(**asking("Why?")))
