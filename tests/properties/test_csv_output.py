"""CSV that this package writes: each reader finds the same texts, and this package's own the same nulls."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.output.delimited_files import read_delimited
from anthropic_batches_provider.batches.rows import read_row_file
from tests.worlds.delimited_rows import PIECES, csv_of

WORDS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
TEXTS = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CELLS = st.none() | TEXTS
Rows = list[list[str | None]]


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str | None] = CELLS) -> tuple[list[str], Rows]:
    names = draw(st.lists(WORDS.filter(str.strip), min_size=2, max_size=4, unique=True))
    rows = draw(st.lists(st.lists(cells, min_size=len(names), max_size=len(names)), max_size=6))
    return names, [row for row in rows if row != names]


def with_texts(rows: Rows) -> list[list[str]]:
    return [[cell or "" for cell in row] for row in rows]


@given(tables())
def test_its_own_reader_gives_back_texts_and_nulls(table: tuple[list[str], Rows]) -> None:
    names, rows = table
    found = list(read_delimited(io.BytesIO(csv_of(names, rows))))
    assert found == [dict(zip(names, row, strict=True)) for row in rows]


@given(st.lists(TEXTS | st.none(), max_size=6))
def test_one_column_alone_loses_no_row(cells: list[str | None]) -> None:
    data = csv_of(["a"], [[cell] for cell in cells])
    expected = [cell or "" for cell in cells]
    assert [row["a"] for row in read_delimited(io.BytesIO(data))] == expected
    assert [row for (row,) in csv.reader(io.StringIO(data.decode(), newline=""), strict=True)] == ["a", *expected]


@given(tables())
def test_python_reads_the_same_texts(table: tuple[list[str], Rows]) -> None:
    names, rows = table
    text = csv_of(names, rows).decode()
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [names, *with_texts(rows)]


@given(tables(CELLS.filter(lambda text: text is None or "\x00" not in text)))
def test_rows_of_the_next_job_have_the_same_texts(table: tuple[list[str], Rows]) -> None:
    names, rows = table
    names = [f"column {name}" for name in names]
    found = list(read_row_file(io.BytesIO(csv_of(names, rows)), name="rows.csv"))
    assert found == [dict(zip(names, row, strict=True)) for row in with_texts(rows)]


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed")
@given(tables(CELLS.filter(lambda text: text is None or "\x00" not in text)))
def test_pandas_reads_the_same_texts(table: tuple[list[str], Rows]) -> None:
    import pandas

    names, rows = table
    frame = pandas.read_csv(
        io.BytesIO(csv_of(names, rows)), dtype=str, keep_default_na=False, header=None, lineterminator="\n"
    )
    assert frame.to_numpy().tolist() == [names, *with_texts(rows)]


@pytest.mark.skipif(find_spec("duckdb") is None, reason="duckdb is not installed")
def test_duckdb_reads_the_same_texts_and_nulls(tmp_path: Path) -> None:
    import duckdb

    rows: list[list[Any]] = [[str(number), piece, piece * 2] for number, piece in enumerate(PIECES)]
    rows += [["null", None, None], ["empty", "", ""], ["mixed", None, ""]]
    path = tmp_path / "rows.csv"
    path.write_bytes(csv_of(["id", "a", "b"], rows))
    found = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', header=true, all_varchar=true, allow_quoted_nulls=false, delim=',', "
        "quote='\"', escape='\"', new_line='\\n')"
    ).fetchall()
    assert [list(row) for row in found] == rows
