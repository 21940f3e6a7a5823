"""Whatever requests look like: the mark is set once and alike in each, and without it nothing has changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.prompt_cache.prefix_markers import PREFIX_PARAMS, PrefixMarker
from anthropic_batches_provider.errors import ConfigurationError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"cache_control"', "cache_control", '"}]}', "]", "\\", "{}", '","system":"', "é", "\u2028"]
)
VISIBLE = TEXTS.map(lambda text: text + "x")
BLOCKS = st.builds(lambda text: {"type": "text", "text": text}, VISIBLE) | st.builds(
    lambda data: {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": data}}, TEXTS
)
TOOLS = st.builds(lambda name: {"name": name, "input_schema": {"type": "object"}}, VISIBLE)
PREFIXES = st.fixed_dictionaries(
    {"model": VISIBLE},
    optional={
        "system": VISIBLE | st.lists(BLOCKS, max_size=3) | st.sampled_from(["", None]),
        "tools": st.lists(TOOLS, max_size=2),
        "output_config": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "thinking": st.just({"type": "adaptive"}),
        "tool_choice": st.just({"type": "auto"}),
    },
)
CONTENTS = TEXTS | st.lists(BLOCKS, max_size=2)
TURNS = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), CONTENTS), max_size=2)
OTHERS = st.fixed_dictionaries({"max_tokens": st.integers(1, 9)}, optional={"metadata": st.dictionaries(TEXTS, TEXTS)})
OWN = st.tuples(CONTENTS, TURNS, OTHERS, st.booleans())


def request(prefix: dict[str, Any], shared: list[Any], own: Any, order: list[int], *, spaced: bool) -> bytes:
    """Return params of a row: the prefix and what is its own, in an order of fields and a form that vary."""
    content, turns, others, role_first = own
    if shared:
        content = [*shared, *([{"type": "text", "text": content}] if isinstance(content, str) else content)]
    first = {"role": "user", "content": content}
    messages = [first if role_first else dict(reversed(first.items()))]
    messages += [{"role": role, "content": said} for role, said in turns]
    params = {**prefix, "messages": messages, **others}
    names = sorted(params, key=lambda name: (order[hash_of(name)], name))
    separators = (", ", " : ") if spaced else (",", ":")
    return json.dumps({name: params[name] for name in names}, ensure_ascii=spaced, separators=separators).encode()


def hash_of(name: str) -> int:
    return (*PREFIX_PARAMS, "messages", "max_tokens", "metadata").index(name)


def marks_in(value: Any) -> list[list[Any]]:
    """Return the paths of the marks, and remove them."""
    found: list[list[Any]] = []
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in list(items):
        if name == "cache_control" and item == {"type": "ephemeral", "ttl": "1h"}:
            found.append([])
            del value[name]
        else:
            found += [[name, *path] for path in marks_in(item)]
    return found


@settings(max_examples=300, deadline=None)
@given(
    PREFIXES,
    st.lists(BLOCKS, max_size=2),
    st.lists(OWN, min_size=1, max_size=4),
    st.permutations(range(9)),
    st.booleans(),
    st.data(),
)
def test_each_request_is_marked_once_and_alike_and_is_else_unchanged(
    prefix: dict[str, Any], shared: list[Any], owns: list[Any], order: list[int], spaced: bool, data: st.DataObject
) -> None:
    assume(shared or prefix.get("system") or prefix.get("tools"))
    same_order = data.draw(st.booleans())
    rows = [
        request(prefix, shared, own, order if same_order else data.draw(st.permutations(range(9))), spaced=spaced)
        for own in owns
    ]
    marker = PrefixMarker(rows[0], 0, PromptCache(ttl="1h", shared_blocks=len(shared)))
    places = set()
    for number, params in enumerate(rows):
        marked = marker.marked(params, number)
        value, given_value = json.loads(marked), json.loads(params)
        (path,) = marks_in(value)
        places.add(tuple(path))
        if isinstance(given_value.get("system"), str) and path[0] == "system":
            given_value["system"] = [{"type": "text", "text": given_value["system"]}]
        assert value == given_value
        assert list(value) == list(given_value)
        check_only_one_change(params, marked)
    assert len(places) == 1


def check_only_one_change(params: bytes, marked: bytes) -> None:
    """Check that the mark is inserted at one place (a system prompt of text is put between two), byte for byte."""
    mark = b',"cache_control":{"type":"ephemeral","ttl":"1h"}'
    assert marked.count(mark) == 1
    before, after = marked.split(mark)
    if before + after != params:
        before, _, text = before.rpartition(b'[{"type":"text","text":')
        after = text + after.removeprefix(b"}]")
    assert before + after == params


@settings(max_examples=300, deadline=None)
@given(PREFIXES, st.lists(BLOCKS, max_size=2), OWN, OWN, st.permutations(range(9)), st.data())
def test_a_request_with_another_prefix_is_refused_whatever_its_order(
    prefix: dict[str, Any], shared: list[Any], own: Any, other: Any, order: list[int], data: st.DataObject
) -> None:
    assume(shared or prefix.get("system") or prefix.get("tools"))
    changed = data.draw(PREFIXES)
    assume(changed != prefix)
    marker = PrefixMarker(
        request(prefix, shared, own, order, spaced=False), 0, PromptCache(ttl="1h", shared_blocks=len(shared))
    )
    order = data.draw(st.sampled_from([order, list(range(9))]))
    with pytest.raises(ConfigurationError, match="Row 1 "):
        marker.marked(request(changed, shared, other, order, spaced=False), 1)
