"""The per-row prompt."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from airflow.sdk import DAG
from jinja2 import DictLoader, Environment, Undefined
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests import PromptTemplate
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError


def template(source: str, environment: Environment | None = None, **context: Any) -> PromptTemplate:
    return PromptTemplate(source, environment or SandboxedEnvironment(), context)


@pytest.mark.parametrize(
    ("source", "row", "rendered"),
    [
        ("Label: {{ row.text }}", {"text": "a"}, "Label: a"),
        ("{{ row['text'] }}", {"text": "a"}, "a"),
        ("{{ ds }}/{{ row.n }}", {"n": 1}, "2024-05-01/1"),
        ("{{ row.items }}", {"items": "the column"}, "the column"),
        ("{{ row.get }} {{ row.keys }}", {"get": 1, "keys": 2}, "1 2"),
        ("{{ row.order.values }}", {"order": {"values": 3}}, "3"),
        ("{% for k, v in row.items() %}{{ k }}={{ v }};{% endfor %}", {"a": 1, "b": 2}, "a=1;b=2;"),
        ("{{ row.get('a', 'none') }}", {}, "none"),
        ("{{ row.a | default('none') }}", {}, "none"),
        ("{% if row.a is defined %}yes{% else %}no{% endif %}", {}, "no"),
        ("{{ row | tojson }}", {"a": "é"}, '{"a": "é"}'),
        ("{{ row._private }}", {"_private": 1}, "1"),
        ("a\n{{ row.t }}\u2028b", {"t": "\u2028\u0000\U0001f600"}, "a\n\u2028\u0000\U0001f600\u2028b"),
        ("{% raw %}{{ literal }}{% endraw %}", {}, "{{ literal }}"),
    ],
)
def test_a_prompt_sees_the_row_and_the_run(source: str, row: dict[str, Any], rendered: str) -> None:
    assert template(source, ds="2024-05-01").render(row, 0) == rendered


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("{{ row.txt }}", "'txt' is not among text, year"),
        ("{{ row['txt'] }}", "'txt' is not among text, year"),
        ("{{ row.meta.x }}", "'meta' is not among text, year"),
        ("{{ text }}", "write {{ row.text }}"),
        ("{{ rwo.text }}", "A prompt sees `row` and: ds"),
        ("{{ row.items }}", "there is no column 'items'"),
        ("{% if row.items %}x{% endif %}", "there is no column 'items'"),
        ("one\ntwo\n{{ row.year / 0 }}", "at line 3, in column 'year': ZeroDivisionError"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ row.text + 1 }}", "TypeError"),
    ],
)
def test_a_prompt_that_fails_names_row_variable_and_columns(source: str, named: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        template(source, ds="2024-05-01").render({"text": "a", "year": 1790}, 7)
    assert named in str(caught.value)
    assert "Row 7" in str(caught.value)
    assert "columns are: text, year" in str(caught.value)
    assert caught.value.row_number == 7
    assert pickle.loads(pickle.dumps(caught.value)).row_number == 7  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("one\n{{ row.", "line 2"),
        ("{% if row.a %}", "line 1"),
        ("{{ row.a | nofilter }}", "nofilter"),
        ("", "text that is not empty"),
        (" \n", "text that is not empty"),
    ],
)
def test_a_prompt_that_is_no_template_is_refused_before_the_first_row(source: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        template(source)
    assert named in str(caught.value)


def test_missing_columns_are_errors_even_where_the_environment_is_lenient() -> None:
    lenient = SandboxedEnvironment(undefined=Undefined)
    with pytest.raises(InvalidRowError):
        template("{{ row.absent }}", lenient).render({}, 0)
    assert lenient.from_string("{{ absent }}").render() == ""


def test_what_one_row_sets_no_other_row_sees() -> None:
    prompt = template("{% if row.first %}{% set seen = row.first %}{% endif %}{{ seen | default('nothing') }}")
    assert [prompt.render(row, 0) for row in ({"first": "a"}, {"first": ""}, {"first": "b"})] == ["a", "nothing", "b"]


def test_a_row_that_fails_leaves_nothing_behind() -> None:
    prompt = template("{% set seen = row.a %}{{ row.b }}{{ seen }}")
    with pytest.raises(InvalidRowError):
        prompt.render({"a": 1}, 0)
    assert prompt.render({"a": 2, "b": 3}, 1) == "32"


def test_inherited_and_included_templates_render_alike_for_every_row() -> None:
    environment = SandboxedEnvironment(
        loader=DictLoader(
            {
                "base": "<{% block body %}base {{ row.t }}{% endblock %}>",
                "part": "part {{ row.t }} {{ ds }} {{ row.items }}",
            }
        )
    )
    prompt = template(
        "{% extends 'base' %}{% block body %}{{ super() }}+{% include 'part' %}{% endblock %}", environment, ds="d"
    )
    rendered = [prompt.render({"t": n, "items": "i"}, n) for n in range(3)]
    assert rendered == [f"<base {n}+part {n} d i>" for n in range(3)]


def test_the_callers_environment_and_context_stay_as_they_were() -> None:
    environment = SandboxedEnvironment()
    context = {"ds": "d"}
    PromptTemplate("{{ row.items }}{% set ds = 2 %}", environment, context).render({"items": 1}, 0)
    assert context == {"ds": "d"}
    assert environment.from_string("{{ {'items': 1}.items is callable }}").render() == "True"


def test_a_context_cannot_hide_the_row() -> None:
    assert template("{{ row.a }}", row="other").render({"a": 1}, 0) == "1"


def test_an_asynchronous_environment_renders_too() -> None:
    assert template("{{ row.a }}", SandboxedEnvironment(enable_async=True)).render({"a": 1}, 0) == "1"


def test_a_prompt_renders_in_the_environment_of_a_dag() -> None:
    dag = DAG("labels", user_defined_macros={"shout": str.upper}, user_defined_filters={"half": lambda n: n / 2})
    environment = dag.get_template_env(force_sandboxed=True)
    prompt = template("{{ shout(row.items) }} {{ row.n | half }} {{ '2024-05-01' }}", environment)
    assert prompt.render({"items": "a", "n": 4}, 0) == "A 2.0 2024-05-01"
    with pytest.raises(InvalidRowError, match="'x' is not among n"):
        template("{{ row.x }}", environment).render({"n": 1}, 0)


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("{{ row.a }} {{ row['b'] }} {{ ds }}", {"a", "b"}),
        ("{% if row.a %}{{ row.a.c }}{% endif %}", {"a"}),
        ("nothing", set()),
        ("{{ row | tojson }}", None),
        ("{{ row }}", None),
        ("{% for name, value in row.items() %}{{ value }}{% endfor %}", None),
        ("{{ row[ds] }}", None),
        ("{{ row[0] }}", None),
        ("{% set r = row %}{{ r.a }}", None),
        ("{% include 'other' %}", None),
    ],
)
def test_a_template_knows_which_columns_it_may_print(source: str, columns: set[str] | None) -> None:
    assert template(source).columns == columns


@pytest.mark.parametrize("source", ["{{ row.na\u00efve }}", "{{ row['na\u00efve'] }}", "{{ row.na\u00efve | upper }}"])
def test_a_column_of_the_same_name_in_another_unicode_form_is_named(source: str) -> None:
    template = PromptTemplate(source, SandboxedEnvironment(), {})
    with pytest.raises(InvalidRowError) as caught:
        template.render({"nai\u0308ve": 1}, 0)
    assert r"there is 'nai\u0308ve', but 'na\xefve' is another Unicode form of that name" in str(caught.value)
