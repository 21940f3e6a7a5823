"""A value of any type keeps its value in JSON, or is refused by name."""

from __future__ import annotations

import copy
import datetime
import enum
import fractions
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import jinja2
import msgspec
import pendulum
import pytest

from anthropic_batches_provider.batches.requests.encoding import (
    NotJsonError,
    encode_arguments,
    encode_columns,
    encode_values,
    written_json,
)
from anthropic_batches_provider.batches.requests.exact_values import FileFloat, is_missing

UTC = datetime.UTC
BERLIN = ZoneInfo("Europe/Berlin")


class Color(enum.Enum):
    RED = "red"


class OwnText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Rude:
    """An object that cannot be compared, as some of databases."""

    __hash__ = None  # type: ignore[assignment]

    def __ne__(self, other: object) -> bool:
        raise LookupError("not now")


@attrs.define
class Hidden:
    x: Any
    _more: Any = None


class Tagged(msgspec.Struct, tag="t", omit_defaults=True):
    names: set[Any] = msgspec.field(default_factory=set)


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    seen: Any = None


class Name(str, enum.Enum):  # noqa: UP042 - the older form, whose str() is another
    A = "x"


class Text(msgspec.Struct, tag_field="type", tag="text", rename="camel", omit_defaults=True):
    cache_control: str
    citations: Any = None


class Pair(msgspec.Struct, array_like=True):
    x: int
    y: int


class OwnUuid(uuid.UUID):
    """As asyncpg has its own."""


class Timestamp(datetime.datetime):
    """A datetime with nanoseconds, as pandas has it."""

    nanosecond = 0


def nanoseconds(number: int) -> Timestamp:
    moment = Timestamp(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    moment.nanosecond = number
    return moment


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("12.10"), '"12.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (b"ab", '"YWI="'),
        (memoryview(b"ab"), '"YWI="'),
        (Color.RED, '"red"'),
        (Level.HIGH, "3"),
        (fractions.Fraction(1, 2), "0.5"),
        (frozenset(("b", "a", "c")), '["a","b","c"]'),
        ({"tags": {"b", "a"}, "n": [{3, 2, 1}]}, '{"tags":["a","b"],"n":[[1,2,3]]}'),
        (datetime.datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01T00:00:00Z"'),
        (pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"), '"2026-01-01T00:00:00+01:00"'),
        (pendulum.date(2026, 1, 1), '"2026-01-01"'),
        (pendulum.time(1, 2), '"01:02:00"'),
        (datetime.time(1, 2, tzinfo=UTC), '"01:02:00Z"'),
        (datetime.timedelta(days=1, microseconds=3), '"P1DT0.000003S"'),
        (pendulum.duration(days=1), '"P1D"'),
        (pendulum.datetime(2026, 3, 1) - pendulum.datetime(2026, 1, 1), '"P59D"'),
        (nanoseconds(0), '"2026-01-01T00:00:00.123456Z"'),
        (nanoseconds(7), '"2026-01-01T00:00:00.123456007Z"'),
        ({1: "a", "b": Point(1)}, '{"1":"a","b":{"x":1,"seen":null}}'),
        (Text("hi"), '{"type":"text","cacheControl":"hi"}'),
        (Pair(1, 2), "[1,2]"),
        (Point(1, msgspec.UNSET), '{"x":1}'),
        (Point(1, {"b", "a"}), '{"x":1,"seen":["a","b"]}'),
        (Point(1, {2, "a", (3,), frozenset((10, 9))}), '{"x":1,"seen":["a",2,[10,9],[3]]}'),
        (Hidden(1, {"b", "a"}), '{"x":1,"_more":["a","b"]}'),
        ([Tagged(), Tagged({10, 9})], '[{"type":"t"},{"type":"t","names":[10,9]}]'),
        (OwnText("x"), '"x"'),
        (memoryview(b"abcd")[::2], '"YWM="'),
        (fractions.Fraction(2**60 + 1), "1152921504606846977"),
        (fractions.Fraction(10**400), "1" + "0" * 400),
        ({Name.A: 1, Color.RED: 2}, '{"x":1,"red":2}'),
        (OwnUuid(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ([FileFloat("12.10"), FileFloat("1E5"), FileFloat("1e400")], "[12.10,1E5,1e400]"),
    ],
)
def test_a_value_keeps_its_value(value: object, text: str) -> None:
    assert encode_values(value).decode() == text


def test_of_two_equal_hours_the_second_keeps_its_offset() -> None:
    first = pendulum.instance(datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0))
    second = pendulum.instance(datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1))
    assert encode_values([first, second]) == b'["2026-10-25T02:30:00+02:00","2026-10-25T02:30:00+01:00"]'


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "NaN or infinity"),
        ({"a": [1.0, float("inf")]}, r"\(at a\[1\]\)"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("Infinity"), "infinity"),
        (fractions.Fraction(1, 3), "no exact JSON number"),
        (datetime.datetime(1880, 1, 1, tzinfo=BERLIN), "no whole number of minutes"),
        (datetime.time(1, 2, tzinfo=BERLIN), "without its date"),
        (pendulum.duration(months=1), "no exact length"),
        ({0: "a", "0": "b"}, "both '0'"),
        ({True: 1}, "is no text"),
        ({"a": object()}, r"type object have no JSON form \(at a\)"),
        ({"a": "\ud800"}, "surrogate"),
        ({"a": Point(1, float("nan"))}, r"\(at a.seen\)"),
        (fractions.Fraction(10**400, 3), "no exact JSON number"),
        (jinja2.StrictUndefined(name="x"), "no JSON form"),
        (Rude(), "no JSON form"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: object, problem: str) -> None:
    with pytest.raises(NotJsonError, match=problem):
        encode_values(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = [{1, 2}]
    value.append(value)
    with pytest.raises(NotJsonError, match="contains itself"):
        encode_values(value)


def test_in_arguments_a_decimal_is_a_number() -> None:
    assert (
        encode_arguments({"temperature": Decimal("0.10"), "tags": {"b", "a"}})
        == b'{"temperature":0.10,"tags":["a","b"]}'
    )


def test_json_is_written_as_a_person_would() -> None:
    row = {
        "title": "<b>Tom & Jerry's</b>",
        "text": "明日",
        "day": datetime.date(2026, 1, 1),
        "price": FileFloat("1.10"),
    }
    assert written_json(row) == '{"title": "<b>Tom & Jerry\'s</b>", "text": "明日", "day": "2026-01-01", "price": 1.10}'
    assert written_json({"a": [1]}, indent=2) == json.dumps({"a": [1]}, indent=2)


def test_a_number_of_a_file_computes_as_a_float_and_keeps_its_digits() -> None:
    number = FileFloat("12.10")
    assert (number + 1, round(number), number == 12.1) == (13.1, 12, True)
    for same in (copy.copy(number), copy.deepcopy([number])[0]):
        assert (str(same), same) == ("12.10", 12.1)


@pytest.mark.parametrize("value", [None, float("nan"), Decimal("NaN"), Decimal("sNaN")])
def test_a_missing_value_is_known(value: object) -> None:
    assert is_missing(value)


@pytest.mark.parametrize(
    "value", ["", 0, False, [], {}, [None], float("inf"), Color.RED, msgspec.UNSET, Rude(), Hidden(Decimal("NaN"))]
)
def test_no_other_value_is_missing(value: object) -> None:
    assert not is_missing(value)


def test_an_integer_that_python_does_not_write_is_refused() -> None:
    for encode in (encode_values, lambda value: encode_columns({"a": value})):
        with pytest.raises(NotJsonError, match="digits"):
            encode(10**5000)


@pytest.mark.parametrize("digits", ["12.10", "-0", "0E-9", "1E+400", "123456789012345678901234567890.50"])
def test_a_column_of_decimals_is_written_as_any_other_value(digits: str) -> None:
    row = {"price": Decimal(digits), "kept": [Decimal(digits)]}
    assert encode_columns(row) == encode_values(row)
    assert encode_columns({"price": Decimal(digits)}) == b'{"price":"%b"}' % digits.encode()


@pytest.mark.parametrize("value", ["NaN", "sNaN", "-Infinity"])
def test_a_column_of_a_decimal_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(NotJsonError, match="NaN or infinity"):
        encode_columns({"price": Decimal(value)})
