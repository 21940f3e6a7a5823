"""A prompt prints text and JSON; a missing value, or one that no text stands for, is an error that names the column."""

from __future__ import annotations

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from jinja2 import StrictUndefined, Undefined
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests.exact_values import FileFloat
from anthropic_batches_provider.batches.requests.questions import Question
from anthropic_batches_provider.batches.requests.templates import PromptTemplate
from anthropic_batches_provider.errors import InvalidRowError


class Color(enum.Enum):
    RED = "red"


class Shade(enum.StrEnum):
    DARK = "dark"


class Name(str, enum.Enum):  # noqa: UP042 - the older form, whose str() is another
    A = "x"


class Share(float, enum.Enum):
    HALF = 0.5


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Nameless:
    pass


def rendered(source: str, **row: Any) -> str:
    return PromptTemplate(source, SandboxedEnvironment(), {}).render(row, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a <b> & 'c' 明", "a <b> & 'c' 明"),
        (7, "7"),
        (True, "True"),
        (0.1, "0.1"),
        (FileFloat("12.10"), "12.10"),
        (Decimal("12.10"), "12.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC), "2026-01-02 03:04:00+00:00"),
        (pendulum.datetime(2026, 1, 2), "2026-01-02 00:00:00+00:00"),
        (Shade.DARK, "dark"),
        (Name.A, "x"),
        (Share.HALF, "0.5"),
        (Text("x"), "x"),
        ({"a": 1}.values(), "[1]"),
        ({"n": "明", "tags": ["a", None], "p": FileFloat("1.50")}, '{"n": "明", "tags": ["a", null], "p": 1.50}'),
        (["a", 1], '["a", 1]'),
        (("a", datetime.date(2026, 1, 2)), '["a", "2026-01-02"]'),
        ({"b", "a"}, '["a", "b"]'),
        ([], "[]"),
    ],
)  # fmt: skip
def test_text_is_printed_as_text_and_data_as_json(value: object, text: str) -> None:
    assert rendered("{{ row.x }}", x=value) == text
    assert rendered("a{{ row.x }}b{{ row.x }}", x=value) == f"a{text}b{text}"
    assert rendered("{{ 'a' ~ row.x }}", x=value) == f"a{text}"


@pytest.mark.parametrize("value", [None, float("nan"), Decimal("NaN"), Undefined(name="y"), StrictUndefined(name="y")])
@pytest.mark.parametrize(
    "source",
    [
        "{{ row.x }}", "{{ row['x'] }}", "{{ row.x | upper }}", "{{ row.x | trim }}", "{{ 'a' ~ row.x }}",
        "{{ [row.x] | join(', ') }}", "{{ row.x | string }}",
        "{{ 'a %s' | format(row.x) }}", "{% set a = row.x %}{{ a }} {{ row.x }}",
    ],
)  # fmt: skip
def test_a_missing_value_is_not_printed(source: str, value: object) -> None:
    with pytest.raises(InvalidRowError) as error:
        rendered(f"Label this:\n{source}", x=value, y="there")
    text = str(error.value)
    assert "Row 0" in text
    assert "line 2, in column 'x'" in text
    assert "{{ row.x | default('') }}" in text
    assert error.value.row_number == 0


@pytest.mark.parametrize("value", [None, float("nan")])
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a{{ row.x | default('') }}b", "ab"),
        ("{{ row.x | d('nothing') | upper }}", "NOTHING"),
        ("{{ row.gone | default('-') }}", "-"),
        ("{{ 'no' if row.x is none or row.x != row.x else row.x }}", "no"),
        ("{% if row.x and row.x == row.x %}{{ row.x }}{% endif %}done", "done"),
        ("{{ row.empty | default('-', true) }}", "-"),
        ("{{ row.empty | default('-') }}", ""),
    ],
)
def test_a_template_allows_for_a_missing_value(source: str, text: str, value: object) -> None:
    assert rendered(source, x=value, empty="") == text


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"ab", "bytes"),
        (memoryview(b"ab"), "memoryview"),
        ((letter for letter in "ab"), "generator"),
        (Color.RED, "print its .value"),
        (Nameless(), "type Nameless"),
        (len, "call it"),
        ({"a": float("nan")}, "NaN or infinity"),
        ({"a": object()}, "no JSON form"),
    ],
)
def test_what_no_text_stands_for_is_not_printed(value: object, problem: str) -> None:
    with pytest.raises(InvalidRowError, match=f"(?s)prints .*{problem}.*column 'x'"):
        rendered("{{ row.x }}", x=value)


def test_a_generator_of_a_filter_is_not_printed() -> None:
    with pytest.raises(InvalidRowError, match="generator"):
        rendered("{{ row.tags | map('upper') }}", tags=["a"])
    assert rendered("{{ row.tags | map('upper') | join('-') }}", tags=["a", "b"]) == "A-B"


def test_tojson_gives_plain_json_in_the_order_of_the_row() -> None:
    row = {
        "text": "<b>中文</b> & 'x' 🎉",
        "a": 1,
        "day": datetime.date(2026, 1, 1),
        "price": Decimal("1.10"),
        "no": None,
    }
    assert rendered("{{ row | tojson }}", **row) == (
        '{"text": "<b>中文</b> & \'x\' 🎉", "a": 1, "day": "2026-01-01", "price": "1.10", "no": null}'
    )
    assert rendered("{{ row.a | tojson(indent=2) }}", a={"b": 1}) == '{\n  "b": 1\n}'
    with pytest.raises(InvalidRowError, match="NaN"):
        rendered("{{ row | tojson }}", x=float("nan"))


def test_what_an_environment_has_of_its_own_stays() -> None:
    environment = SandboxedEnvironment(finalize=lambda value: "" if value is None else value)
    environment.filters["tojson"] = lambda value: "mine"
    template = PromptTemplate("{{ row.x | tojson }} [{{ row.y }}] {{ row.z }}", environment, {})
    assert template.render({"x": 1, "y": None, "z": [1]}, 0) == "mine [] [1]"


def test_with_autoescape_a_concatenation_escapes() -> None:
    environment = SandboxedEnvironment(autoescape=True)
    template = PromptTemplate("{{ ('<b>' | safe) ~ row.x }}", environment, {})
    assert template.render({"x": "<i>"}, 0) == "<b>&lt;i&gt;"


def test_filters_of_data_take_data() -> None:
    assert rendered("{{ {'a': 1} | urlencode }} {{ row.x | urlencode }}", x="a b") == "a=1 a%20b"
    for source in ("{{ row.n | urlencode }}", "{{ row.x | replace('a', row.n) }}", "{{ ['a', 'b'] | join(row.n) }}"):
        with pytest.raises(InvalidRowError, match="missing value"):
            rendered(source, x="a", n=None)


def test_of_several_missing_columns_on_a_line_none_is_blamed_alone() -> None:
    with pytest.raises(InvalidRowError, match=r"line 1, in one of 'a', 'b'|line 1, in one of a, b"):
        rendered("{{ row.a | default('x') }} {{ row.b | upper }}", a=None, b=None)


def test_filters_for_html_stay() -> None:
    assert rendered("{{ row.x | e }} {{ row.x | escape }}", x="<b>") == "&lt;b&gt; &lt;b&gt;"


def test_an_environment_is_not_changed() -> None:
    environment = SandboxedEnvironment()
    PromptTemplate("{{ row.x | tojson }}", environment, {})
    assert environment.finalize is None
    assert environment.from_string("{{ x | tojson }}{{ y }}").render(x="<", y=None) == '"\\u003c"None'


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_prompt_is_refused_before_it_is_sent(text: str) -> None:
    prompt = PromptTemplate("{{ row.text }}", SandboxedEnvironment(), {})
    question = Question(prompt=prompt, model="m", max_tokens=1)
    with pytest.raises(InvalidRowError, match="its prompt is empty"):
        question.encode_params({"text": text}, 3)


def test_the_column_whose_text_cannot_be_sent_is_named() -> None:
    prompt = PromptTemplate("{{ row.a }} {{ row.b }}", SandboxedEnvironment(), {})
    question = Question(prompt=prompt, model="m", max_tokens=1)
    with pytest.raises(InvalidRowError, match=r"Row 3 .*which prints column 'b', cannot be sent: .*surrogate"):
        question.encode_params({"c": "\ud800", "a": "x", "b": "half \ud83d"}, 3)


def test_the_column_whose_value_fails_is_named() -> None:
    with pytest.raises(InvalidRowError, match=r"fails at line 1, in column 'x': ValueError: .*digits"):
        rendered("{{ row.x }}", x=10**5000)
