from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.params_validation import Circumstances, find_fault

NOW = 1_795_000_000
BATCHED = Circumstances("2026-10-21", frozenset(), NOW)
OLD_VERSION = Circumstances("2023-06-01", frozenset(), NOW)
EXTENDED = Circumstances("2026-10-21", frozenset({"output-300k-2026-03-24"}), NOW)
FINE = {"model": "claude-haiku-4-5-20251001", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"messages": None}, "messages: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"stream": True}, '"stream=True" is not supported in the Message Batches API'),
        ({"max_tokens": 0}, "max_tokens: must be greater than or equal to 1"),
        (
            {"max_tokens": 9999999},
            (
                "max_tokens: 9999999 > 64000, which is the maximum allowed number of output tokens for "
                "claude-haiku-4-5-20251001"
            ),
        ),
        ({"max_tokens": "64"}, "max_tokens: Input should be a valid integer"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"temperature": 0.5}, "temperature: Extra inputs are not permitted"),
        ({"top_k": 5}, "top_k: Extra inputs are not permitted"),
        ({"speed": "fast"}, '"speed" is not supported in the Message Batches API'),
        (
            {"model": "claude-opus-5", "thinking": {"type": "enabled", "budget_tokens": 2000}},
            (
                '"thinking.type.enabled" is not supported for this model. '
                'Use "thinking.type.adaptive" and "output_config.effort"'
            ),
        ),
        (
            {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5},
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ttl: Input should be '5m' or '1h'"),
        (
            {"tools": [{"name": "a", "cache_control": {"type": "forever"}}]},
            "cache_control: Input should be an object of the type 'ephemeral'",
        ),
        (
            {"system": [{"type": "text", "text": "x", "cache_control": "1h"}]},
            "cache_control: Input should be an object of the type 'ephemeral'",
        ),
        (
            {
                "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            },
            "A ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
        ),
    ],
)
def test_a_fault_is_told_in_the_services_words(change: Any, says: str) -> None:
    params = {name: value for name, value in (FINE | change).items() if value is not None}
    fault = find_fault(params, BATCHED)
    assert fault is not None
    assert (fault.error_type, fault.message) == ("invalid_request_error", says)


def test_no_mark_and_shorter_lives_after_longer_ones_are_fine() -> None:
    marks = [None, {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "5m"}]
    system = [{"type": "text", "text": "x", "cache_control": mark} for mark in marks]
    assert find_fault(FINE | {"system": system, "cache_control": {"type": "ephemeral"}}, BATCHED) is None


@pytest.mark.parametrize("model", ["claude-nope", "claude-3-5-sonnet-20241022"])
def test_an_unknown_or_retired_model_is_not_found(model: str) -> None:
    fault = find_fault(FINE | {"model": model}, BATCHED)
    assert fault is not None
    assert (fault.error_type, fault.message) == ("not_found_error", f"model: {model}")


def test_a_model_is_served_until_its_day() -> None:
    params = FINE | {"model": "claude-3-5-sonnet-20241022"}
    assert find_fault(params, Circumstances("2023-06-01", frozenset(), 1_736_640_000)) is None


def test_sampling_is_allowed_under_the_old_version() -> None:
    assert find_fault(FINE | {"temperature": 0.5}, OLD_VERSION) is None


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
NO_ENABLED = (
    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort"'
)
NO_FORCED_TOOLS = 'tool_choice: type "tool" and "any" are not supported for this model.'
NO_EFFORT = "This model does not support the effort parameter."
NO_ADAPTIVE = "adaptive thinking is not supported on this model"
TOLD: list[tuple[str, dict[str, Any], str]] = [
    ("claude-opus-4-7", {"temperature": 1}, "`temperature` is deprecated for this model."),
    ("claude-haiku-5-5", {"top_k": 5}, "`top_k` is deprecated for this model."),
    ("claude-sonnet-5", {"top_p": 0.9}, "`top_p` is deprecated for this model."),
    ("claude-opus-4-7", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, NO_ENABLED),
    ("claude-fable-5", {"thinking": {"type": "disabled"}}, '"thinking.type.disabled" is not supported for this model.'),
    (
        "claude-opus-5-5",
        {"thinking": {"type": "disabled"}},
        '"thinking.type.disabled" is not supported for this model.',
    ),
    ("claude-haiku-4-5", {"thinking": {"type": "adaptive"}}, NO_ADAPTIVE),
    ("claude-opus-4-5", {"thinking": {"type": "adaptive"}}, NO_ADAPTIVE),
    ("claude-opus-5-5", {"tool_choice": {"type": "any"}}, NO_FORCED_TOOLS),
    ("claude-sonnet-5-5", {"tool_choice": {"type": "tool", "name": "x"}}, NO_FORCED_TOOLS),
    ("claude-fable-5-1", {"tool_choice": {"type": "any"}}, NO_FORCED_TOOLS),
    ("claude-fable-5-2", {"tool_choice": {"type": "any"}}, NO_FORCED_TOOLS),
    (
        "claude-opus-5",
        {"tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    ("claude-haiku-4-5", {"output_config": {"effort": "low"}}, NO_EFFORT),
    ("claude-sonnet-4-5", {"output_config": {"effort": "low"}}, NO_EFFORT),
    (
        "claude-opus-5",
        {"output_config": {"effort": "huge"}},
        "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
    ),
    ("claude-opus-4-5", {"inference_geo": "us"}, "inference_geo is not supported for this model"),
    ("claude-haiku-4-5", {"inference_geo": "global"}, "inference_geo is not supported for this model"),
    ("claude-opus-5", {"inference_geo": "eu"}, "inference_geo: Input should be 'us' or 'global'"),
    (
        "claude-opus-5",
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
    ),
    (
        "claude-opus-5",
        {"output_config": {"format": {"type": "json_schema"}}},
        "output_config.format.schema: Field required",
    ),
    (
        "claude-opus-5",
        {"output_config": {"format": {"type": "json", "schema": SCHEMA}}},
        "output_config.format.type: Input should be 'json_schema'",
    ),
]


@pytest.mark.parametrize(("model", "change", "says"), TOLD)
def test_a_parameter_that_a_model_does_not_take_is_refused(model: str, change: Any, says: str) -> None:
    fault = find_fault(FINE | {"model": model} | change, OLD_VERSION)
    assert fault is not None
    assert (fault.error_type, fault.message) == ("invalid_request_error", says)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        ("claude-opus-4-6", {"temperature": 0.5, "thinking": {"type": "disabled"}}),
        ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        ("claude-sonnet-4-6", {"thinking": {"type": "adaptive"}, "inference_geo": "us"}),
        ("claude-opus-4-7", {"thinking": {"type": "adaptive"}, "temperature": None, "inference_geo": "global"}),
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}, "tool_choice": {"type": "any"}}),
        ("claude-opus-5-5", {"tool_choice": {"type": "auto"}, "output_config": {"effort": "xhigh"}}),
        ("claude-opus-4-5", {"output_config": {"effort": "high"}, "inference_geo": None}),
        ("claude-haiku-4-5", {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        ("claude-haiku-4-5", {"output_config": {"format": None, "effort": None}}),
        ("claude-haiku-4-5", {"output_config": None}),
        ("claude-of-tests", {"temperature": 1, "tool_choice": {"type": "any"}, "output_config": {"effort": "low"}}),
    ],
)
def test_a_model_takes_the_parameters_that_it_knows(model: str, change: Any) -> None:
    circumstances = Circumstances("2023-06-01", frozenset(), NOW, extra_models=("claude-of-tests",))
    assert find_fault(FINE | {"model": model} | change, circumstances) is None


def test_the_new_version_refuses_citations_in_the_users_text() -> None:
    block = {"type": "text", "text": "x", "citations": []}
    params = FINE | {"messages": [{"role": "user", "content": [block]}]}
    fault = find_fault(params, BATCHED)
    assert fault is not None
    assert fault.message == "messages.0.content.0.text.citations: Extra inputs are not permitted"
    assert find_fault(params, OLD_VERSION) is None


def test_a_beta_raises_the_limit_of_models_that_have_it() -> None:
    params = FINE | {"model": "claude-sonnet-5-5", "max_tokens": 300_000}
    assert find_fault(params, BATCHED) is not None
    assert find_fault(params, EXTENDED) is None


def test_a_good_request_has_no_fault() -> None:
    assert find_fault(FINE, BATCHED) is None
