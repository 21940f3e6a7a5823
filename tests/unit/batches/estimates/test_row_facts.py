from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.estimates.row_facts import (
    RowFacts,
    facts_of,
    own_mark,
    pictures_of,
    server_tools,
)

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 1_000}}
DOCUMENT = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
TEXT = {"type": "text", "text": 'a "type":"image" in words'}


def params(*blocks: Any, **others: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": list(blocks)}], **others}).encode()


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        ({"model": "a", "max_tokens": 5}, RowFacts("a", 5, None)),
        ({"model": "a", "max_tokens": 5, "inference_geo": "us"}, RowFacts("a", 5, "us")),
        ({"model": "a", "max_tokens": -5}, RowFacts("a", 0, None)),
        ({"model": "a"}, RowFacts("unknown", 0, None)),
        ({"model": 7, "max_tokens": 5}, RowFacts("unknown", 0, None)),
    ],
)
def test_what_decides_the_price(given: dict[str, Any], facts: RowFacts) -> None:
    assert facts_of(json.dumps(given).encode()) == facts


@pytest.mark.parametrize(
    ("blocks", "number"),
    [
        ([IMAGE], 1),
        ([DOCUMENT, TEXT, IMAGE], 2),
        ([TEXT], 0),
        ([{"type": "tool_result", "content": [IMAGE, TEXT]}], 1),
        ([{"type": "document", "source": {"type": "text", "data": "words"}}], 0),
        ([{"type": "document", "source": {"type": "content", "content": [IMAGE]}}], 1),
        (["no block", {"type": "image"}], 1),
    ],
)
def test_images_and_documents_are_found(blocks: list[Any], number: int) -> None:
    assert pictures_of(params(*blocks)).number == number


def test_the_bytes_of_their_data_are_told() -> None:
    assert 1_000 <= pictures_of(params(TEXT, IMAGE)).data_bytes < 1_100


def test_those_of_the_cached_prefix_are_not_the_rows_own() -> None:
    assert pictures_of(params(IMAGE, TEXT, DOCUMENT), shared_blocks=2).number == 1
    assert pictures_of(params(IMAGE, TEXT), shared_blocks=1).number == 0


def test_a_content_that_is_a_plain_text_has_none() -> None:
    assert pictures_of(b'{"messages":[{"role":"user","content":"an \\"image\\""}],"metadata":"image"}').number == 0


@pytest.mark.parametrize(
    ("mark", "ttl"),
    [(None, None), ({"type": "ephemeral"}, "5m"), ({"type": "ephemeral", "ttl": "1h"}, "1h")],
)
def test_marks_of_the_prompt_cache(mark: dict[str, str] | None, ttl: str | None) -> None:
    block = TEXT if mark is None else {**TEXT, "cache_control": mark}
    assert own_mark(params(block)) == ttl


def test_tools_that_the_service_runs() -> None:
    tools = [{"name": "mine", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}, "odd"]
    assert server_tools(params(tools=tools)) == ["web_search_20250305"]
    assert server_tools(params()) == []
