"""`files(…)`: what it takes, when each argument is checked, and what Airflow shows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import DAG, task

from anthropic_batches_provider.batches import file_options
from anthropic_batches_provider.batches.rows.formats import ROW_FORMATS
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import files
from tests.worlds.workbooks import workbook

NO_CONTEXT = cast("Any", {})


class Renderer:
    """A task whose templates are rendered by replacing ``{{ ds }}``."""

    dag = None
    task_id = "renderer"

    def render_template(self, value: Any, context: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{{ ds }}", "2026-11-29")
        if isinstance(value, dict):
            return {name: self.render_template(each, context) for name, each in value.items()}
        return type(value)(self.render_template(each, context) for each in value)


def numbered(tmp_path: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f'{{"n": {number}}}\n')
    return tmp_path


def read(source: Any) -> list[Any]:
    return list(RowsArgument(source).read(NO_CONTEXT))


def operator(**arguments: Any) -> MessageBatchOperator:
    with DAG("d"):
        return MessageBatchOperator(
            task_id="t", key="n", prompt="{{ row.n }}", model="m", max_tokens=1, destination="/out", **arguments
        )


def test_the_names_of_formats_are_those_of_the_list() -> None:
    assert sorted(each.option for each in ROW_FORMATS) == sorted(file_options.OPTIONS_OF_FORMATS)


def test_several_patterns_are_read_in_order_and_each_file_once(tmp_path: Path) -> None:
    lake = numbered(tmp_path, "a.jsonl", "b.jsonl", "c.jsonl")
    patterns = [f"{lake}/c.jsonl", lake / "[ab].jsonl", f"file://{lake}/a.jsonl"]
    assert [row["n"] for row in read(files(patterns))] == [2, 0, 1]
    assert [row["n"] for row in read([f"{lake}/b*", lake / "*.jsonl"])] == [1, 0, 2]
    assert [row["n"] for row in read(lambda: files(f"{lake}/*", format="jsonl"))] == [0, 1, 2]


@pytest.mark.parametrize(
    "spelled",
    ["file://{}/a.jsonl", "{}//a.jsonl", "{}/./a.jsonl", "file://{}/./*.jsonl"],
    ids=["file", "//", "./", "*"],
)
def test_a_file_in_two_spellings_is_read_once(tmp_path: Path, spelled: str) -> None:
    lake = numbered(tmp_path, "a.jsonl")
    assert read([f"{lake}/a.jsonl", spelled.format(lake)]) == [{"n": 0}]


def test_a_list_of_sources_is_read_one_after_the_other(tmp_path: Path) -> None:
    lake = numbered(tmp_path, "a.jsonl", "b.jsonl", "c.csv")
    (lake / "c.csv").write_text("n;m\n2;x\n")
    sources = [f"{lake}/b.jsonl", files(f"{lake}/c.csv", delimiter=";"), lake / "a.jsonl"]
    assert read(sources) == [{"n": 1}, {"n": "2", "m": "x"}, {"n": 0}]
    assert read(lambda: sources) == read(sources)
    shown = RowsArgument(sources).serialize()
    assert shown == f"[files('{lake}/b.jsonl'), files('{lake}/c.csv'), files('{lake}/a.jsonl')]"


def test_a_list_of_sources_is_rendered_and_checked_like_each_of_them(tmp_path: Path) -> None:
    lake = numbered(tmp_path, "2026-11-29.jsonl", "b.jsonl")
    rows = operator(rows=[files(f"{lake}/{{{{ ds }}}}.jsonl"), files(f"{lake}/b.jsonl", format="jsonl")]).rows
    assert list(rows.resolve(cast("Any", {"task": Renderer()})).read(NO_CONTEXT)) == [{"n": 0}, {"n": 1}]
    with pytest.raises(ConfigurationError, match="'b' is not an absolute path"):
        operator(rows=[files("/a"), files("b")])
    with pytest.raises(ConfigurationError, match="a list of sources that also holds a value of type dict"):
        operator(rows=[files("/a"), {"n": 1}])


def test_format_decides_whatever_the_name_of_the_file_says(tmp_path: Path) -> None:
    lake = numbered(tmp_path, "export.csv")
    assert read(files(f"{lake}/export.csv", format="jsonl")) == [{"n": 0}]


def test_a_table_is_read_as_its_options_say(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("n;text\n1;NULL\n2;é\n".encode("cp1252"))
    rows = [{"n": "1", "text": None}, {"n": "2", "text": "é"}]
    for nulls in ("NULL", ["NULL"], ("-", "NULL")):
        assert read(files(f"{tmp_path}/*.csv", delimiter=";", encoding="cp1252", null_values=nulls)) == rows


def test_an_option_that_the_format_does_not_use_is_refused(tmp_path: Path) -> None:
    lake = numbered(tmp_path, "a.jsonl")
    with pytest.raises(ConfigurationError, match=r"a\.jsonl is read as JSON Lines, which does not use delimiter="):
        read(files(f"{lake}/*", delimiter=";"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"uri": "/lake/*", "format": "exel"}, r"files\(format='exel'\): the formats are 'jsonl'"),
        ({"uri": "/lake/*", "encoding": "utf-9"}, r"files\(encoding='utf-9'\): Python knows no such encoding"),
        ({"uri": "/lake/*", "encoding": "base64"}, r"files\(encoding='base64'\): Python knows no such encoding"),
        ({"uri": "/lake/*", "delimiter": "::"}, r"files\(delimiter='::'\): give one character"),
        ({"uri": "/lake/*", "sheet": 0}, r"files\(sheet=0\): give the name of a sheet, or its number, from 1"),
        ({"uri": "/lake/*", "sheet": ""}, r"files\(sheet=''\): give the name"),
        ({"uri": "/lake/*", "sheet": True}, r"files\(sheet=True\): give the name"),
        (
            {"uri": "/lake/*", "header_row": 0},
            r"files\(header_row=0\): give the number of the row that holds the names",
        ),
        ({"uri": "/lake/*", "header_row": "0"}, r"files\(header_row=0\): give the number"),
        ({"uri": "/lake/*", "header_row": "-1"}, r"files\(header_row='-1'\): give the number"),
        ({"uri": "/lake/*", "header_row": "²"}, r"files\(header_row='²'\): give the number"),
        ({"uri": "lake/*"}, r"'lake/\*' is not an absolute path"),
        ({"uri": ["/lake/a", "lake/b"]}, r"'lake/b' is not an absolute path"),
        ({"uri": Path("lake")}, "relative path"),
        ({"uri": 7}, "not a value of type int"),
        ({"uri": []}, "not an empty list"),
        ({"uri": files("/lake/a")}, r"files\(…\) takes URIs and paths, not files\('/lake/a'\)"),
        ({"uri": "/lake/*", "format": "csv", "sheet": "A"}, r"files\(format='csv'\) does not use sheet="),
        ({"uri": "/lake/*", "format": "whole", "delimiter": ";"}, r"files\(format='whole'\) does not use delimiter="),
        ({"uri": "/lake/*", "format": "parquet", "encoding": "utf-8"}, r"does not use encoding="),
        ({"uri": ["/lake/a", 7]}, "not a value of type list"),
    ],
)
def test_what_can_never_be_right_fails_when_the_dag_is_parsed(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        operator(rows=files(**arguments))


def test_templates_are_checked_once_they_are_rendered(tmp_path: Path) -> None:
    lake = numbered(tmp_path, "2026-11-29.jsonl")
    rows = operator(rows=files("{{ ds }}.jsonl", format="{{ ds }}")).rows
    with pytest.raises(ConfigurationError, match=r"files\(format='2026-11-29'\)"):
        rows.resolve(cast("Any", {"task": Renderer()})).read(NO_CONTEXT)
    for uri in (f"{lake}/{{{{ ds }}}}.jsonl", [f"{lake}/{{{{ ds }}}}.jsonl"]):
        assert list(RowsArgument(uri).resolve(cast("Any", {"task": Renderer()})).read(NO_CONTEXT)) == [{"n": 0}]


def test_the_place_in_a_workbook_may_be_a_template(tmp_path: Path) -> None:
    name = "2026-11-29"
    book = workbook({"Notes": [["n"]], name: [["Report"], ["n"], [7]]})
    (tmp_path / f"{name}.xlsx").write_bytes(book)
    source = files(f"{tmp_path}/{{{{ ds }}}}.xlsx", sheet="{{ ds }}", header_row="{{ ds[-1:] }}")
    with pytest.raises(ConfigurationError, match=r"files\(header_row='{{ ds\[-1:\] }}'\)"):
        read(source)
    as_text = files(f"{tmp_path}/{{{{ ds }}}}.xlsx", sheet="{{ ds }}", header_row="2")
    assert list(operator(rows=as_text).rows.resolve(cast("Any", {"task": Renderer()})).read(NO_CONTEXT)) == [{"n": 7}]
    assert read(files(f"{tmp_path}/{name}.xlsx", sheet="2", header_row=2)) == [{"n": 7}]
    assert read(files(f"{tmp_path}/{name}.xlsx", sheet=2, header_row="2")) == [{"n": 7}]


def test_the_output_of_other_tasks_is_wired_and_never_rendered() -> None:
    @task
    def exported() -> list[str]:
        return ["/lake/{{ ds }}.jsonl"]

    with DAG("d"):
        upstream = exported()
        waiting = MessageBatchOperator(
            task_id="t", rows=files(upstream), key="n", prompt="{{ row.n }}", model="m", max_tokens=1, destination="/o"
        )
    assert waiting.upstream_task_ids == {"exported"}


def test_airflow_shows_a_label_and_no_options() -> None:
    assert RowsArgument(files("/lake/a.jsonl", encoding="cp1252")).serialize() == "files('/lake/a.jsonl')"
    assert RowsArgument(files(["/lake/a.jsonl", "/lake/b.jsonl"])).serialize() == "files(2 URIs)"
    assert RowsArgument(files('{"a": "data"}')).serialize() == "files(A text of 13 characters)"
