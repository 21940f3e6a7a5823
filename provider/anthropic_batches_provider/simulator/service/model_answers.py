"""The answers of the simulated model: text, or JSON for a schema; they depend on the seed and the params alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.service.answer_texts import beginning_of, cut_off, fenced, prefaced, rest_of
from anthropic_batches_provider.simulator.service.identifiers import digest_number, make_id
from anthropic_batches_provider.simulator.service.outcomes import Outcome
from anthropic_batches_provider.simulator.service.prompt_contents import (
    CHARACTERS_PER_TOKEN,
    Params,
    begun_answer,
    question,
    text_tokens,
)
from anthropic_batches_provider.simulator.service.schema_answers import SchemaAnswer
from anthropic_batches_provider.simulator.service.schema_violations import refused_value

LONGEST_ECHO = 280
REFUSAL_CATEGORY = "general_harms"

_ORDINARY = Outcome("succeeded")
_STOP_REASONS = {
    "max_tokens": "max_tokens",
    "context_window": "model_context_window_exceeded",
    "pause_turn": "pause_turn",
}
_FORMS: dict[str, Callable[[str], str]] = {"fenced": fenced, "preface": prefaced}


@dataclass(frozen=True)
class PromptUsage:
    """How the tokens of a prompt were charged."""

    input_tokens: int
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0


@dataclass(frozen=True)
class Served:
    """The identity of an answer: the simulator's seed, the message id and the service tier.

    :param seed: of the simulator.
    :param message_id: of the answer.
    :param service_tier: ``batch`` or ``standard``.
    """

    seed: int
    message_id: str
    service_tier: str = "batch"


@dataclass
class _Content:
    blocks: list[dict[str, Any]]
    stop_reason: str
    stop_details: dict[str, Any] | None = None
    thinking_tokens: int = 0
    reported_tokens: int | None = None

    @property
    def output_tokens(self) -> int:
        if self.reported_tokens is not None:
            return self.reported_tokens
        return self.thinking_tokens + sum(text_tokens(_text_of(block)) for block in self.blocks)


def _text_of(block: dict[str, Any]) -> str:
    if block["type"] == "tool_use":
        return msgspec.json.encode(block["input"]).decode()
    return str(block.get("text", ""))


def make_message(params: Params, outcome: Outcome | None, prompt: PromptUsage, served: Served) -> dict[str, Any]:
    """Make the API's Message for ``params``, which must be valid.

    :param outcome: the outcome that a rule demands; None for an ordinary answer.
    """
    content = _content(params, outcome or _ORDINARY, served.seed)
    if outcome is not None and outcome.output_tokens is not None:
        content.reported_tokens = outcome.output_tokens
    return {
        "id": served.message_id,
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": content.blocks,
        "stop_reason": content.stop_reason,
        "stop_sequence": None,
        "stop_details": content.stop_details,
        "usage": _usage(params, content, prompt, served.service_tier),
    }


def _usage(params: Params, content: _Content, prompt: PromptUsage, service_tier: str) -> dict[str, Any]:
    output_tokens = max(1, min(content.output_tokens, params["max_tokens"]))
    if content.stop_reason == "max_tokens":
        output_tokens = params["max_tokens"]
    usage: dict[str, Any] = {
        "input_tokens": prompt.input_tokens,
        "cache_creation_input_tokens": prompt.cache_write_5m + prompt.cache_write_1h,
        "cache_read_input_tokens": prompt.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": prompt.cache_write_5m,
            "ephemeral_1h_input_tokens": prompt.cache_write_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": service_tier,
        "inference_geo": params.get("inference_geo") or "global",
    }
    if content.thinking_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": min(content.thinking_tokens, output_tokens)}
    return usage


def _content(params: Params, outcome: Outcome, seed: int) -> _Content:
    if outcome.result == "refusal":
        return _refusal(outcome)
    calls_tool = outcome.text is None and _forced_tool(params) is not None
    content = _tool_call(params, seed) if calls_tool else _text(params, outcome, seed)
    if outcome.result == "thinking" or _thinks(params):
        _think_first(content, params, seed)
    content.stop_reason = _STOP_REASONS.get(outcome.result, content.stop_reason)
    return content


def _refusal(outcome: Outcome) -> _Content:
    details = {
        "type": "refusal",
        "category": outcome.category or REFUSAL_CATEGORY,
        "explanation": "This request was declined by the simulator.",
    }
    return _Content([_text_block(outcome.text or "I can't help with that request.")], "refusal", details)


def _text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _text(params: Params, outcome: Outcome, seed: int) -> _Content:
    whole = _whole_text(params, outcome, seed)
    text = rest_of(whole, begun_answer(params))
    if outcome.result in ("max_tokens", "context_window"):
        text = cut_off(text, never_json=_schema(params) is not None)
    elif outcome.result == "pause_turn":
        text = beginning_of(text)
    # An answer of which nothing is left has no blocks: the service returns no empty ones.
    return _Content([_text_block(text)] if text or not whole else [], "end_turn")


def _whole_text(params: Params, outcome: Outcome, seed: int) -> str:
    """Return the text that all turns of the answer have together."""
    schema = _schema(params)
    if outcome.text is not None:
        text = outcome.text
    elif schema is None:
        return _echo(params, seed)
    else:
        text = _json_for(schema, params, seed, fits=outcome.result != "invalid_output")
    form = _FORMS.get(outcome.result)
    return text if form is None else form(text)


def _echo(params: Params, seed: int) -> str:
    """Return a short answer that quotes the question, so that a reader can match it to its row; it fits max_tokens."""
    asked = question(params)
    mark = digest_number(seed, params["model"], asked, size=4)
    text = f"Simulated answer {mark:08x} to: {asked[:LONGEST_ECHO]}"
    return text[: params["max_tokens"] * CHARACTERS_PER_TOKEN].rstrip() or "."


def _schema(params: Params) -> dict[str, Any] | None:
    config = params.get("output_config")
    format_ = config.get("format") if isinstance(config, dict) else None
    if isinstance(format_, dict) and format_.get("type") == "json_schema" and isinstance(format_.get("schema"), dict):
        schema: dict[str, Any] = format_["schema"]
        return schema
    return None


def _json_for(schema: dict[str, Any], params: Params, seed: int, *, fits: bool) -> str:
    try:
        value = _value_for(schema, params, seed)
        if not fits:
            value = refused_value(schema, value, seed=digest_number(seed, "invalid_output", question(params)))
        return msgspec.json.encode(value).decode()
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        return f"The simulator has no answer to this schema: {error}"


def _value_for(schema: dict[str, Any], params: Params, seed: int) -> Any:
    asked = question(params)
    return SchemaAnswer(schema, words=asked[:LONGEST_ECHO], seed=digest_number(seed, asked)).value()


def _forced_tool(params: Params) -> dict[str, Any] | None:
    choice, tools = params.get("tool_choice"), params.get("tools")
    if not isinstance(choice, dict) or not isinstance(tools, list):
        return None
    usable = [tool for tool in tools if isinstance(tool, dict) and isinstance(tool.get("input_schema"), dict)]
    if choice.get("type") == "tool":
        usable = [tool for tool in usable if tool.get("name") == choice.get("name")]
    elif choice.get("type") != "any":
        return None
    return usable[0] if usable else None


def _tool_call(params: Params, seed: int) -> _Content:
    tool = _forced_tool(params) or {}
    try:
        value = _value_for(tool["input_schema"], params, seed)
    except (ValueError, LookupError, TypeError, RecursionError):
        value = {}
    name = tool.get("name")
    block = {"type": "tool_use", "id": make_id("toolu_", seed, question(params)), "name": name, "input": value}
    return _Content([block], "tool_use")


def _thinks(params: Params) -> bool:
    thinking = params.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive", "between_tools")


def _think_first(content: _Content, params: Params, seed: int) -> None:
    thought = f"The question is: {question(params)[:LONGEST_ECHO]}"
    signature = f"{digest_number(seed, thought, size=24):048x}"
    content.blocks.insert(0, {"type": "thinking", "thinking": thought, "signature": signature})
    content.thinking_tokens = text_tokens(thought)
