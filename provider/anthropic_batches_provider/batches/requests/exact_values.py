"""The user's own values as JSON can hold them: exactly, or not at all.

A type that is rebuilt from its parts loses what the parts do not hold: the nanoseconds of pandas, the months of a
duration, the seconds of an offset, which of two equal hours it is when clocks are set back. Such a value keeps them
here, or is refused. Nothing depends on an order that Python draws anew in each process.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
import ipaddress
import math
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping, Set
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import pendulum

from anthropic_batches_provider.batches.requests.wording import shortened

_NOT_FINITE = "JSON has no NaN or infinity; use None, or leave it out"
_WHOLE_MINUTE = datetime.timedelta(minutes=1)
_HARMLESS = frozenset((str, int, bool, type(None)))
_AS_THEY_ARE = (bytes, bytearray, memoryview, UUID)
_DATABASE_DRIVERS = frozenset(("psycopg", "psycopg2", "MySQLdb", "pymysql", "mysql", "oracledb"))
_NEVER_MISSING = frozenset((str, int, bool, dict, list, tuple))
_Clock = TypeVar("_Clock", datetime.datetime, datetime.time)


class NotJsonError(ValueError):
    """A value that JSON cannot hold; the text completes a sentence. Callers name the row or the argument."""


class FileFloat(float):
    """A number of a JSON file: it computes as a float, and is printed and encoded with the digits of its file."""

    __slots__ = ("digits",)

    digits: str

    def __new__(cls, digits: str) -> FileFloat:
        """Read the text of a JSON number."""
        self = super().__new__(cls, digits)
        self.digits = digits
        return self

    def __str__(self) -> str:
        return self.digits

    def __reduce__(self) -> tuple[type[FileFloat], tuple[str]]:
        return FileFloat, (self.digits,)

    __repr__ = __str__


def is_missing(value: Any) -> bool:
    """Return whether a value stands for a missing one: None, NaN, or NaT and NA of numpy and pandas."""
    if value is None:
        return True
    if type(value) in _NEVER_MISSING:
        return False
    try:
        differs = value != value  # only missing values differ from themselves
    except Exception:  # noqa: BLE001 - an object may refuse to be compared in any way, as Jinja's undefined does
        return isinstance(value, Decimal)  # a signaling NaN
    kind = type(differs).__name__
    return kind == "NAType" or (kind in ("bool", "bool_") and bool(differs) and _is_scalar(value))


def _is_scalar(value: Any) -> bool:
    """Return whether a value is no record, which also differs from itself if it holds NaN."""
    return isinstance(value, numbers.Number) or type(value).__module__.partition(".")[0] in ("numpy", "pandas")


def is_suspect(value: Any) -> bool:
    """Return whether a value must go through :func:`exact`: quick for types that JSON decodes to, True for others."""
    kind = type(value)
    if kind is dict:
        for name in value:
            if type(name) is not str:
                return True
        value = value.values()
    elif kind is datetime.datetime:
        return value.tzinfo is not None and value.tzinfo is not datetime.UTC  # other zones may have odd offsets
    elif kind is not list and kind is not tuple:
        return (
            kind not in _HARMLESS
            and kind is not datetime.date
            and not (isinstance(value, float) and math.isfinite(value))
        )
    for item in value:  # noqa: SIM110 - a generator expression would take twice the time
        if type(item) not in _HARMLESS and is_suspect(item):
            return True
    return False


def any_suspect(values: Iterable[Any]) -> bool:
    """Return whether one of several values must go through :func:`exact`; finite decimals, as tables hold, need not."""
    for value in values:
        kind = type(value)
        if kind is Decimal:
            if not value.is_finite():
                return True
        elif kind not in _HARMLESS and is_suspect(value):
            return True
    return False


def exact(value: Any, path: str = "") -> Any:
    """Return a value made of types that msgspec encodes exactly and always in the same order.

    :param path: where the value is, for errors.
    :raises NotJsonError: JSON cannot hold it.
    :raises RecursionError: it contains itself, or is nested too deeply.
    """
    kind = type(value)
    if kind in _HARMLESS or kind is FileFloat:
        return value
    if isinstance(value, Enum):
        return exact(value.value, path)
    if isinstance(value, Mapping):
        return _exact_mapping(value, path)
    if isinstance(value, (list, tuple)):
        return [exact(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Set):
        items = [exact(item, f"{path}{{}}") for item in value]
        return sorted(items, key=_sorting.encode)
    if kind in _AS_THEY_ARE:
        return value.tobytes() if kind is memoryview and not value.c_contiguous else value
    if isinstance(value, msgspec.Struct):
        return _exact_struct(value, path)
    if (fields := _fields(value)) is not None:
        return _exact_mapping(fields, path)
    try:
        plain = plain_value(value)
    except (TypeError, ValueError, OverflowError) as error:
        where = f" (at {shortened(path)})" if path else ""
        raise NotJsonError(f"{shortened(str(error), 200)}{where}") from error
    return plain if type(plain) in _PLAIN else exact(plain, path)


def plain_value(value: Any) -> Any:
    """Return a value of a type that msgspec encodes exactly, from one of a type that it does not know, or not exactly.

    :raises TypeError: there is none. The text completes a sentence.
    """
    if isinstance(value, FileFloat):
        return msgspec.Raw(value.digits.encode())
    if isinstance(value, str):
        return str.__str__(value)
    if is_missing(value):
        raise TypeError("JSON has no NaN or infinity, nor another sign of a missing value; use None, or leave it out")
    if type(value).__module__ == "numpy":
        return _plain_of_numpy(value)
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    advice = "; cast it to text in the query" if is_of_driver(value) else ""
    raise TypeError(f"objects of type {type(value).__name__} have no JSON form{advice}")


def is_of_driver(value: Any) -> bool:
    """Return whether a value has a type of a database's driver, such as a range: drivers give it different texts."""
    return type(value).__module__.partition(".")[0] in _DATABASE_DRIVERS


def _exact_mapping(value: Mapping[Any, Any], path: str) -> dict[Any, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = _name(key, path)
        if name in found:
            raise NotJsonError(
                f"two of its names are both {name!r} in JSON{f' (at {shortened(path)})' if path else ''}"
            )
        found[name] = exact(item, f"{path}.{name}" if path else name)
    return found


def _exact_struct(value: msgspec.Struct, path: str) -> msgspec.Struct:
    """Return a Struct for msgspec, which alone knows its tag, the names of its fields and which of them it omits."""
    made = copy.copy(value)
    for name, item in msgspec.structs.asdict(value).items():
        if item is msgspec.UNSET:
            continue
        plain = exact(item, f"{path}.{name}" if path else name)
        if not _is_native(item):
            msgspec.structs.force_setattr(made, name, plain)
    return made


def _is_native(value: Any) -> bool:
    """Return whether msgspec itself writes a field exactly, so that it can also tell whether it is a default."""
    if isinstance(value, Enum):
        return not is_suspect(value.value)
    return type(value) in _PLAIN or not is_suspect(value) or (isinstance(value, Set) and not value)


def _name(key: Any, path: str) -> str:
    """Return the name of a field: text, or what msgspec would make of a key that is no text."""
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    try:
        (name,) = msgspec.json.decode(msgspec.json.encode({exact(key): None}))
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        where = f" (at {shortened(path)})" if path else ""
        raise NotJsonError(f"the name {key!r:.40} of a field is no text{where}") from error
    return str(name)


def _fields(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a dataclass or an attrs class that are set, private ones too; None for others."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif (attributes := getattr(type(value), "__attrs_attrs__", None)) is not None:
        found = {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    else:
        return None
    return {name: item for name, item in found.items() if item is not msgspec.UNSET}


def without_digits(value: Any) -> Any:
    """Return a value of a file with plain floats in it; the value itself if it has no others."""
    kind = type(value)
    if kind is FileFloat:
        return float(value)
    if kind is dict:
        plain = {name: without_digits(item) for name, item in value.items()}
        return plain if any(plain[name] is not item for name, item in value.items()) else value
    if kind is list:
        items = [without_digits(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _plain_datetime(value: datetime.datetime) -> datetime.datetime | str:
    parts = value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
    plain = datetime.datetime(*parts, tzinfo=value.tzinfo, fold=value.fold)
    _check_offset(plain.utcoffset())
    return _with_nanoseconds(plain, value)


def _plain_time(value: datetime.time) -> datetime.time | str:
    offset = value.utcoffset()
    if value.tzinfo is not None and offset is None:
        raise TypeError("a time of day with a time zone has no offset without its date; use a datetime")
    _check_offset(offset)
    plain = datetime.time(value.hour, value.minute, value.second, value.microsecond, tzinfo=value.tzinfo)
    return _with_nanoseconds(plain, value)


def _with_nanoseconds(plain: _Clock, value: _Clock) -> _Clock | str:
    """Return a plain datetime or time; as text with nine digits of the second if the value has nanoseconds."""
    nanoseconds = getattr(value, "nanosecond", 0)
    if not nanoseconds:
        return plain
    text = plain.isoformat(timespec="microseconds")
    micros = text.index(".") + 7
    return f"{text[:micros]}{nanoseconds:03d}{text[micros:].replace('+00:00', 'Z')}"


def _plain_duration(value: datetime.timedelta) -> datetime.timedelta:
    if isinstance(value, pendulum.Duration) and not isinstance(value, pendulum.Interval):
        if value.years or value.months:
            raise TypeError("a duration of months or years has no exact length; give days, or text")
    elif getattr(value, "nanoseconds", 0):
        raise TypeError("the text of a duration holds no nanoseconds; give text, or a number")
    days, seconds, microseconds = (
        getattr(datetime.timedelta, part).__get__(value) for part in ("days", "seconds", "microseconds")
    )
    return datetime.timedelta(days=days, seconds=seconds, microseconds=microseconds)


def _check_offset(offset: datetime.timedelta | None) -> None:
    if offset is not None and offset % _WHOLE_MINUTE:
        raise TypeError(
            "its offset from UTC is no whole number of minutes, which its text cannot hold; convert it to UTC"
        )


def _plain_real(value: Any) -> float | int:
    try:
        plain = float(value)
    except OverflowError:  # a Fraction that is larger than any float
        plain = math.inf
    if plain == value:
        if not math.isfinite(plain):
            raise TypeError(_NOT_FINITE)
        return plain
    whole = int(value)
    if whole == value:
        return whole
    raise TypeError(f"a {type(value).__name__} has no exact JSON number; convert it, for example to text")


def _plain_decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise TypeError(_NOT_FINITE)
    return Decimal(value)


def _plain_of_numpy(value: Any) -> Any:
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.datetime64):
        return str(value)
    if isinstance(value, numpy.timedelta64):
        raise TypeError("a timedelta64 has no JSON form; convert it to a timedelta, or to a number")
    if isinstance(value, numpy.floating):
        return _plain_real(value)
    if isinstance(value, (numpy.integer, numpy.bool_, numpy.ndarray, numpy.bytes_)):
        return value.tolist()
    raise TypeError(f"objects of numpy's type {type(value).__name__} have no JSON form")


_NETWORKS = (
    ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
)  # fmt: skip
_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (datetime.datetime, _plain_datetime),
    (datetime.date, lambda value: datetime.date(value.year, value.month, value.day)),
    (datetime.time, _plain_time),
    (datetime.timedelta, _plain_duration),
    (Decimal, _plain_decimal),
    (UUID, lambda value: UUID(int=value.int)),
    (_NETWORKS, str),
    (numbers.Integral, int),
    (numbers.Real, _plain_real),
    (Mapping, dict),
)
_PLAIN = frozenset(
    (
        str,
        int,
        float,
        bool,
        Decimal,
        UUID,
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        msgspec.Raw,
    )
)
_sorting = msgspec.json.Encoder(enc_hook=plain_value)
