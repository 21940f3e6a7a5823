"""The answers of the simulated model: text, or JSON for a schema; they depend on the seed and the params alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from anthropic_batches_provider.simulator.service.identifiers import digest_number, make_id
from anthropic_batches_provider.simulator.service.outcomes import Outcome
from anthropic_batches_provider.simulator.service.prompt_contents import (
    CHARACTERS_PER_TOKEN,
    Params,
    question,
    text_tokens,
)
from anthropic_batches_provider.simulator.service.schema_answers import SchemaAnswer

LONGEST_ECHO = 280
REFUSAL_CATEGORY = "general_harms"


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

    @property
    def output_tokens(self) -> int:
        return self.thinking_tokens + sum(text_tokens(_text_of(block)) for block in self.blocks)


def _text_of(block: dict[str, Any]) -> str:
    if block["type"] == "tool_use":
        return msgspec.json.encode(block["input"]).decode()
    return str(block.get("text", ""))


def make_message(params: Params, outcome: Outcome | None, prompt: PromptUsage, served: Served) -> dict[str, Any]:
    """Make the API's Message for ``params``, which must be valid.

    :param outcome: the outcome that a rule demands; None for an ordinary answer.
    """
    content = _content(params, outcome, served.seed)
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
        usage["output_tokens_details"] = {"thinking_tokens": content.thinking_tokens}
    return usage


def _content(params: Params, outcome: Outcome | None, seed: int) -> _Content:
    result = outcome.result if outcome is not None else "succeeded"
    if result == "refusal":
        return _refusal(outcome)
    text = outcome.text if outcome is not None else None
    content = _tool_call(params, seed) if text is None and _forced_tool(params) else _text(params, text, seed)
    if result == "thinking" or _thinks(params):
        _think_first(content, params, seed)
    if result in ("max_tokens", "context_window"):
        _truncate(content)
        content.stop_reason = "max_tokens" if result == "max_tokens" else "model_context_window_exceeded"
    elif result == "pause_turn":
        content.stop_reason = "pause_turn"
    return content


def _refusal(outcome: Outcome | None) -> _Content:
    category = outcome.category if outcome is not None and outcome.category else REFUSAL_CATEGORY
    text = (outcome.text if outcome is not None else None) or "I can't help with that request."
    details = {"type": "refusal", "category": category, "explanation": "This request was declined by the simulator."}
    return _Content([{"type": "text", "text": text}], "refusal", details)


def _text(params: Params, text: str | None, seed: int) -> _Content:
    if text is None:
        schema = _schema(params)
        text = _echo(params, seed) if schema is None else _json_for(schema, params, seed)
    return _Content([{"type": "text", "text": text}], "end_turn")


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


def _json_for(schema: dict[str, Any], params: Params, seed: int) -> str:
    try:
        return msgspec.json.encode(_value_for(schema, params, seed)).decode()
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


def _truncate(content: _Content) -> None:
    for block in content.blocks:
        if block["type"] == "text":
            block["text"] = block["text"][: max(1, len(block["text"]) // 2)]
