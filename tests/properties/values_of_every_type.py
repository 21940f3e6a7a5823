"""Values of every type that rows may hold, and for each, by docs/values.md, its JSON and its text in a prompt.

The expectation is made from the parts of which a value is made, or read back from its text by the standard library; the
package has no part in it.
"""

from __future__ import annotations

import base64
import datetime
import enum
import importlib
import ipaddress
import json
import math
import re
import types
import uuid
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import jinja2
import msgspec
import pendulum
import pydantic
from hypothesis import strategies as st

numpy: Any
pandas: Any
try:  # where the object stores are tested
    numpy, pandas = map(importlib.import_module, ("numpy", "pandas"))
except ImportError:
    numpy = pandas = None


class _Refused:
    def __repr__(self) -> str:
        return "REFUSED"


REFUSED = _Refused()


class Digits(str):
    """A number of a JSON text, with its digits."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object of a JSON text: its fields in order, repeated ones too."""


class Unordered(list[Any]):
    """The elements of a set: expected in the order of their JSON."""


@dataclass(frozen=True)
class Reads:
    """A text that a parser of the test reads as a value."""

    as_: Any
    parse: Callable[[str], Any] = field(repr=False)


@dataclass(frozen=True)
class Sample:
    """A value, its JSON in the output, and its text in a prompt; :data:`REFUSED` in place of either.

    :param printed: None for the JSON.
    """

    value: Any
    kept: Any
    printed: Any = None


def parsed(text: str | bytes) -> Any:
    """Return a JSON text as it is: digits, order and repeated names included."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_float=Digits, parse_int=Digits, parse_constant=refuse, object_pairs_hook=Pairs)


def written(found: Any) -> bytes:
    """Return a parsed JSON text as compact JSON."""
    if isinstance(found, Digits):
        return found.encode()
    if isinstance(found, Pairs):
        return b"{%b}" % b",".join(b"%b:%b" % (written(name), written(item)) for name, item in found)
    if isinstance(found, list):
        return b"[%b]" % b",".join(map(written, found))
    return json.dumps(found, ensure_ascii=False).encode()


def agrees(found: Any, expected: Any) -> bool:
    """Return whether a parsed JSON text is the expected one."""
    if isinstance(expected, Unordered):
        in_order = isinstance(found, list) and list(map(written, found)) == sorted(map(written, found))
        return in_order and len(found) == len(expected) and _pairs_off(found, expected)
    if isinstance(expected, Pairs):
        return (
            isinstance(found, Pairs)
            and [name for name, _ in found] == [name for name, _ in expected]
            and all(agrees(one[1], other[1]) for one, other in zip(found, expected, strict=True))
        )
    if isinstance(expected, list):
        is_array = isinstance(found, list) and not isinstance(found, Pairs) and len(found) == len(expected)
        return is_array and all(map(agrees, found, expected))
    if isinstance(expected, Reads):
        return type(found) is str and _read(expected, found) == expected.as_
    if isinstance(expected, float):
        return isinstance(found, Digits) and _same_float(float(found), expected) and not re.fullmatch(r"-?\d+", found)
    return type(found) is type(expected) and bool(found == expected)


def _read(expected: Reads, text: str) -> Any:
    try:
        return expected.parse(text)
    except ValueError:
        return None


def _pairs_off(found: Sequence[Any], expected: Sequence[Any]) -> bool:
    left = list(expected)
    for item in found:
        match = next((number for number, each in enumerate(left) if agrees(item, each)), None)
        if match is None:
            return False
        del left[match]
    return True


def _same_float(one: float, other: float) -> bool:
    return one == other and math.copysign(1, one) == math.copysign(1, other)


# -------------------------------------------------------------------------------------------------------------- scalars


class OwnText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class OwnUuid(uuid.UUID):
    """As asyncpg has its own."""


class Timestamp(datetime.datetime):
    """A datetime with nanoseconds, as pandas has it."""

    nanosecond = 0


CLEAN = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(CLEAN, max_size=12) | st.sampled_from(["\u2028", "\x00\x7f", '"\\', "null", "NaN", "{{ row }}", "明"])


def _text(value: str) -> Sample:
    return Sample(value, value, value)


def _integer(value: int) -> Sample:
    return Sample(value, Digits(str(value)), str(value))


def _float(value: float) -> Sample:
    if math.isnan(value):
        return Sample(value, REFUSED, REFUSED)
    return Sample(value, value if math.isfinite(value) else REFUSED, repr(value))


def _decimal(value: Decimal) -> Sample:
    if value.is_nan():
        return Sample(value, REFUSED, REFUSED)
    return Sample(value, str(value) if value.is_finite() else REFUSED, str(value))


def _fraction(value: Fraction) -> Sample:
    kept: Any = Digits(str(value.numerator)) if value.denominator == 1 else REFUSED
    try:
        if Fraction(float(value)) == value:
            kept = float(value)
    except OverflowError:
        pass
    return Sample(value, kept, str(value))


def _bytes(value: Any, raw: bytes) -> Sample:
    return Sample(value, base64.b64encode(raw).decode(), REFUSED)


TEXT_SAMPLES = st.one_of(
    TEXTS.map(_text),
    TEXTS.map(lambda text: Sample(OwnText(text), text, text)),
    st.just(Sample("half \ud83d of a pair", REFUSED, REFUSED)),
)
NUMBERS = st.one_of(
    st.integers().map(_integer),
    st.integers(-(10**40), 10**40).map(_integer),
    st.builds(lambda: Sample(10**5000, REFUSED, REFUSED)),  # Python writes no such number
    st.floats().map(_float),
    st.booleans().map(lambda value: Sample(value, value, str(value))),
    st.decimals().map(_decimal),
    st.sampled_from(["12.10", "1E+400", "-0", "0E-9", "sNaN", "-Infinity", "123456789012345678901234567890.10"]).map(
        lambda digits: _decimal(Decimal(digits))
    ),
    st.fractions().map(_fraction),
    st.builds(lambda top, power: _fraction(Fraction(top, 2**power)), st.integers(), st.integers(0, 1100)),
    st.sampled_from([Fraction(2**60 + 1), Fraction(10**400), Fraction(10**400, 3)]).map(_fraction),
    st.complex_numbers().filter(lambda value: value == value).map(lambda value: Sample(value, REFUSED, str(value))),
)
UUIDS = st.uuids().map(lambda value: Sample(value, str(value), str(value))) | st.uuids().map(
    lambda value: Sample(OwnUuid(int=value.int), str(value), str(value))
)
BYTES = st.one_of(
    st.binary(max_size=8).map(lambda raw: _bytes(raw, raw)),
    st.binary(max_size=8).map(lambda raw: _bytes(bytearray(raw), raw)),
    st.binary(max_size=8).map(lambda raw: _bytes(memoryview(raw), raw)),
    st.binary(max_size=8).map(lambda raw: _bytes(memoryview(raw)[::2], raw[::2])),
)

# -------------------------------------------------------------------------------------------------- dates, times, spans

_DAY = datetime.timedelta(days=1)
_MINUTE = datetime.timedelta(minutes=1)
_OFFSETS = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
_ODD_OFFSETS = st.integers(-86399, 86399).map(lambda seconds: datetime.timezone(datetime.timedelta(seconds=seconds)))
_ZONES = st.one_of(st.none(), st.just(datetime.UTC), _OFFSETS, _ODD_OFFSETS, st.timezones())


def _moment(value: datetime.datetime, nanoseconds: int = 0) -> Sample:
    offset = value.utcoffset()
    expected = (value.replace(tzinfo=None, fold=0).isoformat(timespec="microseconds"), offset, nanoseconds)
    kept = REFUSED if offset is not None and offset % _MINUTE else Reads(expected, _read_moment)
    return Sample(value, kept, str(value))


def _read_moment(text: str) -> tuple[str, datetime.timedelta | None, int]:
    nanoseconds = 0
    if match := re.search(r"\.\d{6}(\d{3})", text):
        nanoseconds = int(match[1])
        text = text[: match.start(1)] + text[match.end(1) :]
    read = datetime.datetime.fromisoformat(text)
    return read.replace(tzinfo=None).isoformat(timespec="microseconds"), read.utcoffset(), nanoseconds


def _time(value: datetime.time) -> Sample:
    offset = value.utcoffset()
    if (value.tzinfo is not None and offset is None) or (offset is not None and offset % _MINUTE):
        return Sample(value, REFUSED, str(value))
    wall = value.replace(tzinfo=None, fold=0)

    def read(text: str) -> Any:
        found = datetime.time.fromisoformat(text)
        return found.replace(tzinfo=None), found.utcoffset()

    return Sample(value, Reads((wall, offset), read), str(value))


def _span(value: datetime.timedelta, microseconds: int | None) -> Sample:
    """Return a duration; None for one without an exact length."""
    kept = REFUSED if microseconds is None else Reads(microseconds, _read_span)
    return Sample(value, kept, str(value))


def _microseconds(value: datetime.timedelta) -> int:
    return value // datetime.timedelta(microseconds=1)


_SPAN = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?")


def _read_span(text: str) -> int:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is no ISO 8601 duration")
    days, hours, minutes, seconds = (int(match[number] or 0) for number in (2, 3, 4, 5))
    micros = int((match[6] or "").ljust(6, "0"))
    total = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000 + micros
    return -total if match[1] else total


def _duration(years: int, months: int, rest: datetime.timedelta) -> Sample:
    value = pendulum.duration(
        years=years, months=months, days=rest.days, seconds=rest.seconds, microseconds=rest.microseconds
    )
    return _span(value, None if years or months else _microseconds(rest))


def _with_nanoseconds(value: datetime.datetime, nanoseconds: int) -> Sample:
    moment = Timestamp.combine(value.date(), value.timetz())
    assert isinstance(moment, Timestamp)
    moment.nanosecond = nanoseconds
    return _moment(moment, nanoseconds)


_DATETIMES = st.builds(
    lambda value, fold: value.replace(fold=fold), st.datetimes(timezones=_ZONES), st.sampled_from((0, 1))
)
_SHIFTS = st.sampled_from(["2026-10-25T02:30", "2026-03-29T02:30", "1880-01-01"]).map(datetime.datetime.fromisoformat)
_LATER = st.datetimes(*map(datetime.datetime.fromisoformat, ("1900-01-01", "2100-01-01")))
_SPANS = st.timedeltas(datetime.timedelta(days=-10_000), datetime.timedelta(days=10_000))
MOMENTS = st.one_of(
    _DATETIMES.map(_moment),
    st.builds(
        lambda value, zone, fold: _moment(value.replace(tzinfo=zone, fold=fold)),
        _SHIFTS, st.timezones(), st.sampled_from((0, 1)),
    ),
    st.builds(
        lambda value, zone, fold: _moment(pendulum.instance(value.replace(fold=fold), tz=zone)),
        _SHIFTS | _LATER, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
        st.sampled_from((0, 1)),
    ),
    st.builds(_with_nanoseconds, _DATETIMES, st.integers(0, 999)),
)  # fmt: skip
DATES = st.one_of(
    st.dates().map(lambda value: Sample(value, value.isoformat(), value.isoformat())),
    st.dates().map(lambda value: Sample(pendulum.date(value.year, value.month, value.day), str(value), str(value))),
)
TIMES = st.one_of(
    st.times(timezones=_ZONES).map(_time),
    st.times().map(lambda value: _time(pendulum.time(value.hour, value.minute, value.second, value.microsecond))),
)
SPANS = st.one_of(
    st.timedeltas().map(lambda value: _span(value, _microseconds(value))),
    _SPANS.map(lambda value: _duration(0, 0, value)),
    st.builds(_duration, st.integers(-3, 3), st.integers(-13, 13), _SPANS),
    st.builds(
        lambda one, other: _span(pendulum.instance(one) - pendulum.instance(other), _microseconds(one - other)),
        _LATER, _LATER,
    ),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------- enums


class Color(enum.Enum):
    RED = "red"
    BLUE = ("b", 1)
    NAMES = frozenset(("b", "a", "c"))
    PRICE = Decimal("1.10")
    NOTHING = None
    MISSING = float("nan")
    THING = object()


class Shade(enum.StrEnum):
    DARK = "dark"


class Level(enum.IntEnum):
    HIGH = 3


class Old(str, enum.Enum):  # noqa: UP042 - the older form, whose str() is another
    A = "x"


class Share(float, enum.Enum):
    HALF = 0.5


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Bit(enum.IntFlag):
    ONE = 1
    TWO = 2


ENUMS = st.sampled_from([
    Sample(Color.RED, "red", REFUSED),
    Sample(Color.BLUE, ["b", Digits("1")], REFUSED),
    Sample(Color.NAMES, Unordered(["a", "b", "c"]), REFUSED),
    Sample(Color.PRICE, "1.10", REFUSED),
    Sample(Color.NOTHING, None, REFUSED),
    Sample(Color.MISSING, REFUSED, REFUSED),
    Sample(Color.THING, REFUSED, REFUSED),
    Sample(Shade.DARK, "dark", "dark"),
    Sample(Level.HIGH, Digits("3"), "3"),
    Sample(Old.A, "x", "x"),
    Sample(Share.HALF, 0.5, "0.5"),
    Sample(Right.READ | Right.WRITE, Digits("3"), REFUSED),
    Sample(Bit.ONE | Bit.TWO, Digits("3"), "3"),
])  # fmt: skip

# --------------------------------------------------------------------------------------------------- without JSON forms


class Nameless:
    pass


class Named:
    def __str__(self) -> str:
        return "a name"


class Rude:
    """An object that refuses every question."""

    def __eq__(self, other: object) -> bool:
        raise LookupError("not now")

    __ne__ = __eq__
    __hash__ = None  # type: ignore[assignment]


class Model(pydantic.BaseModel):
    x: int
    tags: set[str] = set()


def _letters() -> Any:
    yield "a"


OBJECTS = st.one_of(
    st.builds(lambda: Sample(Nameless(), REFUSED, REFUSED)),
    st.builds(lambda: Sample(Named(), REFUSED, "a name")),
    st.builds(lambda: Sample(Rude(), REFUSED, REFUSED)),
    st.builds(lambda: Sample(_letters(), REFUSED, REFUSED)),
    st.builds(lambda: Sample(iter([1]), REFUSED, REFUSED)),
    st.just(Sample(_letters, REFUSED, REFUSED)),
    st.just(Sample(range(3), REFUSED, "range(0, 3)")),
    st.builds(lambda x: Sample(Model(x=x), REFUSED, f"x={x} tags=set()"), st.integers()),
    st.builds(lambda: Sample(jinja2.Undefined(name="y"), REFUSED, REFUSED)),
    st.builds(lambda: Sample(jinja2.StrictUndefined(name="y"), REFUSED, REFUSED)),
    st.builds(lambda: Sample(jinja2.ChainableUndefined(name="y"), REFUSED, REFUSED)),
)
NOTHING = st.just(Sample(None, None, REFUSED))

# ----------------------------------------------------------------------------------------------------- numpy and pandas


def _numpy_samples() -> st.SearchStrategy[Sample]:
    def of_float(value: Any) -> Sample:
        return Sample(
            value, float(value) if math.isfinite(value) else REFUSED, REFUSED if value != value else str(value)
        )

    def of_timestamp(value: datetime.datetime, nanoseconds: int) -> Sample:
        moment = pandas.Timestamp(value) + pandas.Timedelta(nanoseconds=nanoseconds)
        expected = _moment(value, nanoseconds)
        return Sample(moment, expected.kept, str(moment))

    def of_span(value: datetime.timedelta, nanoseconds: int) -> Sample:
        span = pandas.Timedelta(value) + pandas.Timedelta(nanoseconds=nanoseconds)
        return Sample(span, REFUSED if nanoseconds else Reads(_microseconds(value), _read_span), str(span))

    missing = [pandas.NaT, pandas.NA, numpy.datetime64("NaT"), numpy.float64("nan"), numpy.float32("nan")]
    return st.one_of(
        st.sampled_from(missing).map(lambda value: Sample(value, REFUSED, REFUSED)),
        st.integers(-(2**63), 2**63 - 1).map(lambda value: Sample(numpy.int64(value), Digits(str(value)), str(value))),
        st.integers(0, 255).map(lambda value: Sample(numpy.uint8(value), Digits(str(value)), str(value))),
        st.floats().map(lambda value: of_float(numpy.float64(value))),
        st.floats(width=32).map(lambda value: of_float(numpy.float32(value))),
        st.booleans().map(lambda value: Sample(numpy.bool_(value), value, str(value))),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8).map(
            lambda text: Sample(numpy.str_(text), text, text)
        ),
        st.lists(st.integers(-9, 9), max_size=3).map(
            lambda items: Sample(numpy.array(items, dtype="int32"), [Digits(str(item)) for item in items])
        ),
        st.lists(st.floats(), min_size=1, max_size=3).map(
            lambda items: Sample(numpy.array(items), items if all(map(math.isfinite, items)) else REFUSED)
        ),
        st.lists(st.none() | st.text(CLEAN, max_size=3), min_size=1, max_size=3).map(
            lambda items: Sample(numpy.array(items, dtype=object), items)
        ),
        st.builds(of_timestamp, _LATER, st.integers(0, 999)),
        st.builds(of_timestamp, _LATER.map(lambda value: value.replace(tzinfo=datetime.UTC)), st.integers(0, 999)),
        st.builds(of_span, _SPANS, st.integers(0, 999)),
        st.just(Sample(numpy.timedelta64(1, "D"), REFUSED, "1 days")),
        st.just(Sample(pandas.Period("2026-01"), REFUSED, "2026-01")),
    )


NETWORKS = st.one_of(
    st.ip_addresses(),
    st.ip_addresses().map(lambda address: ipaddress.ip_interface(f"{address}/7")),
    st.ip_addresses().map(lambda address: ipaddress.ip_network(f"{address}/9", strict=False)),
).map(lambda value: Sample(value, str(value), str(value)))
SCALARS = st.one_of(TEXT_SAMPLES, NUMBERS, UUIDS, NETWORKS, MOMENTS, DATES, TIMES, SPANS, ENUMS, NOTHING)
if numpy is not None:
    SCALARS |= _numpy_samples()

# ----------------------------------------------------------------------------------------------------------- containers


def _container(value: Any, kept: Any, children: Sequence[Sample]) -> Sample:
    """Return a container, which is printed as its JSON."""
    return Sample(value, REFUSED if any(child.kept is REFUSED for child in children) else kept)


def _object(value: Any, kept: Any, children: Sequence[Sample]) -> Sample:
    """Return a container that is printed as Python does."""
    try:
        printed: Any = str(value)
        printed.encode()
    except Exception:  # noqa: BLE001 - whatever a value's own code raises
        printed = REFUSED
    return Sample(value, _container(value, kept, children).kept, printed)


def _list(children: list[Sample], make: Callable[[list[Any]], Any]) -> Sample:
    return _container(make([child.value for child in children]), [child.kept for child in children], children)


def _set(children: list[Sample], make: Callable[[Any], Any]) -> Sample:
    elements: dict[Any, Sample] = {}
    for child in children:
        elements.setdefault(child.value, child)
    found = list(elements.values())
    return _container(make(elements), Unordered([child.kept for child in found]), found)


Couple = namedtuple("Couple", "one other")

NAMES = st.one_of(
    TEXTS.map(lambda text: (text, text)),
    st.integers().map(lambda number: (number, str(number))),
    st.uuids().map(lambda value: (value, str(value))),
    st.dates().map(lambda value: (value, value.isoformat())),
    st.sampled_from([
        (Color.RED, "red"), (Shade.DARK, "dark"), (Level.HIGH, "3"), (Decimal("1.10"), "1.10"), (OwnText("x"), "x"),
        (True, REFUSED), (None, REFUSED), ((1, 2), REFUSED), ("\ud800", REFUSED),
    ]),
)  # fmt: skip


class OwnMapping(UserDict[Any, Any]):
    pass


_MAPPINGS: list[Callable[[dict[Any, Any]], Any]] = [dict, OrderedDict, types.MappingProxyType, OwnMapping]


def _mapping(entries: list[tuple[tuple[Any, Any], Sample]], make: Callable[[dict[Any, Any]], Any]) -> Sample:
    fields: dict[Any, tuple[Any, Sample]] = {}
    for (name, text), child in entries:
        fields.setdefault(name, (text, child))
    names = [text for text, _ in fields.values()]
    value = make({name: child.value for name, (_, child) in fields.items()})
    if REFUSED in names or len(set(names)) < len(names):
        return Sample(value, REFUSED)
    kept = Pairs((text, child.kept) for text, child in fields.values())
    return _container(value, kept, [child for _, child in fields.values()])


@dataclass
class Point:
    x: Any
    _seen: Any = None


@dataclass(frozen=True, slots=True)
class Frozen:
    x: Any


@attrs.define
class Attributes:
    x: Any
    _hidden: Any = None


class Text(msgspec.Struct, tag_field="type", tag="text", rename="camel", omit_defaults=True):
    cache_control: Any
    citations: Any = None
    shade: Any = Shade.DARK


class Pair(msgspec.Struct, array_like=True, frozen=True):
    x: Any
    y: Any


def _text_struct(one: Sample, other: Sample) -> Sample:
    fields = Pairs([("type", "text"), ("cacheControl", one.kept)])
    if other.value is not None:
        fields.append(("citations", other.kept))
    return _object(Text(one.value, other.value), fields, [one, other])


def _records(inner: st.SearchStrategy[Sample]) -> st.SearchStrategy[Sample]:
    return st.one_of(
        st.builds(
            lambda one, other: _object(
                Point(one.value, other.value), Pairs([("x", one.kept), ("_seen", other.kept)]), [one, other]
            ),
            inner, inner,
        ),
        st.builds(lambda one: _object(Frozen(one.value), Pairs([("x", one.kept)]), [one]), inner),
        st.builds(
            lambda one, other: _object(
                Attributes(one.value, other.value), Pairs([("x", one.kept), ("_hidden", other.kept)]), [one, other]
            ),
            inner, inner,
        ),
        st.builds(_text_struct, inner, inner),
        st.builds(lambda one, other: _object(Pair(one.value, other.value), [one.kept, other.kept], [one, other]),
                  inner, inner),
    )  # fmt: skip


def _is_hashable(sample: Sample) -> bool:
    try:
        hash(sample.value)
    except TypeError:
        return False
    return True


_HASHABLE = SCALARS.filter(_is_hashable)
ELEMENTS = st.recursive(
    _HASHABLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda children: _list(children, tuple)),
        st.lists(inner, max_size=3).map(lambda children: _set(children, frozenset)),
        inner.map(lambda one: _object(Frozen(one.value), Pairs([("x", one.kept)]), [one])),
    ),
    max_leaves=4,
)
SETS = st.builds(_set, st.lists(ELEMENTS, max_size=4), st.sampled_from([set, frozenset]))


def _containers(inner: st.SearchStrategy[Sample]) -> st.SearchStrategy[Sample]:
    return st.one_of(
        st.builds(_list, st.lists(inner, max_size=3), st.sampled_from([list, tuple])),
        st.builds(lambda one, other: _list([one, other], lambda items: Couple(*items)), inner, inner),
        st.builds(_mapping, st.lists(st.tuples(NAMES, inner), max_size=3), st.sampled_from(_MAPPINGS)),
        _records(inner),
    )


SAMPLES = st.recursive(st.one_of(SCALARS, BYTES, SETS, OBJECTS), _containers, max_leaves=5)
"""Values of every type, nested."""
