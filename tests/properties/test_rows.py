"""Every row comes back, whatever it holds."""

from __future__ import annotations

import gzip
import io
import json
import math
from typing import Any, BinaryIO, cast

from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.output.columns import OUTPUT_COLUMNS
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import RowColumns, read_row_file

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["\u2028", "a\u2029b", "\u0085", "\ufeff", "\r\n", "\x00\x1f\x7f", "\U0001f600", "{{ row }}", '"\\', "null", "NaN"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
ROWS = st.dictionaries(TEXT, VALUES, max_size=5)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n", "\r\n\r\n"])


class Trickle:
    """A stream that gives at most ``size`` bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = io.BytesIO(data)
        self._size = size

    def read(self, size: int) -> bytes:
        return self._data.read(min(size, self._size))


def zipped(data: bytes, members: int) -> bytes:
    step = len(data) // members + 1
    return b"".join(gzip.compress(data[at : at + step], 1) for at in range(0, max(len(data), 1), step))


@given(
    rows=st.lists(st.tuples(ROWS, LINE_ENDS, st.booleans()), max_size=8),
    mark=st.booleans(),
    last_end=st.booleans(),
    members=st.integers(0, 3),
    size=st.integers(1, 100),
)
def test_rows_written_as_json_lines_come_back(
    rows: list[tuple[dict[str, Any], str, bool]], mark: bool, last_end: bool, members: int, size: int
) -> None:
    text = "".join(json.dumps(row, ensure_ascii=escaped) + end for row, end, escaped in rows)
    data = b"\xef\xbb\xbf" * mark + (text if last_end else text.rstrip()).encode()
    stream = Trickle(zipped(data, members) if members else data, size)
    assert list(read_row_file(cast("BinaryIO", stream), name="rows")) == [row for row, _, _ in rows]


@given(row=ROWS, number=st.integers(0, 10**9), data=st.data())
def test_any_key_and_any_kept_column_comes_back(row: dict[str, Any], number: int, data: st.DataObject) -> None:
    names = [name for name in row if not name.startswith("answer_")]
    key = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True)) if names else None
    keep = data.draw(st.just("*") | st.lists(st.sampled_from(names), unique=True)) if names else ()
    columns = RowColumns(key=key, keep=keep, column_prefix="answer_")
    if key is None and "row_number" in row:
        return
    if any(f"answer_{name}" in row for name in OUTPUT_COLUMNS):
        return
    encoded = json.loads(columns.columns_of(row, number))
    keys = key or ["row_number"]
    kept = [name for name in (row if keep == "*" else keep) if name not in keys]
    assert list(encoded) == [*keys, *kept]
    assert encoded == {name: row.get(name, number) for name in (*keys, *kept)}


@given(one=SCALARS, other=SCALARS)
def test_keys_are_equal_only_if_type_and_value_are(one: Any, other: Any) -> None:
    columns = RowColumns(key="k")
    same = type(one) is type(other) and one == other
    if same and isinstance(one, float):
        same = math.copysign(1, one) == math.copysign(1, other)
    assert (columns.key_of({"k": one}, 0) == columns.key_of({"k": other}, 1)) is same


@given(text=TEXT, system=TEXT)
def test_any_text_survives_into_params(text: str, system: str) -> None:
    prompt = PromptTemplate("<{{ row.items }}>", SandboxedEnvironment(), {})
    asked = Question(prompt=prompt, model="m", max_tokens=1, system=system)
    encoded = asked.encode_params({"items": text}, 0)
    assert b"\n" not in encoded
    assert json.loads(encoded) == {
        "model": "m",
        "max_tokens": 1,
        "system": system,
        "messages": [{"role": "user", "content": f"<{text}>"}],
    }


@given(params=st.dictionaries(TEXT, VALUES, max_size=4))
def test_any_params_of_a_builder_survive(params: dict[str, Any]) -> None:
    expected = params | {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}
    expected.pop("stream", None)
    expected.pop("betas", None)
    asked = Question(request_builder=lambda row: expected)
    assert json.loads(asked.encode_params({}, 0)) == expected
