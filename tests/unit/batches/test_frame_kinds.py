"""Tables in memory are known by their classes: neither their columns nor other packages' frames deceive."""

from __future__ import annotations

from typing import Any

import pyarrow
import pytest

from anthropic_batches_provider.batches.frame_kinds import is_frame, is_pandas_frame, is_read_once, reader_inside


def made(module: str, name: str, *bases: type, **attributes: Any) -> object:
    return type(name, bases, {"__module__": module, **attributes})()


STREAM = {"__arrow_c_stream__": lambda self: None}
PANDAS = type("DataFrame", (), {"__module__": "pandas.core.frame"})
TABLE = pyarrow.table({"n": [1]})


@pytest.mark.parametrize(
    ("value", "is_one", "is_pandas"),
    [
        (made("pandas.core.frame", "DataFrame"), True, True),
        (made("geopandas.geodataframe", "GeoDataFrame", PANDAS), True, True),
        (made("pandas.core.series", "Series"), False, False),
        (made("astropy.table", "DataFrame"), False, False),
        (made("pandas_like", "DataFrame"), False, False),
        (made("polars.dataframe.frame", "DataFrame", **STREAM), True, False),
        (made("polars.lazyframe.frame", "LazyFrame"), False, False),
        (made("duckdb", "DuckDBPyRelation", **STREAM), True, False),
        (made("nanoarrow", "Array", __arrow_c_array__=lambda self: None), True, False),
        (made("pyspark.sql.classic.dataframe", "DataFrame", **STREAM), False, False),
        (made("any", "Attributes", __getattr__=lambda self, name: None), False, False),
        (TABLE, True, False),
        (TABLE.to_batches()[0], True, False),
        (TABLE.to_reader(), True, False),
        ({"n": 1}, False, False),
        ("text", False, False),
        (None, False, False),
    ],
)
def test_a_table_is_known_by_its_class(value: object, is_one: bool, is_pandas: bool) -> None:
    assert is_frame(value) is is_one
    assert is_pandas_frame(value) is is_pandas


READER = TABLE.to_reader()
ITERATOR = iter([{"n": 1}])


@pytest.mark.parametrize(
    ("source", "inside"),
    [
        ([READER], READER),
        ((TABLE, READER), READER),
        ([TABLE, ITERATOR], ITERATOR),
        ([ITERATOR], ITERATOR),
        ([TABLE, TABLE], None),
        ([{"n": 1}, READER], None),
        ([], None),
        (TABLE, None),
        (READER, None),
    ],
)
def test_a_reader_is_found_in_a_list_of_tables(source: Any, inside: Any) -> None:
    assert reader_inside(source) is inside


def test_readers_and_iterators_can_be_read_once() -> None:
    reader = made("nanoarrow", "Reader", read_next_batch=lambda self: None, **STREAM)
    assert all(map(is_read_once, [READER, ITERATOR, reader]))
    assert not any(map(is_read_once, [TABLE, [READER], {"n": 1}, "text", made("pandas", "DataFrame")]))
