"""`SqlRows`: what it takes, what Airflow shows of it, and what is rendered when."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import DAG, task

from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import SqlRows


def operator(rows: Any, **dag: Any) -> MessageBatchOperator:
    with DAG("d", **dag):
        return MessageBatchOperator(
            task_id="t", rows=rows, key="n", prompt="{{ row.n }}", model="m", max_tokens=1, destination="/out"
        )


def read(rows: RowsArgument, context: Any) -> list[Any]:
    return list(rows.read(context))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "SELECT 1"), r"SqlRows\(conn_id=…\) takes one text"),
        ((None, "SELECT 1"), r"SqlRows\(conn_id=…\) takes one text, not a value of type NoneType"),
        (("c", ""), r"SqlRows\(sql=…\) takes one text"),
        (("c", ["SELECT 1"]), r"SqlRows\(sql=…\) takes one text, not a value of type list"),
        (("c", "SELECT 1", "a"), r"SqlRows\(parameters=…\) takes a list or a dict.*type str.*\[value\]"),
        (("c", "SELECT 1", {1, 2}), r"SqlRows\(parameters=…\) takes a list or a dict.*type set"),
        (("c", "SELECT 1", 7), r"SqlRows\(parameters=…\) takes a list or a dict.*type int"),
    ],
)
def test_what_can_never_be_right_fails_when_the_dag_is_parsed(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        operator(SqlRows(*arguments))


def test_airflow_shows_the_connection_and_neither_the_query_nor_its_parameters() -> None:
    rows = operator(SqlRows("warehouse", "SELECT secret", ["secret"])).rows
    assert {str(rows), rows.serialize(), repr(rows.source)} == {"SqlRows on 'warehouse'"}


def test_the_tasks_whose_output_it_takes_come_first_also_if_it_is_mapped() -> None:
    asked: Any = {"key": "n", "prompt": "{{ row.n }}", "model": "m", "max_tokens": 1}

    @task
    def given() -> str:
        return "a"

    with DAG("d"):
        connection, query, parameters, nested = given(), given(), given(), given()
        sources = SqlRows(connection, query, parameters), SqlRows("c", "SELECT 1", {"a": [nested]})
        tasks = [
            MessageBatchOperator(task_id="plain", rows=sources[0], destination="/a", **asked),
            MessageBatchOperator.partial(task_id="partial", rows=sources[1], **asked).expand(destination=["/b"]),
            MessageBatchOperator.partial(task_id="mapped", destination="/c", **asked).expand(rows=list(sources)),
        ]
    assert [len(each.upstream_task_ids) for each in tasks] == [3, 1, 4]


def context_of(rows: Any, folder: Path, **values: Any) -> tuple[RowsArgument, Any]:
    """Return the resolved rows of a task, and its context."""
    waiting = operator(rows, template_searchpath=[str(folder)])
    context = cast("Any", {"task": waiting, "dag": waiting.get_dag(), "ds": "2026-11-29", **values})
    return waiting.rows.resolve(context), context


def resolved_sql(rows: Any, folder: Path, **values: Any) -> str:
    """Return the query that is read."""
    argument, context = context_of(rows, folder, **values)
    assert isinstance(argument.source, SqlRows)
    return argument.source.query_text(context)


def test_a_file_is_found_and_rendered_as_airflow_does(tmp_path: Path) -> None:
    (tmp_path / "part.sql").write_text("FROM notes")
    (tmp_path / "of_day.sql").write_text("{# why #}SELECT '{{ ds }}' {% include 'part.sql' %} -- see a.jinja\n")
    found = resolved_sql(SqlRows("c", "{{ 'of_' ~ name }}.sql"), tmp_path, name="day")
    assert found.strip() == "SELECT '2026-11-29' FROM notes -- see a.jinja"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"The SQL file 'query\.sql' was not found"),
        ("{% include 'other.sql' %}", r"The SQL file 'other\.sql' was not found"),
        ("{{ ", r"The SQL file 'query\.sql' cannot be rendered"),
        ("{{ 1 | nofilter }}", r"The SQL file 'query\.sql' cannot be rendered: No filter named 'nofilter'"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_task_and_not_its_rendering(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "query.sql").write_text(content)
    rows, context = context_of(SqlRows("c", "query.sql"), tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        read(rows, context)


def test_all_arguments_are_rendered_once(tmp_path: Path) -> None:
    source = SqlRows("{{ ds }}", "SELECT '{{ ds }}'", {"a": ["{{ braces }}"], "b": 7})
    rows, context = context_of(source, tmp_path, braces="{{ ds }}")
    for resolved in (rows, rows.resolve(context)):
        found: Any = resolved.source
        assert (found.conn_id, found.sql) == ("2026-11-29", "SELECT '2026-11-29'")
        assert found.parameters == {"a": ["{{ ds }}"], "b": 7}


def test_a_value_that_a_template_renders_must_have_the_right_type(tmp_path: Path) -> None:
    rows, context = context_of(SqlRows("{{ '' }}", "SELECT 1"), tmp_path)
    with pytest.raises(ConfigurationError, match=r"SqlRows\(conn_id=…\) takes one text, not an empty one"):
        read(rows, context)


def test_a_file_that_a_function_names_is_refused(tmp_path: Path) -> None:
    rows, context = context_of(lambda: SqlRows("c", "query.sql"), tmp_path)
    with pytest.raises(ConfigurationError, match="not read as a file, because a function or another task gave it"):
        read(rows, context)
