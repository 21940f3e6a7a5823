from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.usage import (
    Usage,
    UsageByModel,
    billed_usage,
    usage_from_dict,
    usage_numbers,
)

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


PRICED = {"input_tokens": 10, "output_tokens": 2, "service_tier": "batch", "inference_geo": "us"}

BILLED: list[tuple[str, dict[str, Any], str | None, str | None]] = [
    ("an ordinary row of a batch", {}, "us", None),
    ("a row of an older API", {"service_tier": None, "inference_geo": None}, None, None),
    ("fields with the values that cost nothing more", {"speed": "standard", "iterations": None}, "us", None),
    ("iterations that the numbers include", {"iterations": [{"type": "message"}, {"type": "message"}]}, "us", None),
    ("an unknown server tool that was not used", {"server_tool_use": {"drawings": 0}}, "us", None),
    (
        "another tier of service",
        {"service_tier": "standard"},
        "us",
        "its service tier is 'standard', not 'batch'",
    ),
    ("another speed", {"speed": "fast"}, "us", "its speed is 'fast'"),
    (
        "a compaction, which the numbers leave out",
        {"iterations": [{"type": "message"}, {"type": "compaction"}]},
        "us",
        "its usage has iterations of other kinds: compaction",
    ),
    (
        "iterations of an unknown form",
        {"iterations": [{"type": {"a": 1}}, 5, {}]},
        "us",
        "its usage has iterations of other kinds: 5, None, {'a': 1}",
    ),
    ("iterations that are no list", {"iterations": 3}, "us", "its usage has iterations of other kinds: 3"),
    (
        "an unknown server tool",
        {"server_tool_use": {"web_search_requests": 0, "drawings": 2}},
        None,
        "its usage has server tools of other kinds: drawings",
    ),
    ("a geography of an unknown form", {"inference_geo": ["us"]}, None, "its usage has the geography ['us']"),
    (
        "cache writes for another time",
        {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1d": 5}},
        "us",
        "its usage has tokens that were written to the cache for another time than 5 minutes or an hour",
    ),
    ("cache writes that the API does not split", {"cache_creation_input_tokens": 9}, "us", None),
    (
        "cache writes for both times",
        {
            "cache_creation_input_tokens": 9,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
        },
        "us",
        None,
    ),
]


@pytest.mark.parametrize(
    ("changes", "geography", "exception"), [case[1:] for case in BILLED], ids=[c[0] for c in BILLED]
)
def test_what_a_cost_depends_on_is_read_beside_the_same_numbers(
    changes: dict[str, Any], geography: str | None, exception: str | None
) -> None:
    usage = json.dumps({**PRICED, **changes}).encode()
    assert billed_usage(usage) == (usage_numbers(usage), geography, exception)
    assert usage_numbers(usage) is not None


@pytest.mark.parametrize("usage", [None, b"null", b"{}", b"[]", b'{"input_tokens":-1,"output_tokens":2}'])
def test_unreported_usage_has_no_cost(usage: bytes | None) -> None:
    assert billed_usage(usage) is None


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "cache_read_input_tokens"])
def test_a_negative_number_is_unreported(name: str) -> None:
    usage = json.dumps({"input_tokens": 1, "output_tokens": 2, name: -1}).encode()
    assert Usage.from_api(usage) == Usage(requests=1, unreported_requests=1)
