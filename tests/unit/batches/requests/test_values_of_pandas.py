"""Values as pandas and numpy hold them; these are installed where the object stores are tested (make test-stores)."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests import PromptTemplate
from anthropic_batches_provider.batches.rows import RowColumns, prepare_rows
from anthropic_batches_provider.errors import InvalidRowError

numpy: Any = pytest.importorskip("numpy", reason="numpy is not installed: make test-stores runs this")
pandas: Any = pytest.importorskip("pandas", reason="pandas is not installed: make test-stores runs this")


def kept(value: object) -> bytes:
    return RowColumns(keep=["v"]).columns_of({"v": value}, 0).removeprefix(b'{"row_number":0,"v":').removesuffix(b"}")


def printed(value: object) -> str:
    return PromptTemplate("{{ row.v }}", SandboxedEnvironment(), {}).render({"v": value}, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (numpy.bool_(True), "true"),
        (numpy.int64(7), "7"),
        (numpy.float64(0.1), "0.1"),
        (numpy.float32(0.5), "0.5"),
        (numpy.str_("x"), '"x"'),
        (numpy.array(["a", "b"]), '["a","b"]'),
        (numpy.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]"),
        (numpy.datetime64("2026-01-01"), '"2026-01-01"'),
        (numpy.datetime64("2026-01-01T00:00:00.123456789"), '"2026-01-01T00:00:00.123456789"'),
        (pandas.Timestamp("2026-01-01T00:00:00.123456789"), '"2026-01-01T00:00:00.123456789"'),
        (pandas.Timestamp("2026-01-01", tz="UTC"), '"2026-01-01T00:00:00Z"'),
        (pandas.Timedelta(days=1), '"P1D"'),
        (pandas.Series(["a"], dtype="category").iloc[0], '"a"'),
    ],
)
def test_a_value_keeps_its_value(value: object, text: str) -> None:
    assert kept(value).decode() == text


@pytest.mark.parametrize(
    "value",
    [
        pandas.NaT, pandas.NA, numpy.float64("nan"), numpy.datetime64("NaT"), numpy.array([1.0, float("nan")]),
        pandas.Timedelta(nanoseconds=1), numpy.timedelta64(1, "D"), pandas.Period("2026-01"), pandas.Series([1]),
    ],
)  # fmt: skip
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidRowError, match=r"Row 0 .*column 'v', which `keep` names"):
        kept(value)


@pytest.mark.parametrize("value", [pandas.NaT, pandas.NA, numpy.float64("nan"), numpy.datetime64("NaT")])
def test_a_missing_value_is_not_printed(value: object) -> None:
    with pytest.raises(InvalidRowError, match="prints a missing value"):
        printed(value)
    template = PromptTemplate("{{ row.v | default('none') }}", SandboxedEnvironment(), {})
    assert template.render({"v": value}, 0) == "none"


def test_values_are_printed() -> None:
    assert printed(numpy.array(["a", "b"])) == '["a", "b"]'
    assert printed(numpy.int64(7)) == "7"
    assert printed(pandas.Timestamp("2026-01-01")) == "2026-01-01 00:00:00"
    with pytest.raises(InvalidRowError, match="prints"):
        printed(numpy.array([1.0, float("nan")]))


def test_keys_that_differ_in_a_nanosecond_are_two_keys(tmp_path: Path) -> None:
    moment = pandas.Timestamp("2026-01-01T00:00:00.000000001")
    rows = [{"at": moment}, {"at": moment + pandas.Timedelta(nanoseconds=1)}]
    found = list(
        prepare_rows(rows, columns=RowColumns(key="at"), encode=lambda row, number: b"{}", spool_folder=tmp_path)
    )
    assert [each.columns for each in found] == [
        b'{"at":"2026-01-01T00:00:00.000000001"}',
        b'{"at":"2026-01-01T00:00:00.000000002"}',
    ]


def test_rows_of_a_frame_are_taken() -> None:
    days = pandas.to_datetime(["2026-01-01", "2026-01-02"])
    frame = pandas.DataFrame({"id": [1, 2], "ok": [True, False], "day": days})
    columns = RowColumns(key="id", keep="*")
    for rows in (frame.to_dict("records"), [dict(row) for _, row in frame.iterrows()]):
        first = columns.columns_of(rows[0], 0)
        assert first == b'{"id":1,"ok":true,"day":"2026-01-01T00:00:00"}'
    assert isinstance(frame.to_dict("records")[0]["day"], datetime.datetime)
