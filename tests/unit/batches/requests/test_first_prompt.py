"""The prompt of a request, whatever made the request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.requests.first_prompt import prompt_of

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


def request_with(messages: Any, **others: Any) -> bytes:
    params = {"model": "claude-haiku-5-5", "max_tokens": 9, **others, "messages": messages}
    return json.dumps({"custom_id": "a-0-0", "params": params}).encode() + b"\n"


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        pytest.param([{"role": "user", "content": "Label: ä 🙂"}], "Label: ä 🙂", id="text"),
        pytest.param(
            [{"role": "user", "content": [{"type": "text", "text": "one"}, IMAGE, {"type": "text", "text": "two"}]}],
            "one\ntwo",
            id="blocks",
        ),
        pytest.param([{"role": "user", "content": [IMAGE]}], "", id="an image alone"),
        pytest.param(
            [
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": "answer"},
                {"role": "user", "content": "second"},
            ],
            "first",
            id="several turns",
        ),
        pytest.param(
            [{"role": "assistant", "content": "Hello"}, {"role": "user", "content": "asked"}], "asked", id="not first"
        ),
    ],
)
def test_the_prompt_is_the_text_of_the_first_user_message(messages: Any, prompt: str) -> None:
    assert prompt_of(request_with(messages, system="You label texts.", metadata={"n": 10**30})) == prompt


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="no message"),
        pytest.param([{"role": "assistant", "content": "Hello"}], id="no user message"),
        pytest.param("Label: this", id="no list"),
        pytest.param([{"role": "user", "content": 7}], id="a number"),
        pytest.param([{"role": "user", "content": ["text"]}], id="no blocks"),
        pytest.param(json.loads("[" * 600 + "]" * 600), id="nested deeply"),
    ],
)
def test_a_request_of_another_shape_has_none_and_stops_nothing(messages: Any) -> None:
    assert prompt_of(request_with(messages)) is None


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"params":{}}', b"\xff"])
def test_a_line_that_is_no_request_has_none(line: bytes) -> None:
    assert prompt_of(line) is None


@pytest.mark.parametrize(("shared_blocks", "prompt"), [(0, "guide\none\ntwo"), (1, "one\ntwo"), (3, "two"), (9, "")])
def test_blocks_that_all_rows_share_are_left_out(shared_blocks: int, prompt: str) -> None:
    guide, one, two = ({"type": "text", "text": text} for text in ("guide", "one", "two"))
    request = request_with([{"role": "user", "content": [guide, one, IMAGE, two]}])
    assert prompt_of(request, shared_blocks=shared_blocks) == prompt
