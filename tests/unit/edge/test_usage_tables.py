"""`usage_table=`: what it takes, what Airflow renders of it, and what is kept over a deferral."""

from __future__ import annotations

from typing import Any, cast

import pytest
from airflow.sdk import DAG

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.edge.usage_tables import (
    UsageLoad,
    as_usage_table,
    check_usage_table,
    pinned_usage_table,
    restored_usage_table,
)
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchResultsOperator
from anthropic_batches_provider.sources import SqlRows
from tests.unit.edge.test_sql_table import ASKED

TABLE = SqlTable("warehouse", "usage_{{ ds }}")


def operator(usage_table: Any, **arguments: Any) -> MessageBatchOperator:
    with DAG("d"):
        return MessageBatchOperator(task_id="t", usage_table=usage_table, **ASKED, **arguments)


def results(usage_table: Any, **arguments: Any) -> MessageBatchResultsOperator:
    with DAG("d"):
        return MessageBatchResultsOperator(
            task_id="r", job="/jobs/d/t/u/-/job-0001", usage_table=usage_table, **arguments
        )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("usage", r"usage_table= takes SqlTable\(conn_id, table\), not a value of type str\. .*_usage\.json"),
        ("sql://warehouse@usage", "not a value of type str"),
        (SqlTable, "not the class SqlTable"),
        (SqlRows("warehouse", "SELECT 1"), "not a value of type SqlRows"),
        ({"conn_id": "warehouse", "table": "usage"}, "not a value of type dict"),
    ],
)
def test_what_is_no_table_is_refused_when_the_dag_is_parsed(value: Any, message: str) -> None:
    for kind in (operator, results):
        with pytest.raises(ConfigurationError, match=message):
            kind(value)


@pytest.mark.parametrize("kind", [operator, results])
def test_answers_and_usage_must_not_share_a_table(kind: Any) -> None:
    same = SqlTable("warehouse", "usage_{{ ds }}", create=True)
    with pytest.raises(ConfigurationError, match=r"destination= and usage_table= are the same table, sql://warehouse@"):
        kind(TABLE, destination=same)
    assert kind(TABLE, destination=SqlTable("warehouse", "labels")).usage_table == TABLE
    assert kind(TABLE, destination=SqlTable("other", "usage_{{ ds }}")).usage_table == TABLE


@pytest.mark.parametrize("kind", [operator, results])
def test_its_texts_are_rendered(kind: Any) -> None:
    task = kind(TABLE)
    assert "usage_table" in task.template_fields
    rendered = task.usage_table.resolve(cast("Any", {"task": task, "dag": task.get_dag(), "ds": "2026-11-29"}))
    assert rendered == SqlTable("warehouse", "usage_2026-11-29")


def test_without_one_there_is_none() -> None:
    assert operator(None).usage_table is None
    assert results(None).usage_table is None
    check_usage_table(None, "owner")
    load = UsageLoad(None, "owner")
    load.take(cast("Any", "usage that nobody asks for"))
    load.load(cast("Any", "its manifest"))
    load.check(cast("Any", {}), None)


@pytest.mark.parametrize("table", [None, TABLE, SqlTable("c", "s.t", create=True, owner_column="owner")])
def test_a_resumed_task_has_the_same_table(table: SqlTable | None) -> None:
    pinned = pinned_usage_table(as_usage_table(table))
    assert restored_usage_table(pinned) == table


def test_the_first_stint_settles_the_table() -> None:
    first, resumed = operator(SqlTable("warehouse", "usage_1")), operator(SqlTable("warehouse", "usage_2"))
    resumed._restore(first.pinned())
    assert resumed.usage_table == first.usage_table


def test_a_task_that_an_older_version_deferred_loads_into_the_table_that_it_has_now() -> None:
    resumed = operator(SqlTable("warehouse", "usage_2"))
    resumed._restore({"destination": "xcom", "deadline": None})
    assert resumed.usage_table == SqlTable("warehouse", "usage_2")


def test_a_name_that_a_template_rendered_is_checked_when_the_task_runs() -> None:
    with pytest.raises(ConfigurationError, match=r"SqlTable\(table=…\) is 'a;b'"):
        check_usage_table(_rendered("a;b"), "owner")


def _rendered(name: str) -> SqlTable:
    table = SqlTable("warehouse", "usage")
    table.table = name
    return table
