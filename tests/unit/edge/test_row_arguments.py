"""Rows come from lists, callables and files, read again each time; wildcards find files in a fixed order."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, ObjectStoragePath, XComArg, task

from anthropic_batches_provider.batches.rows import Reading, SourceSchema
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.row_files import find_files
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

ROWS = [{"n": 1}, {"n": 2}]


def read(source: Any, **context: Any) -> list[Any]:
    return list(RowsArgument(source).read(context))  # type: ignore[arg-type]


def yielding() -> Iterator[dict[str, int]]:
    yield from ROWS


def test_lists_and_callables_give_their_rows() -> None:
    assert read(ROWS) == read(yielding) == read(lambda: ROWS) == read(iter(ROWS)) == ROWS


def test_a_callable_takes_what_it_names_of_the_context() -> None:
    assert read(lambda run_id: [{"run": run_id}], run_id="manual", ds="2026-03-14") == [{"run": "manual"}]


@pytest.mark.parametrize("source", [7, b"bytes", {"a": "mapping"}, lambda: None])
def test_what_holds_no_rows_is_refused(source: Any) -> None:
    with pytest.raises(ConfigurationError, match="Give a list of dicts"):
        read(source)


@pytest.mark.parametrize(
    ("module", "name", "expression"),
    [
        ("polars.lazyframe.frame", "LazyFrame", "table.collect()"),
        ("pyspark.sql.classic.dataframe", "DataFrame", "(row.asDict() for row in table.toLocalIterator())"),
    ],
)
def test_a_table_without_rows_here_is_refused_with_the_expression_for_them(
    module: str, name: str, expression: str
) -> None:
    methods = {"__iter__": lambda self: iter(["a column"]), "__arrow_c_stream__": lambda self: None}
    table = type(name, (), {"__module__": module, **(methods if "pyspark" in module else {})})()
    for source in (table, lambda: table):
        with pytest.raises(ConfigurationError) as caught:
            read(source)
        assert f"Give `{expression}`, " in str(caught.value)


TABLE = pyarrow.table({"n": [1, 2]})


@pytest.mark.parametrize(
    "source",
    [
        TABLE,
        lambda: TABLE,
        TABLE.to_batches()[0],
        TABLE.to_reader(),
        lambda: TABLE.to_reader(),
        lambda: iter(TABLE.to_batches()),
        [TABLE.slice(0, 1), TABLE.slice(1)],
    ],
)
def test_tables_in_memory_give_their_rows(source: Any) -> None:
    assert read(source) == ROWS


def test_a_table_is_never_taken_for_a_task_and_its_data_is_never_shown() -> None:
    table = type("DataFrame", (), {"__module__": "pandas", "task_id": "a", "output": "b", "__len__": lambda self: 2})()
    assert RowsArgument(table).serialize() == "<2 rows>"
    assert RowsArgument(TABLE).serialize() == "<2 rows>"
    assert RowsArgument(TABLE.to_reader()).serialize() == "<rows>"


@pytest.mark.parametrize(
    "source",
    [
        TABLE.to_reader(),
        iter(ROWS),
        [TABLE.to_reader()],
        (TABLE.to_reader(),),
        [TABLE.slice(0, 1), TABLE.slice(1).to_reader()],
    ],
)
def test_what_can_be_read_only_once_is_never_taken_for_an_empty_input(source: Any) -> None:
    rows = RowsArgument(source)
    context: Any = {}
    assert list(rows.read(context)) == ROWS
    with pytest.raises(ConfigurationError, match=r"can be read only once. Give a function that makes it: rows=lambda"):
        rows.read(context)


@pytest.mark.parametrize("source", [ROWS, TABLE, [TABLE], (TABLE.slice(0, 1), TABLE.slice(1))])
def test_rows_and_tables_in_memory_are_read_again(source: Any) -> None:
    rows = RowsArgument(source)
    context: Any = {}
    assert list(rows.read(context)) == list(rows.read(context)) == ROWS


def test_a_reader_tells_the_types_of_its_columns() -> None:
    schema = SourceSchema()
    context: Any = {}
    list(RowsArgument(TABLE).read(context, Reading(schema=schema)))
    assert schema.declared() == {"n": "int64"}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for day, name, content in (
        ("dt=1", "b.jsonl", b'{"n": 2}\n'),
        ("dt=1", "a.jsonl", b'{"n": 1}\n'),
        ("dt=1", "c.jsonl.gz", gzip.compress(b'{"n": 3}\n')),
        ("dt=2", "a.jsonl", b'{"n": 4}\n'),
        ("dt=1", "note.txt", b"no rows"),
    ):
        (tmp_path / day).mkdir(exist_ok=True)
        (tmp_path / day / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("dt=1/a.jsonl", [1]),
        ("dt=1/*.jsonl", [1, 2]),
        ("dt=1/*.jsonl*", [1, 2, 3]),
        ("dt=*/a.jsonl", [1, 4]),
        ("dt=[2-9]/?.jsonl", [4]),
        ("dt=*/*.csv", []),
        ("note*/x", []),
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_wildcards_find_files_in_order(lake: Path, pattern: str, numbers: list[int], scheme: str) -> None:
    assert [row["n"] for row in read(f"{scheme}{lake}/{pattern}")] == numbers


def test_a_wildcard_never_crosses_a_folder(lake: Path) -> None:
    assert find_files(f"{lake}/*.jsonl") == []


def test_a_row_that_is_broken_in_the_second_file_is_numbered_over_all(lake: Path) -> None:
    (lake / "dt=1" / "b.jsonl").write_text("{]")
    (_, broken) = read(f"{lake}/dt=1/*.jsonl")
    assert isinstance(broken, InvalidRowError)
    assert broken.row_number == 1
    assert "b.jsonl" in str(broken)


def test_a_file_that_is_missing_is_named_and_may_come_later(lake: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a retry looks for it again"):
        read(f"{lake}/dt=9/a.jsonl")


@pytest.mark.parametrize(
    "text",
    [
        "rows.jsonl",
        "None",
        "[{'id': 1, 'text': 'https://secret.example/'}]",
        '[{"id": "secret"}]',
        "*secret*.jsonl",
        "",
        "secret words",
    ],
)
def test_what_is_no_uri_and_no_absolute_path_is_refused_and_no_data_is_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not an absolute path.*rows=other_task\.output") as error:
        read(text)
    assert ("secret" in str(error.value)) == (text == "*secret*.jsonl")


def test_no_rendered_text_but_a_uri_is_shown_among_the_rendered_fields() -> None:
    def shown(text: str) -> str:
        task = SimpleNamespace(render_template=lambda text, context: text)
        context: Any = {"task": task}
        return RowsArgument(text).resolve(context).serialize()

    assert shown("s3://lake/dt=1/[ab]*.jsonl") == "s3://lake/dt=1/[ab]*.jsonl"
    assert shown("[{'id': 'secret'}]") == "A text of 18 characters"
    assert RowsArgument("{{ ti.xcom_pull('x') }}").serialize() == "{{ ti.xcom_pull('x') }}"


def test_a_scheme_without_its_provider_is_named() -> None:
    with pytest.raises(ConfigurationError, match="provider of that store is installed"):
        read("nosuch://bucket/rows.jsonl")


def test_only_a_uri_is_rendered_and_data_is_shown_as_a_number() -> None:
    task = SimpleNamespace(render_template=lambda text, context: text.replace("{{ ds }}", "2026-03-14"))
    context: Any = {"task": task}
    assert RowsArgument("/lake/dt={{ ds }}").resolve(context).source == "/lake/dt=2026-03-14"
    rows = [{"text": "{{ ds }}"}]
    resolved = RowsArgument(rows).resolve(context)
    assert resolved.source is rows
    assert json.dumps(resolved.serialize()) == '"<1 rows>"'
    assert "yielding" in RowsArgument(yielding).serialize()


def test_paths_are_taken(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(lake / "dt=1" / "*.jsonl") == [{"n": 1}, {"n": 2}]
    assert read(lambda: lake / "dt=1" / "a.jsonl") == [{"n": 1}]
    assert read(ObjectStoragePath(f"file://{lake}/dt=1/a.jsonl")) == [{"n": 1}]
    assert RowsArgument(ObjectStoragePath("s3://conn@bucket/a.jsonl")).source == "s3://conn@bucket/a.jsonl"
    with pytest.raises(ConfigurationError, match=r"rows= is the relative path 'a\.jsonl'"):
        RowsArgument(Path("a.jsonl"))


def test_a_task_in_place_of_its_output_is_refused_when_the_dag_is_parsed() -> None:
    @task
    def load() -> list[dict[str, int]]:
        return ROWS

    with pytest.raises(ConfigurationError, match=r"requests= is the @task function load, .*requests=load\(\)\."):
        RowsArgument(load, "requests")
    with pytest.raises(ConfigurationError, match=r"rows= is the task 'export', .*rows=export\.output\."):
        RowsArgument(EmptyOperator(task_id="export"))
    with DAG("d"):
        assert isinstance(RowsArgument(load()).source, XComArg)
