"""A row that is spliced is, byte for byte, the row that the ordinary way makes; and so is the error of a bad one."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.requests import FileColumns, PromptTemplate, Question
from anthropic_batches_provider.batches.rows import (
    ColumnTypes,
    PreparedRow,
    RowColumns,
    RowsFingerprint,
    can_splice,
    prepare_rows,
    read_row_file,
    splicer,
)
from anthropic_batches_provider.batches.rows.splices import SplicedRow
from anthropic_batches_provider.errors import ConfigurationError

PROMPTS = (
    "{{ row.text }}",
    "\n {{ row.text }}{{ row.n }}\n",
    'Label "this"\\n:\n{{ row.text }}\té {{ row["the note"] }} end\n\n',
    "{{ row.text }}{{ row.text }}{{ row.items }}",
)
COLUMNS = (
    RowColumns(key="id"),
    RowColumns(key=["n", "id"], keep=["text"], column_prefix="c_"),
    RowColumns(keep=["text", "the note"], column_prefix="c_"),
    RowColumns(),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", " ", "\n", "\u3000", '"', "\\", "\\u00e9", "/", "\x7f", "é", "\u2028", "\x00", "a\tb\r\n", "𝄞", "{{ x }}"]
)
VALUES = TEXTS | st.integers() | st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.fixed_dictionaries(
    {}, optional={name: VALUES | st.lists(VALUES, max_size=2) for name in ("id", "text", "n", "the note", "items", "x")}
)
RAW_LINES = st.sampled_from(
    [
        b'{"id":-0,"n":1E5,"text":"a"}', b'{"id":"1","n":12.10,"text":"a"}', b'{"id":"\\ud834\\udd1e","text":"\\/"}',
        b'{"id":"1","text":"a","text":"b"}', b'{"id":"1","\\u0074ext":"a","n":1}', b'{"id":"1","text":"\\ud800"}',
        b'{"id":"1","text":"a","x":"\xff"}', b'{"id":"1","text":"\xc3\xa9"}', b'{"id":"1","text":"\xed\xa0\x80"}',
        b'{"id":"1","text":"a"', b'{"id":"1","text":"a"}}', b'["id"]', b"7", b"{}", b"", b'{"id":"1","text":"a\tb"}',
        b'{ "id" : "1" , "text" : "a" , "n" : 7 }\r', b'{"id":"1","text":"a","x":1e400}',
        b'{"id":"1","text":"a","x":%b}' % (b"1" * 5_000), b'{"id":"1","text":"a","x":[%b]}' % (b"1" * 5_000),
        b'{"id":"1","text":"%b","n":%b}' % (b"a" * 5_000, b"1" * 20), b'{"id":"1","text":"a","n":007}',
        b'{"id":"1","text":"a\\nb\\"\\\\u00e9\\t\\r","n":1,"the note":"\\n","items":1}',
    ]
)  # fmt: skip


SHARED = ({"type": "text", "text": 'The "guide" é'}, {"type": "text", "text": "\n"})


def question(prompt: str, shared: tuple[Any, ...] = (), **environment: Any) -> Question:
    template = PromptTemplate(prompt, SandboxedEnvironment(keep_trailing_newline=True, **environment), {})
    return Question(
        prompt=template, model="m", max_tokens=1, params={"output_config": {"effort": "low"}}, shared=shared
    )


def prepared(content: bytes, asked: Question, columns: RowColumns, *, splices: bool) -> tuple[list[Any], int]:
    """Return the prepared rows, or the error, with fingerprint and column types; and how many rows were spliced."""
    types, spliced, fingerprint = ColumnTypes(columns), 0, RowsFingerprint()
    params = asked.spliced_params()
    splice: Callable[[bytes], SplicedRow | None] | None = None
    if splices:
        assert params is not None

        def splice(line: bytes) -> SplicedRow | None:
            nonlocal spliced
            row = splice_line(line)
            spliced += row is not None
            return row

        splice_line = splicer(columns, params, types)
    rows: list[Any] = []
    with tempfile.TemporaryDirectory() as spool:
        read = read_row_file(io.BytesIO(content), name="rows.jsonl", splice=splice)
        try:
            for row in prepare_rows(
                read, columns=columns, encode=asked.encode_params, spool_folder=Path(spool), types=types
            ):
                if isinstance(row, InvalidRow):
                    fingerprint.add_invalid(bytes(row.columns))
                    rows.append((row.number, bytes(row.columns), row.reason))
                else:
                    fingerprint.add(row)
                    rows.append(row)
        except ConfigurationError as error:
            rows.append(str(error))
    return [*rows, fingerprint.hexdigest(), recorded(types)], spliced


def recorded(types: ColumnTypes) -> tuple[ColumnRecord, ...]:
    return types.records()


@settings(max_examples=400, deadline=None)
@given(
    st.lists(ROWS.map(lambda row: json.dumps(row, ensure_ascii=False).encode()) | RAW_LINES, max_size=6),
    st.sampled_from(PROMPTS),
    st.sampled_from(COLUMNS),
    st.sampled_from([(), SHARED]),
)
def test_splices_change_nothing(
    lines: list[bytes], prompt: str, columns: RowColumns, shared: tuple[dict[str, str], ...]
) -> None:
    content, asked = b"\n".join(lines), question(prompt, shared)
    ordinary, _ = prepared(content, asked, columns, splices=False)
    spliced, _ = prepared(content, asked, columns, splices=True)
    assert spliced == ordinary


@pytest.mark.parametrize(
    ("line", "is_spliced"),
    [
        ('{"id":"1","text":"plain"}', True),
        ('{"id":"1","text":"é 明"}', True),
        ('{"id":1,"text":7}', True),
        (r'{"id":"1","text":"two\nlines, \"quoted\" \t\r"}', True),
        (r'{"id":"1","text":"a path: C:\\x"}', False),  # the second backslash could begin an escape
        (r'{"id":"1","text":"a","x":"\n"}', True),
        (r'{"id":"1","text":"\u00e9"}', False),
        (r'{"id":"1","text":"\/"}', False),
        ('{"id":"1","text":null}', False),
        ('{"id":"1","text":["a"]}', False),
        ('{"id":"1"}', False),
        ('{"text":"a"}', False),
        ('{"id":1.5,"text":"a"}', False),
        ('{"id":-1,"text":"a"}', False),
    ],
)
def test_which_rows_are_spliced(line: str, is_spliced: bool) -> None:
    rows, spliced = prepared(line.encode(), question("Label: {{ row.text }}"), RowColumns(key="id"), splices=True)
    assert spliced == is_spliced
    assert rows == prepared(line.encode(), question("Label: {{ row.text }}"), RowColumns(key="id"), splices=False)[0]
    assert isinstance(rows[0], PreparedRow) or not is_spliced


@pytest.mark.parametrize(
    ("prompt", "environment"),
    [
        ("{{ row.text | upper }}", {}),
        ("{{ row.text ~ '!' }}", {}),
        ("{% if row.text %}{{ row.text }}{% endif %}", {}),
        ("{% set t = row.text %}{{ row.text }}", {}),
        ("{{ row }}", {}),
        ("{{ row.text.x }}", {}),
        ("{{ row[0] }}", {}),
        ("{{ other.text }}", {}),
        ("{{ row.items() }}", {}),
        ("{{ row.text }}", {"autoescape": True}),
        ("{{ row.text }}", {"autoescape": lambda _: False}),
        ("{{ row.text }}", {"finalize": lambda value: value}),
    ],
)
def test_other_prompts_have_no_pieces(prompt: str, environment: dict[str, Any]) -> None:
    assert question(prompt, **environment).spliced_params() is None


def test_a_name_that_json_cannot_hold_is_left_to_the_ordinary_way() -> None:
    assert can_splice(RowColumns(key="id", keep=["a"]))
    assert not can_splice(RowColumns(key="id", keep=["\udce9"]))
    assert not can_splice(RowColumns(key="id", keep="*"))


def test_a_prompt_beside_images_has_no_pieces() -> None:
    plain = question("{{ row.text }}")
    images = FileColumns(images=("path",), documents=(), read_file=lambda *_: b"")
    assert plain.spliced_params() is not None
    assert replace(plain, files=images).spliced_params() is None


def test_an_environment_that_prints_in_its_own_way_is_found_by_trying() -> None:
    class Shouting(SandboxedEnvironment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            return str(super().getattr(obj, attribute)).upper()

        def _generate(self, *args: Any, **kwargs: Any) -> str:
            return super()._generate(*args, **kwargs).replace("yield 'Label: '", "yield 'LABEL: '")

    template = PromptTemplate("Label: {{ row.text }}", Shouting(), {})
    assert template.render({"text": "a"}, 0) == "LABEL: a"
    assert template.pieces is None


def test_a_request_that_is_too_large_for_a_batch_is_refused_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("requests.params", "rows.splices"):
        monkeypatch.setattr(f"anthropic_batches_provider.batches.{module}.MAX_PARAMS_BYTES", 200)
    lines = b"\n".join(b'{"id":%d,"text":"%b"}' % (length, b"a" * length) for length in range(40, 120))
    asked = question("{{ row.text }}")
    ordinary, _ = prepared(lines, asked, RowColumns(key="id"), splices=False)
    spliced, count = prepared(lines, asked, RowColumns(key="id"), splices=True)
    assert spliced == ordinary
    assert 0 < count < 80
