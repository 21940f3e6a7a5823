from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.usage import Usage, UsageByModel, usage_from_dict

CASES: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    ("plain", {"input_tokens": 10, "output_tokens": 3}, {"input_tokens": 10, "output_tokens": 3}),
    (
        "cache writes split by lifetime",
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "cache_read_input_tokens": 40,
        },
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation_5m_input_tokens": 10,
            "cache_creation_1h_input_tokens": 20,
            "cache_read_input_tokens": 40,
        },
    ),
    (
        "cache writes that are not split count as 5 minutes",
        {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 30, "cache_creation": None},
        {"input_tokens": 1, "output_tokens": 2, "cache_creation_5m_input_tokens": 30},
    ),
    (
        "thinking and server tools",
        {
            "input_tokens": 1,
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 5},
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3, "another": 4},
        },
        {
            "input_tokens": 1,
            "output_tokens": 9,
            "thinking_tokens": 5,
            "web_search_requests": 2,
            "web_fetch_requests": 3,
        },
    ),
    (
        "fields that we do not know",
        {"input_tokens": 1, "output_tokens": 2, "new": {"a": []}},
        {"input_tokens": 1, "output_tokens": 2},
    ),
    ("fields that are null", {"input_tokens": 1, "output_tokens": None, "server_tool_use": None}, {"input_tokens": 1}),
    ("nothing", {}, {"unreported_requests": 1}),
    ("numbers that are none", {"input_tokens": "many", "output_tokens": 2}, {"unreported_requests": 1}),
]


@pytest.mark.parametrize(("reported", "numbers"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_usage_of_one_request_is_read(reported: dict[str, Any], numbers: dict[str, int]) -> None:
    assert Usage.from_api(json.dumps(reported).encode()) == Usage(requests=1, **numbers)


@pytest.mark.parametrize("usage", [None, b"null", b"", b"[]", b'"\xff"'])
def test_usage_that_cannot_be_read_is_counted_and_not_guessed(usage: bytes | None) -> None:
    assert Usage.from_api(usage) == Usage(requests=1, unreported_requests=1)


def test_usage_adds_up_by_model() -> None:
    usage = UsageByModel()
    usage.add("claude-b", b'{"input_tokens":1,"output_tokens":2}')
    usage.add("claude-a", b'{"input_tokens":10,"output_tokens":20}')
    usage.add("claude-b", b'{"input_tokens":3,"output_tokens":4}')
    usage.add(None, None)
    assert usage.by_model() == {
        "claude-a": Usage(requests=1, input_tokens=10, output_tokens=20),
        "claude-b": Usage(requests=2, input_tokens=4, output_tokens=6),
        "unknown": Usage(requests=1, unreported_requests=1),
    }
    assert list(usage.as_dict()) == ["claude-a", "claude-b", "unknown"]
    assert usage.total() == Usage(requests=4, unreported_requests=1, input_tokens=14, output_tokens=26)


def test_equal_usage_counts_as_often_as_it_was_reported() -> None:
    usage = UsageByModel()
    for _ in range(3):
        usage.add("claude-a", b'{"input_tokens":10,"output_tokens":20}')
    assert usage.by_model() == {"claude-a": Usage(requests=3, input_tokens=30, output_tokens=60)}
    usage.add("claude-a", b'{"input_tokens":10,"output_tokens":20}')
    assert usage.total() == Usage(requests=4, input_tokens=40, output_tokens=80)


def test_more_different_usages_than_are_kept_apart_add_up_exactly() -> None:
    usage = UsageByModel()
    rows = 10_000  # more than twice as many as are kept
    for _ in range(2):
        for number in range(rows):
            usage.add("claude-a", json.dumps({"input_tokens": number, "output_tokens": 1}).encode())
    assert usage.total() == Usage(requests=2 * rows, input_tokens=rows * (rows - 1), output_tokens=2 * rows)


def test_usage_survives_its_json_form_and_names_of_newer_versions() -> None:
    usage = UsageByModel()
    usage.add("claude-a", b'{"input_tokens":10,"output_tokens":20,"cache_read_input_tokens":5}')
    written = json.loads(json.dumps(usage.as_dict()))
    written["claude-a"]["of_a_newer_version"] = 1
    assert usage_from_dict(written) == usage.by_model()
