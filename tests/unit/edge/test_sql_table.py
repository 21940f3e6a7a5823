"""`SqlTable`: what it takes, what Airflow shows of it, and what is rendered when."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any, cast

import pytest
from airflow.sdk import DAG, task
from airflow.serialization import serialized_objects

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.edge.task_destination import pinned_destination, restored_destination
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchResultsOperator
from anthropic_batches_provider.sources import SqlRows

ASKED: dict[str, Any] = {"rows": [{"n": 1}], "key": "n", "prompt": "{{ row.n }}", "model": "m", "max_tokens": 1}


def operator(destination: Any, **arguments: Any) -> MessageBatchOperator:
    with DAG("d"):
        return MessageBatchOperator(task_id="t", destination=destination, **ASKED, **arguments)


def results(destination: Any, **arguments: Any) -> MessageBatchResultsOperator:
    with DAG("d"):
        return MessageBatchResultsOperator(
            task_id="r", job="/jobs/d/t/u/-/job-0001", destination=destination, **arguments
        )


def resolved(destination: SqlTable, **values: Any) -> SqlTable:
    waiting = operator(destination)
    context = cast("Any", {"task": waiting, "dag": waiting.get_dag(), "ds": "2026-11-29", **values})
    return waiting.destination.resolve(context)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("", "t"), {}, r"SqlTable\(conn_id=…\) takes one text, not an empty one"),
        ((None, "t"), {}, r"SqlTable\(conn_id=…\) takes one text, not a value of type NoneType"),
        (("c", " "), {}, r"SqlTable\(table=…\) takes one text, not an empty one"),
        (("c", ["t"]), {}, r"SqlTable\(table=…\) takes one text, not a value of type list"),
        (("c", "a.b.c.d"), {}, "no name of a table"),
        (("c", "a..b"), {}, "no name of a table"),
        (("c", ".b"), {}, "no name of a table"),
        (("c", "t; DROP TABLE t"), {}, "semicolon"),
        (("c", "t\x00"), {}, "NUL"),
        (("c", "/data/out"), {}, "give the URI of a folder as destination=, without SqlTable"),
        (("c", "s3://bucket/out"), {}, "give the URI of a folder as destination=, without SqlTable"),
        (("c", r"C:\out"), {}, "no name"),
        (("c", " t"), {}, "blanks around it"),
        (("c", "t"), {"create": "yes"}, r"SqlTable\(create=…\) takes True or False, not a value of type str"),
        (("c", "t"), {"owner_column": ""}, r"SqlTable\(owner_column=…\) takes one text"),
        (("c", "t"), {"owner_column": "a;b"}, r"SqlTable\(owner_column=…\) is 'a;b'"),
    ],
)
def test_what_can_never_be_right_fails_when_the_dag_is_parsed(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SqlTable(*arguments, **options)


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        (None, r"destination= is of type NoneType\. Give the URI .*, SqlTable\(conn_id, table\) for a table"),
        (SqlTable, "destination= is the class SqlTable"),
        (SqlRows("warehouse", "SELECT 1"), "destination= is of type SqlRows"),
        ("postgresql+psycopg://user:secret@host/shop", r"address of a database\. Give destination=SqlTable"),
        ("sql://warehouse@labels", r"address of a database\. Give destination=SqlTable"),
        ("shop.labels", r"'shop\.labels' is not an absolute path\. .* For a table of a database, give SqlTable"),
    ],
)
def test_what_is_neither_a_folder_nor_a_table_fails_when_the_dag_is_parsed(destination: Any, message: str) -> None:
    for kind in (operator, results):
        with pytest.raises(ConfigurationError, match=message) as error:
            kind(destination)
        assert "secret" not in str(error.value)


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl.gz"])
def test_a_format_of_files_is_refused_where_no_file_is_written(output_format: str) -> None:
    for kind in (operator, results):
        with pytest.raises(ConfigurationError, match=f"output_format='{output_format}' is given, but no file"):
            kind("xcom", output_format=output_format)


def test_dead_letters_are_no_path() -> None:
    for kind in (operator, results):
        with pytest.raises(ConfigurationError, match="dead_letters= must be True or False, not a value of type str"):
            kind("/out", dead_letters="/out/letters")


def test_a_table_is_no_source_of_rows() -> None:
    asked = {**ASKED, "rows": SqlTable("warehouse", "labels")}
    with DAG("d"), pytest.raises(ConfigurationError, match=r"SqlTable.* is a destination.*SqlRows\(conn_id, query\)"):
        MessageBatchOperator(task_id="t", destination="/out", **asked)


@pytest.mark.parametrize(
    "table", ["t", "s.t", "d.s.t", "Größe 1", 'a"b', "{{ params.a + '/' }}", "{% if x %}a;b{% endif %}"]
)
def test_other_names_and_templates_are_taken(table: str) -> None:
    assert SqlTable("c", table).table == table


def test_a_name_that_a_template_rendered_is_checked_when_the_task_runs() -> None:
    rendered = resolved(SqlTable("c", "{{ ds }};"))
    with pytest.raises(ConfigurationError, match=r"'2026-11-29;'.*Nothing was sent"):
        rendered.check()
    resolved(SqlTable("c", "{{ ds }}")).check()


@pytest.mark.parametrize(("name", "value"), [("output_format", "parquet"), ("xcom_max_bytes", 5)])
def test_what_means_nothing_for_a_table_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}= is given together with destination=SqlTable"):
        operator(SqlTable("c", "t"), **{name: value})
    with DAG("d"), pytest.raises(ConfigurationError, match=rf"{name}= is given together with destination=SqlTable"):
        MessageBatchResultsOperator(
            task_id="r", batch_ids=["msgbatch_1"], destination=SqlTable("c", "t"), **{name: value}
        )


def test_all_texts_are_rendered_and_the_original_is_not_changed() -> None:
    table = SqlTable("c_{{ ds }}", "t_{{ ds }}", create=True, owner_column="o_{{ ds }}")
    found = resolved(table)
    assert found.pinned() == {
        "conn_id": "c_2026-11-29", "table": "t_2026-11-29", "create": True, "owner_column": "o_2026-11-29",
    }  # fmt: skip
    assert table.table == "t_{{ ds }}"


def test_what_is_resolved_is_not_rendered_again() -> None:
    found = resolved(SqlTable("c", "{{ table }}"), table="{{ ds }}")
    assert found.table == "{{ ds }}"
    assert found.resolve(cast("Any", {})) is found


def test_the_tasks_whose_output_it_takes_come_first_also_if_it_is_mapped() -> None:
    @task
    def given() -> str:
        return "a"

    with DAG("d"):
        tables = [SqlTable(given(), given(), owner_column=given()), SqlTable("c", given())]
        tasks = [
            MessageBatchOperator(task_id="plain", destination=tables[0], **ASKED),
            MessageBatchOperator.partial(task_id="partial", destination=tables[1], **ASKED).expand(unit=["a"]),
            MessageBatchOperator.partial(task_id="mapped", **ASKED).expand(destination=tables),
            MessageBatchOperator.partial(task_id="kwargs", **ASKED).expand_kwargs([{"destination": tables[0]}]),
            MessageBatchResultsOperator(task_id="results", batch_ids=["msgbatch_1"], destination=tables[0]),
        ]
    assert [len(each.upstream_task_ids) for each in tasks] == [3, 1, 4, 3, 3]


def test_airflow_shows_and_stores_the_connection_and_the_table() -> None:
    name = "DagSerialization" if hasattr(serialized_objects, "DagSerialization") else "SerializedDAG"  # below 3.2
    table = SqlTable("warehouse", "analytics.{{ ds }}", create=True)
    with DAG("d", schedule=None) as dag:
        MessageBatchOperator(task_id="plain", destination=table, **ASKED)
        MessageBatchOperator.partial(task_id="partial", destination=table, **ASKED).expand(unit=["a"])
        MessageBatchOperator.partial(task_id="mapped", **ASKED).expand(destination=[table])
    shown = json.dumps(getattr(serialized_objects, name).to_dict(dag))
    assert shown.count("sql://warehouse@analytics.{{ ds }}") == 3
    assert "object at 0x" not in shown
    assert str(table) == repr(table) == table.serialize() == "sql://warehouse@analytics.{{ ds }}"


def test_a_deferral_keeps_the_table_as_plain_values() -> None:
    table = SqlTable("c", "t", create=True, owner_column="o")
    kept = json.loads(json.dumps(pinned_destination(table)))
    assert restored_destination(kept) == table
    assert restored_destination(pinned_destination("/out")) == "/out"


def test_tables_are_equal_by_their_arguments_and_can_be_copied() -> None:
    table = SqlTable("c", "t", create=True)
    assert {table, SqlTable("c", "t", create=True)} == {table}
    for other in (SqlTable("c", "t"), SqlTable("d", "t", create=True), "sql://c@t"):
        assert table != other
    for same in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))):  # noqa: S301
        assert same == table


def test_copies_of_a_task_have_the_same_upstream_output_in_its_table() -> None:
    @task
    def given() -> str:
        return "a"

    with DAG("d") as dag:
        MessageBatchOperator(task_id="t", destination=SqlTable("c", given()), **ASKED)
    task_of_dag: Any = dag.get_task("t")
    copied: Any = copy.deepcopy(dag).get_task("t")
    assert copied.upstream_task_ids == {"given"}
    assert copied.destination.table is task_of_dag.destination.table
