"""Blocks that all rows share come first in each row's first user message, however the request is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests import (
    MAX_PARAMS_BYTES,
    FileColumns,
    PromptTemplate,
    Question,
    SplicedParams,
)
from anthropic_batches_provider.batches.requests.shared_blocks import with_shared_blocks
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

GUIDE = {"type": "text", "text": 'The "guide" é'}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
SHARED = (GUIDE, PICTURE)
PDF = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "own"}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def asked(source: str = "Label: {{ row.text }}", **fields: Any) -> Question:
    template = PromptTemplate(source, SandboxedEnvironment(), {})
    return Question(**{"prompt": template, "model": "m", "max_tokens": 8, "shared": SHARED, **fields})


def built(params: Any, **fields: Any) -> Question:
    return Question(request_builder=lambda row: params, **{"model": "m", "max_tokens": 8, "shared": SHARED, **fields})


def messages(params: bytes) -> Any:
    return json.loads(params)["messages"]


def test_they_come_before_the_text_of_a_prompt() -> None:
    params = asked(system="s").encode_params({"text": "a"}, 0)
    assert messages(params) == [{"role": "user", "content": [*SHARED, text("Label: a")]}]
    assert params == json.dumps(json.loads(params), ensure_ascii=False, separators=(",", ":")).encode()


def test_they_come_before_the_rows_own_documents() -> None:
    files = FileColumns(images=(), documents=("path",), read_file=lambda *_: b"own")
    params = asked(files=files).encode_params({"text": "a", "path": "x"}, 0)
    assert messages(params) == [{"role": "user", "content": [*SHARED, PDF, text("Label: a")]}]


def test_a_splice_makes_the_same_bytes() -> None:
    question = asked("Label: {{ row.text }} of {{ row.n }}")
    spliced = question.spliced_params()
    assert isinstance(spliced, SplicedParams)
    assert spliced.columns == ("text", "n")
    first, second, third = spliced.literals
    assert b"%ba%b7%b" % (first, second, third) == question.encode_params({"text": "a", "n": 7}, 0)


@pytest.mark.parametrize(
    ("content", "then"),
    [
        ("a", [text("a")]),
        ([text("a"), PICTURE], [text("a"), PICTURE]),
        ((text("a"),), [text("a")]),
        ([], []),
        ("", [text("")]),
    ],
)
def test_they_come_before_the_content_that_a_builder_makes(content: Any, then: list[Any]) -> None:
    turns = [{"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    made = {"messages": [{"role": "user", "content": content}, *turns], "top_k": 1}
    params = built(made, system="s").encode_params({}, 0)
    assert json.loads(params) == {
        "model": "m", "max_tokens": 8, "system": "s", "top_k": 1,
        "messages": [{"role": "user", "content": [*SHARED, *then]}, *turns],
    }  # fmt: skip


def test_all_else_that_a_builder_makes_stays_byte_for_byte() -> None:
    params = b'{"model":"m","messages":[{"content":"\\u00e9", "role":"user"} , {}],"x":1.0}'
    blocks = b'{"type":"text","text":"g"},'
    assert with_shared_blocks(params, blocks, 0) == params.replace(
        b'"\\u00e9"', b'[{"type":"text","text":"g"},{"type":"text","text":"\\u00e9"}]'
    )


@pytest.mark.parametrize(
    "first",
    [
        {"role": "assistant", "content": "a"}, {"content": "a"}, {"role": "user"}, {"role": "user", "content": None},
        {"role": "user", "content": {"type": "text", "text": "a"}}, "a", [], None,
    ],
)  # fmt: skip
def test_a_builder_whose_first_message_is_not_the_users_makes_a_bad_row(first: Any) -> None:
    with pytest.raises(InvalidRowError, match=r"^Row 7 .*the first of its `messages` must be {'role': 'user'") as bad:
        built({"messages": [first, {"role": "user", "content": "b"}]}).encode_params({}, 7)
    assert bad.value.row_number == 7
    assert "shared_context is put before that content" in str(bad.value)


def test_the_usual_checks_of_a_builder_come_first() -> None:
    with pytest.raises(InvalidRowError, match="`messages` must be a list of at least one message"):
        built({"messages": []}).encode_params({}, 0)


def test_a_request_that_is_too_large_with_them_is_a_bad_row() -> None:
    blocks = b'{"type":"text","text":"%b"},' % (b"a" * MAX_PARAMS_BYTES)
    with pytest.raises(InvalidRowError, match="a batch holds at most"):
        with_shared_blocks(b'{"messages":[{"role":"user","content":"a"}]}', blocks, 0)


def test_ready_requests_are_sent_as_they_are_and_refuse_them() -> None:
    with pytest.raises(ConfigurationError, match="`shared_context` goes with `prompt` and `request_builder`"):
        Question(ready_requests=True, shared=SHARED).validate()
    Question(ready_requests=True).validate()


@pytest.mark.parametrize("shared", [({"text": "a"},), (text("\ud800"),), (text("a"), {"type": "text", "text": set})])
def test_what_cannot_be_sent_is_refused_before_the_first_row(shared: Any) -> None:
    with pytest.raises(ConfigurationError, match="`shared_context`"):
        asked(shared=shared).validate()


def test_their_content_is_part_of_the_question() -> None:
    prints = [
        asked(shared=shared).fingerprint()
        for shared in ((), SHARED, (GUIDE,), (PICTURE, GUIDE), (text("The guide"),), (text("The"), text(" guide")))
    ]
    assert len(set(prints)) == len(prints)
    assert asked(shared=(dict(reversed(GUIDE.items())), dict(PICTURE))).fingerprint() == prints[1]
    assert built({}, shared=()).fingerprint() != built({}).fingerprint()


def test_without_them_a_question_has_the_fingerprint_that_it_always_had() -> None:
    assert asked(shared=()).fingerprint() == Question(prompt=asked().prompt, model="m", max_tokens=8).fingerprint()
    assert asked(shared=()).fingerprint() == "ee5418cc28d26558659d667ba4e7ba56"


def test_a_path_among_them_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`shared_context` cannot be sent: "):
        asked(shared=({"type": "text", "text": tmp_path},)).validate()
