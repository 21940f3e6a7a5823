"""The marks that a request already has are found in the order in which the API reads them."""

from __future__ import annotations

import json
from typing import Any

from anthropic_batches_provider.batches.prompt_cache.own_marks import own_marks

MARK_1H = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
MARK = {"cache_control": {"type": "ephemeral"}}
TEXT = {"type": "text", "text": "cache_control"}


def test_marks_are_found_in_tools_system_and_messages_and_inside_of_blocks() -> None:
    quoted = {"type": "document", "source": {"type": "content", "content": [TEXT | MARK]}}
    params = {
        "messages": [
            {"role": "user", "content": "no block"},
            {"role": "user", "content": [TEXT, {"type": "tool_result", "content": [TEXT | MARK]} | MARK_1H]},
            {"role": "user", "content": [quoted]},
        ],
        "system": [TEXT, TEXT | MARK_1H],
        "tools": [{"name": "a"} | MARK_1H, {"name": "b", "cache_control": None}],
    }  # fmt: skip
    found = list(own_marks(json.dumps(params).encode()))
    assert [mark.ttl for mark in found] == ["1h", "1h", "5m", "1h", "5m"]
    assert [mark.place[:-1] for mark in found] == [(0, 0), (1, 1), (2, 1, 1, 0), (2, 1, 1), (2, 2, 0, 0)]
    assert found == sorted(found, key=lambda mark: mark.place)


def test_a_property_of_that_name_in_a_schema_is_no_mark() -> None:
    tool = {"name": "a", "input_schema": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}
    answer = {"role": "assistant", "content": [{"type": "tool_use", "input": {"cache_control": {"ttl": "1h"}}}]}
    assert (
        list(own_marks(json.dumps({"tools": [tool], "system": "cache_control", "messages": [answer]}).encode())) == []
    )


def test_what_has_another_shape_has_no_marks() -> None:
    for params in ({}, {"tools": 7, "system": None, "messages": "x"}, {"messages": [1, {"content": [None, []]}]}):
        assert list(own_marks(json.dumps(params).encode())) == []


def test_a_mark_of_another_shape_is_shown_as_it_is() -> None:
    params: dict[str, Any] = {"system": [TEXT | {"cache_control": "1h"}], "messages": []}
    assert [mark.ttl for mark in own_marks(json.dumps(params).encode())] == ["'1h'"]
    params = {"system": [TEXT | {"cache_control": {"type": "ephemeral", "ttl": "2h"}}], "messages": []}
    assert [mark.ttl for mark in own_marks(json.dumps(params).encode())] == ["2h"]
