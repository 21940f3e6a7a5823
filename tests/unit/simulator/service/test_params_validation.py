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
    ],
)
def test_a_fault_is_told_in_the_services_words(change: Any, says: str) -> None:
    params = {name: value for name, value in (FINE | change).items() if value is not None}
    fault = find_fault(params, BATCHED)
    assert fault is not None
    assert (fault.error_type, fault.message) == ("invalid_request_error", says)


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


def test_a_beta_raises_the_limit_of_models_that_have_it() -> None:
    params = FINE | {"model": "claude-sonnet-5-5", "max_tokens": 300_000}
    assert find_fault(params, BATCHED) is not None
    assert find_fault(params, EXTENDED) is None


def test_a_good_request_has_no_fault() -> None:
    assert find_fault(FINE, BATCHED) is None
