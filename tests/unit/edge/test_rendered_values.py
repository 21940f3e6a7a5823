"""What a rendered text becomes; what is no such text is refused by the argument's name."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.template import literal
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.edge.rendered_values import (
    beta_headers,
    failed_rows_limit,
    rendered_params,
    whole_number,
)
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator


@pytest.mark.parametrize(("value", "number"), [("1000", 1000), (" 7\n", 7), (12, 12), (None, None)])
def test_digits_are_a_whole_number(value: Any, number: int | None) -> None:
    assert whole_number("max_tokens", value) == number


@pytest.mark.parametrize("text", ["1e3", "abc", "", "None", "1.0", "-1", "1_000", "१०", "{{ x }}"])
def test_another_text_is_no_whole_number(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_tokens= rendered .* which is not a whole number"):
        whole_number("max_tokens", text)


@pytest.mark.parametrize(("value", "limit"), [("5", 5), ("0.01", 0.01), (".5", 0.5), ("0", 0), (3, 3), (0.2, 0.2)])
def test_digits_are_rows_and_a_fraction_is_a_share(value: Any, limit: float) -> None:
    found = failed_rows_limit(value)
    assert (found, type(found)) == (limit, type(limit))


@pytest.mark.parametrize("value", ["1.0", "1e-2", "1%", "", "None", "-1", None, True])
def test_what_is_no_limit_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_failed_rows= must be a number or a share of rows"):
        failed_rows_limit(value)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ({"b", "a"}, ("a", "b")),
        ("a", ("a",)),
        ("a, b", ("a", "b")),
        ("['a', 'b']", ("a", "b")),
        ('["a"]', ("a",)),
        ("", ()),
        (["", "a"], ("a",)),
        (None, ()),
    ],
)
def test_betas_are_a_list_or_a_text_that_renders_one(value: Any, headers: tuple[str, ...]) -> None:
    assert beta_headers(value) == headers


@pytest.mark.parametrize("value", [1, "None", ["None"], [1], "[1]", "['a'", {"a": "b"}, b"a"])
def test_what_is_no_list_of_betas_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^betas= must be a list of values of the header"):
        beta_headers(value)


def rendered(params: Any, **context: Any) -> Any:
    environment = SandboxedEnvironment()

    def render(value: Any) -> Any:
        return environment.from_string(value).render(context) if isinstance(value, str) else value.resolve({})

    return rendered_params(params, marked=lambda text: "{{" in text, render=render)


def test_texts_at_any_depth_are_rendered_and_numbers_are_numbers() -> None:
    params = {
        "temperature": "{{ t }}",
        "thinking": {"type": "enabled", "budget_tokens": "{{ n }}"},
        "stop_sequences": ["{{ n }}", "END"],
        "metadata": {"user_id": "{{ n }}"},
        "top_k": "{{ word }}",
    }
    assert rendered(params, t=0.5, n=1024, word="many") == {
        "temperature": 0.5,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": ["1024", "END"],
        "metadata": {"user_id": "1024"},
        "top_k": "many",
    }


def test_a_text_without_marks_stays_as_it_is() -> None:
    file = object()
    params = {"stop_sequences": ["\n\n", "a.j2", "\r\n"], "tools": ({"description": "x.jinja"}, file)}
    assert rendered(params) == params
    assert rendered(params)["tools"][1] is file


def test_a_literal_keeps_its_braces() -> None:
    assert rendered({"a": [literal("{{ x }}")], "b": "{{ '{{' }}"}) == {"a": ["{{ x }}"], "b": "{{"}


def test_params_that_contain_themselves_are_left_to_the_check_of_the_question() -> None:
    params: dict[str, Any] = {}
    params["itself"] = params
    assert rendered(params) is params


def test_an_operator_renders_its_template_fields() -> None:
    with DAG("d", user_defined_macros={"n": 12, "share": "0.5"}):
        operator = MessageBatchOperator(
            task_id="t",
            rows=[{"id": 1}],
            prompt="{{ row.id }}",
            model="m",
            max_tokens="{{ n }}",
            message_params={"stop_sequences": ["\n"], "top_k": "{{ n }}"},
            betas=["{{ 'a' }}-1"],
            max_failed_rows="{{ share }}",
        )
    params: Any = operator.message_params
    context: Any = {"task": operator, "n": 12, "share": "0.5"}
    operator.render_template_fields(context)
    assert operator.message_params == {"stop_sequences": ["\n"], "top_k": 12}
    assert (operator.max_tokens, operator.betas, operator.max_failed_rows) == ("12", ["a-1"], "0.5")
    assert params == {"stop_sequences": ["\n"], "top_k": "{{ n }}"}, "the DAG's own dict is not changed"


def test_the_output_of_a_task_is_never_rendered() -> None:
    data = {"metadata": {"user_id": "{{ n }}"}}
    operator = MessageBatchOperator(task_id="t", rows=[], prompt="p", model="m", max_tokens=1, message_params=data)
    assert operator.render_template(data, {}, SandboxedEnvironment(), {id(data)}) is data
