"""Which values only a run knows."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, XComArg
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.definitions.template import literal

from anthropic_batches_provider.edge.templates import Templates


class Files(BaseOperator):
    template_ext = (".sql",)


@pytest.mark.parametrize("value", ["{{ x }}", "a{% if x %}b{% endif %}", "{# x #}", "a.sql", ["a", {"b": "{{ x }}"}]])
def test_templates_and_what_holds_one_are_not_known(value: Any) -> None:
    assert not Templates.of(Files(task_id="t")).is_literal(value)


@pytest.mark.parametrize("value", ["a", "a.j2", "{ x }", 1, None, ["a"], {"{{ x }}": "a"}])
def test_all_else_is_known(value: Any) -> None:
    assert Templates.of(Files(task_id="t")).is_literal(value)


def test_the_output_of_a_task_is_not_known() -> None:
    task = BaseOperator(task_id="t")
    templates = Templates.of(task)
    for value in (XComArg(task), [XComArg(task)], {"a": XComArg(task)}, literal("a")):
        assert not templates.is_literal(value)


def test_a_dag_may_have_marks_of_its_own() -> None:
    with DAG("d", jinja_environment_kwargs={"variable_start_string": "[[", "line_statement_prefix": "%%"}):
        templates = Templates.of(BaseOperator(task_id="t"))
    assert [text for text in ("[[ x ]]", "{{ x }}", "%% if x", "{% x %}") if templates.in_text(text)] == [
        "[[ x ]]", "%% if x", "{% x %}",
    ]  # fmt: skip
