"""Rows come from lists, callables and files, read again each time; wildcards find files in a fixed order."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anthropic_batches_provider.edge.row_arguments import RowsArgument, find_files
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
    [("pandas.core.frame", "DataFrame", 'table.to_dict("records")'), ("pyarrow.lib", "Table", "table.to_pylist()")],
)
def test_a_table_in_memory_is_refused_with_the_expression_for_its_rows(module: str, name: str, expression: str) -> None:
    table = type(name, (), {"__module__": module, "__iter__": lambda self: iter(["a column"])})()
    for source in (table, lambda: table):
        with pytest.raises(ConfigurationError) as caught:
            read(source)
        assert f"Give `{expression}`, " in str(caught.value)


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
    with pytest.raises(InvalidRowError) as broken:
        read(f"{lake}/dt=1/*.jsonl")
    assert broken.value.row_number == 1
    assert "b.jsonl" in str(broken.value)


def test_a_file_that_is_missing_is_named_and_may_come_later(lake: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a retry looks for it again"):
        read(f"{lake}/dt=9/a.jsonl")


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not an absolute path"):
        read("rows.jsonl")


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
