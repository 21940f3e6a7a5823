"""The mark is at the end of what all rows share, once and alike in each; all else stays byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.prompt_cache import CacheTtl, PromptCache
from anthropic_batches_provider.batches.prompt_cache.prefix_markers import PrefixMarker
from anthropic_batches_provider.errors import ConfigurationError

HOUR = b',"cache_control":{"type":"ephemeral","ttl":"1h"}'
MARK_1H = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
MARK_5M = {"cache_control": {"type": "ephemeral"}}
TEXT = {"type": "text", "text": "é"}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
ASKED = PromptCache(ttl="1h")
SHARED = PromptCache(ttl="1h", shared_blocks=2)


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def row(content: Any = "own", **params: Any) -> bytes:
    usual = {"model": "m", "max_tokens": 9, **params}
    return dumped({name: value for name, value in usual.items() if value is not ...} | {"messages": [user(content)]})


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def marked(first: bytes, *others: bytes, asked: PromptCache = ASKED) -> list[bytes]:
    marker = PrefixMarker(first, 0, asked)
    return [marker.marked(params, number) for number, params in enumerate((first, *others))]


def refusal(first: bytes, *others: bytes, asked: PromptCache = ASKED) -> str:
    with pytest.raises(ConfigurationError) as refused:
        marked(first, *others, asked=asked)
    message = str(refused.value)
    assert message.endswith("Nothing was sent.")
    assert "cannot be marked for the prompt cache" in message
    return message


def test_a_system_of_text_becomes_one_marked_block() -> None:
    assert marked(row(system="Be brief. é"), row("other", system="Be brief. é")) == [
        b'{"model":"m","max_tokens":9,"system":[{"type":"text","text":"Be brief. \xc3\xa9"%b}],'
        b'"messages":[{"role":"user","content":"%b"}]}' % (HOUR, content)
        for content in (b"own", b"other")
    ]


def test_of_several_blocks_the_last_of_the_system_prompt_is_marked() -> None:
    (found,) = marked(row(system=[TEXT, TEXT], tools=[TOOL]))
    assert found == row(system=[TEXT, TEXT | MARK_1H], tools=[TOOL])


def test_the_last_shared_block_goes_before_system_and_tools() -> None:
    first, other = (row([TEXT, TEXT, {"type": "text", "text": own}], system="s", tools=[TOOL]) for own in "ab")
    assert marked(first, other, asked=SHARED) == [
        row([TEXT, TEXT | MARK_1H, {"type": "text", "text": own}], system="s", tools=[TOOL]) for own in "ab"
    ]


@pytest.mark.parametrize("system", [..., None, "", "  \n", []])
def test_without_a_system_prompt_the_last_tool_is_marked(system: Any) -> None:
    (found,) = marked(row(tools=[TOOL, TOOL], system=system))
    assert found == row(tools=[TOOL, TOOL | MARK_1H], system=system)


def test_a_deferred_tool_is_not_marked_since_it_is_not_in_the_prompt() -> None:
    deferred = TOOL | {"defer_loading": True}
    (found,) = marked(row(tools=[TOOL, deferred, deferred]))
    assert found == row(tools=[TOOL | MARK_1H, deferred, deferred])
    assert "the rows share nothing" in refusal(row(tools=[deferred]))


def test_five_minutes_are_written_as_such() -> None:
    (found,) = marked(row(system="s"), asked=PromptCache(ttl="5m"))
    assert b'"cache_control":{"type":"ephemeral","ttl":"5m"}' in found


def test_the_bytes_beside_the_mark_stay_as_they_are_written() -> None:
    first = (
        b'{ "model": "m", "messages" : [ {"role": "user", "content": "\\u00e9"} ],\n "system" : "a\\u0062" , "n":1.0}'
    )
    (found,) = marked(first)
    assert found == first.replace(b'"a\\u0062"', b'[{"type":"text","text":"a\\u0062"%b}]' % HOUR)
    blocks = b'{"type":"text", "text":"a" } , {"type":"text","text":"\xc3\xa9"}'
    first = b'{"model":"m","messages":[{"role":"user","content":[ %b]}]}' % blocks
    (found,) = marked(first, asked=PromptCache(ttl="1h", shared_blocks=1))
    assert found == first.replace(b'"a" }', b'"a" %b}' % HOUR)


SHAPES: dict[str, Any] = {
    "params in another order": lambda own: dumped({"messages": [user(own)], "system": "s", "model": "m"}),
    "a param of each row before": lambda own: dumped({"n": own, "model": "m", "system": "s", "messages": [user("a")]}),
    "a param of each row after": lambda own: dumped({"model": "m", "system": "s", "messages": [user("a")], "n": own}),
    "a system prompt last": lambda own: dumped({"model": "m", "messages": [user(own)], "n": own, "system": "s"}),
    "several turns": lambda own: dumped({"model": "m", "system": "s", "messages": [user(own), user(own), user("a")]}),
    "a word that looks like a mark": lambda own: row(f'"cache_control" {own} cache_control', system="s"),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_rows_that_differ_in_all_but_the_prefix_are_marked_alike(shape: Any) -> None:
    rows = [shape(own) for own in ("one", 'two "]}', [TEXT], [TEXT | MARK_5M])]
    mark = b'[{"type":"text","text":"s"%b}]' % HOUR
    assert marked(*rows) == [params.replace(b'"system":"s"', b'"system":' + mark) for params in rows]


def test_a_role_after_the_content_is_seen() -> None:
    def message(own: str, role: str) -> bytes:
        return dumped({"model": "m", "messages": [{"content": [TEXT, TEXT, TEXT | {"text": own}], "role": role}]})

    first, other = marked(message("a", "user"), message("b", "user"), asked=SHARED)
    assert (first.count(HOUR), other.count(HOUR)) == (1, 1)
    assert "Row 1 " in refusal(message("a", "user"), message("b", "assistant"), asked=SHARED)


@pytest.mark.parametrize("name", ["model", "tools", "system", "output_config", "tool_choice", "thinking"])
def test_a_prefix_that_differs_is_refused_with_the_row_and_the_field(name: str) -> None:
    given: dict[str, Any] = {
        "model": "m", "tools": [TOOL], "system": "s", "output_config": {"effort": "low"},
        "tool_choice": {"type": "auto"}, "thinking": {"type": "adaptive"},
    }  # fmt: skip
    first = row(**given)
    changed = {"model": "n", "tools": [TOOL, TOOL], "system": [TEXT]}.get(name, {"type": "other"})
    for other in (
        row(**given | {name: changed}),
        row(**given | {name: None}),
        *([row(**given | {name: ...})] * (name != "model")),
    ):
        message = refusal(first, row("b", **given), other)
        assert message.startswith("Row 2 (the first is 0)")
        assert f"its `{name}` is not, byte for byte, that of row 0" in message
    assert f"its `{name}`" in refusal(row(**given | {"top_k": 1}), row(**given | {"top_k": 2, name: [changed]}))
    if name not in ("model", "system"):
        assert f"its `{name}`" in refusal(row(**given | {name: ...}), first), "only a later row has it"


def test_a_field_after_the_messages_is_seen_though_all_before_them_is_the_same() -> None:
    first = dumped({"model": "m", "system": "s", "messages": [user("a")]})
    other = dumped({"model": "m", "system": "s", "messages": [user("b")], "tools": [TOOL]})
    assert "Row 1 (the first is 0)" in refusal(first, other)
    message = refusal(first, dumped({"model": "m", "system": "s", "messages": [user("b")], **MARK_1H}))
    assert "hold `cache_control`" in message


def test_a_value_that_only_begins_like_that_of_the_first_row_is_another() -> None:
    assert "its `tool_choice`" in refusal(row(system="s", tool_choice=1), row(system="s", tool_choice=12))


def test_shared_blocks_that_differ_are_refused() -> None:
    first = row([TEXT, TEXT, TEXT])
    message = refusal(first, row([TEXT, TEXT | {"text": "e"}, TEXT]), asked=SHARED)
    assert "Row 1 (the first is 0)" in message
    assert "the shared beginning of its first message is not, byte for byte, that of row 0" in message
    assert "Row 1 (the first is 0)" in refusal(first, row("text"), asked=SHARED)
    assert "fewer than 2 blocks" in refusal(first, row([TEXT]), asked=SHARED)


@pytest.mark.parametrize(
    "params", [row(), row(system=""), row(system=None, tools=None), row(system=[], tools=[]), row([TEXT, TEXT])]
)
def test_nothing_to_mark_is_refused(params: bytes) -> None:
    message = refusal(params)
    assert "the rows share nothing that can be marked" in message
    assert "shared_context= or system=" in message


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"type": "text", "text": ""}, "is an empty text"),
        ({"type": "text", "text": " \n"}, "is an empty text"),
        ({"type": "text"}, "is an empty text"),
        ({"type": "thinking", "thinking": "hm", "signature": "x"}, "is a thinking block"),
        ({"type": "redacted_thinking", "data": "x"}, "is a redacted_thinking block"),
    ],
)
def test_a_block_that_cannot_carry_a_mark_is_refused(block: Any, problem: str) -> None:
    assert f"system[1] {problem}, which cannot carry `cache_control`" in refusal(row(system=[TEXT, block]))
    assert f"messages[0].content[1] {problem}" in refusal(row([TEXT, block, TEXT]), asked=SHARED)


@pytest.mark.parametrize("control", [{"type": "ephemeral"}, MARK_1H["cache_control"]])
def test_automatic_caching_is_refused_since_it_would_write_each_prompt(control: Any) -> None:
    message = refusal(row(system="s", cache_control=control))
    assert "would put each row's own prompt into the cache" in message
    assert "Leave `cache_control` out" in message
    (found,) = marked(row(system=[TEXT], cache_control=None))
    assert found == row(system=[TEXT | MARK_1H], cache_control=None)


def test_an_own_mark_at_the_place_of_ours_stays_if_it_has_the_same_ttl() -> None:
    for asked, mark in ((ASKED, MARK_1H), (PromptCache(ttl="5m"), MARK_5M)):
        given = row(system=[TEXT, TEXT | mark])
        assert marked(given, given, asked=asked) == [given, given]
    given = row(system=[TEXT | {"cache_control": None}])
    assert marked(given) == [row(system=[TEXT | MARK_1H])]


@pytest.mark.parametrize(
    ("mark", "ttl", "named"), [(MARK_5M, "1h", "5m"), (MARK_1H, "5m", "1h"), ({"cache_control": "1h"}, "1h", "'1h'")]
)
def test_an_own_mark_at_the_place_of_ours_with_another_ttl_is_refused(mark: Any, ttl: CacheTtl, named: str) -> None:
    message = refusal(row(system=[TEXT | mark]), asked=PromptCache(ttl=ttl))
    assert f"system[0] already has `cache_control` with the ttl {named}, and not {ttl}" in message
    assert "the same ttl" in message


def test_a_longer_ttl_after_a_shorter_one_is_refused() -> None:
    message = refusal(row(system="s", tools=[TOOL | MARK_5M]))
    assert "5m before ours of 1h" in message
    assert 'prompt_cache="5m"' in message
    five = PromptCache(ttl="5m")
    message = refusal(row(system="s"), row([TEXT | MARK_1H], system="s"), asked=five)
    assert message.startswith("Row 1 ")
    assert "1h after ours of 5m" in message
    assert marked(row([TEXT | MARK_5M], system=[TEXT], tools=[TOOL | MARK_1H])) == [
        row([TEXT | MARK_5M], system=[TEXT | MARK_1H], tools=[TOOL | MARK_1H])
    ]
    assert len(marked(row([TEXT | MARK_5M], system="s", tools=[TOOL | MARK_1H]), asked=five)) == 1


def test_more_than_four_marks_are_refused_also_in_the_messages_of_one_row() -> None:
    def with_marks(count: int) -> bytes:
        return row([TEXT | MARK_5M] * count, system=[TEXT], tools=[TOOL | MARK_1H])

    assert [found.count(b"cache_control") for found in marked(with_marks(0), with_marks(2))] == [2, 4]
    message = refusal(with_marks(0), with_marks(2), with_marks(3))
    assert message.startswith("Row 2 ")
    assert "has `cache_control` 4 times, and once more with prompt_cache; the API takes 4" in message
    own = row([TEXT | MARK_5M] * 3, system=[TEXT | MARK_1H])
    assert marked(own) == [own], "ours is among its four"


@pytest.mark.parametrize(
    "params",
    [
        b'{"model":"m","system":"a","system":"a","messages":[]}',
        b'{"model":"m","system":"a","messages":[],"system":"b"}',
        b'{"model":"m","system":[{"type":"text","text":"a","text":"b"}],"messages":[]}',
        b'{"model":"m","system":7,"messages":[]}', b'{"model":"m","system":[7],"messages":[]}',
        b'{"model":"m","system":"s"}', b'{"system":"s","messages":[]}', b'{"model":"m","tools":{},"messages":[]}',
        b"[]",
    ],
)  # fmt: skip
def test_params_of_another_shape_are_refused(params: bytes) -> None:
    assert refusal(params).startswith("Row 0 (the first is 0) cannot be marked")


def test_the_prefix_is_counted_with_all_that_belongs_to_it_and_without_the_row() -> None:
    given = {"system": "s", "tools": [TOOL], "output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}}
    marker = PrefixMarker(row([TEXT, TEXT, TEXT], temperature=1, **given), 0, SHARED)
    whole, rest = marker.counted_params()
    tiny = {"type": "text", "text": "."}
    assert whole == {"model": "m", **given, "messages": [user([TEXT, TEXT, tiny])]}
    assert rest == {"model": "m", "messages": [user([tiny])]}
    assert marker.model == "m"
