"""Moments and times with nanoseconds keep them in every text, comparison and step of arithmetic."""

from __future__ import annotations

import copy
import datetime
import pickle
from zoneinfo import ZoneInfo

import pytest

from anthropic_batches_provider.batches.rows import RowColumns
from anthropic_batches_provider.batches.rows.arrow.nanoseconds import NanosecondDatetime, NanosecondTime

BERLIN = ZoneInfo("Europe/Berlin")
PLAIN = datetime.datetime(2026, 10, 25, 2, 30, 0, 7, tzinfo=BERLIN, fold=1)
MOMENT = NanosecondDatetime.of(PLAIN, 8)
TIME = NanosecondTime.of(datetime.time(1, 2, 3), 4)


def kept(value: object) -> str:
    columns = RowColumns(keep=["v"]).columns_of({"v": value}, 0)
    return columns.decode().removeprefix('{"row_number":0,"v":').removesuffix("}")


def test_all_texts_have_nine_digits() -> None:
    assert str(MOMENT) == f"{MOMENT}" == "2026-10-25 02:30:00.000007008+01:00"
    assert MOMENT.isoformat() == "2026-10-25T02:30:00.000007008+01:00"
    assert MOMENT.isoformat(timespec="seconds") == "2026-10-25T02:30:00+01:00"
    assert f"{MOMENT:%Y-%m-%d}" == "2026-10-25"
    assert str(TIME) == f"{TIME}" == TIME.isoformat() == "01:02:03.000000004"
    assert TIME.isoformat("minutes") == f"{TIME:%H:%M}" == "01:02"
    assert (repr(MOMENT), repr(TIME)) == (f"NanosecondDatetime({MOMENT.isoformat()})", f"NanosecondTime({TIME})")


def test_in_json_too() -> None:
    assert kept(MOMENT) == '"2026-10-25T02:30:00.000007008+01:00"'
    assert kept(MOMENT.astimezone(datetime.UTC)) == '"2026-10-25T01:30:00.000007008Z"'
    assert (
        kept(NanosecondDatetime.of(datetime.datetime.fromisoformat("2026-01-01"), 9))
        == '"2026-01-01T00:00:00.000000009"'
    )
    assert kept(TIME) == '"01:02:03.000000004"'
    assert kept({"times": [TIME]}) == '{"times":["01:02:03.000000004"]}'


@pytest.mark.parametrize("value", [MOMENT, TIME])
def test_copies_are_the_same(value: NanosecondDatetime | NanosecondTime) -> None:
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        assert other == value
        assert str(other) == str(value)
        assert hash(other) == hash(value)


def test_arithmetic_keeps_them() -> None:
    day = datetime.timedelta(days=1)
    assert str(MOMENT + day) == str(day + MOMENT) == "2026-10-26 02:30:00.000007008+01:00"
    assert str(MOMENT - day) == "2026-10-24 02:30:00.000007008+02:00"
    assert not MOMENT - PLAIN
    assert str(MOMENT.replace(year=2027)) == "2027-10-25 02:30:00.000007008+02:00"
    assert str(MOMENT.astimezone(datetime.UTC)) == "2026-10-25 01:30:00.000007008+00:00"


def test_two_that_differ_in_a_nanosecond_are_two() -> None:
    utc = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    first, second = (NanosecondDatetime.of(utc, number) for number in (1, 2))
    assert utc < first < second
    assert first <= first
    assert second > first > utc
    assert second >= first
    assert first != second
    assert first != utc
    assert not first == second  # noqa: SIM201 - both operators are asked
    assert not first != NanosecondDatetime.of(utc, 1)  # noqa: SIM202
    assert len({utc, first, second, NanosecondDatetime.of(utc, 2), NanosecondDatetime.of(utc, 0)}) == 3
    assert NanosecondDatetime.of(utc, 0) == utc
    assert first != "text"
    noon = datetime.time(12)
    assert len({noon, NanosecondTime.of(noon, 1), NanosecondTime.of(noon, 1), NanosecondTime.of(noon, 0)}) == 2
    assert NanosecondTime.of(noon, 1) != noon
