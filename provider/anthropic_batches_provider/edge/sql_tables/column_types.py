"""Which type of a database holds the values of which type of column, in a table that is made or is there.

Invariant: a type fits only if no value changes in it. A value that is too large, too long or no member of an enum is
refused by the database when it is loaded: then nothing is lost, and the table stays as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

POSTGRES = "postgresql"
SQLITE = "sqlite"
MOST_BYTES_OF_A_NAME = 63  # in PostgreSQL, which cuts longer ones

_DECIMAL = re.compile(r"decimal(?:32|64|128|256)\((\d+), (-?\d+)\)")
_WITH_UNIT = re.compile(r"(timestamp|time32|time64|duration)\[(s|ms|us|ns)(, tz=.+)?\]")
_INTEGER = re.compile(r"(u?)int(8|16|32|64)")
_DIGITS_OF_UNIT = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DIGITS_OF_INT = {"smallint": 4, "integer": 9, "bigint": 18}
_FAMILIES = {
    "bool": "bool", "double": "double", "float": "float", "halffloat": "float", "string": "text",
    "large_string": "text", "json": "json", "date32[day]": "date", "date64[ms]": "date",
    "extension<arrow.uuid>": "uuid", "null": "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ValueKind:
    """What kind of values a column has.

    :param family: ``bool``, ``integer``, ``unsigned`` (of 64 bits), ``decimal``, ``double``, ``float``, ``text``,
        ``binary``, ``date``, ``time``, ``timestamp``, ``moment`` (with a zone), ``duration``, ``uuid``, ``json``, or
        ``null``.
    :param digits: of an integer or a decimal: the most digits.
    :param scale: of a decimal: those after the point; of times: those of a second.
    """

    family: str
    digits: int = 0
    scale: int = 0


def value_kind(column_type: str) -> ValueKind:
    """Return the kind of values of a type.

    :param column_type: as Arrow writes it, or ``json``.
    """
    if found := _INTEGER.fullmatch(column_type):
        bits = int(found[2])
        is_unsigned = bool(found[1]) and bits == 64
        return ValueKind("unsigned" if is_unsigned else "integer", {8: 3, 16: 5, 32: 10, 64: 20}[bits])
    if found := _DECIMAL.fullmatch(column_type):
        digits, scale = int(found[1]), int(found[2])
        return ValueKind("decimal", digits - min(scale, 0), max(scale, 0))
    if found := _WITH_UNIT.fullmatch(column_type):
        family = "time" if found[1].startswith("time") and found[1] != "timestamp" else found[1]
        return ValueKind("moment" if found[3] else family, scale=_DIGITS_OF_UNIT[found[2]])
    if "binary" in column_type.partition("<")[0]:
        return ValueKind("binary")
    return ValueKind(_FAMILIES.get(column_type, "json"))  # lists, structs and maps are written as JSON


def is_text_in_python(kind: ValueKind) -> bool:
    """Return whether the database has no exact type for such values, so that they are text."""
    return kind.scale > 6 and kind.family != "decimal"


# ------------------------------------------------------------------------------------------------ a table that is made

_POSTGRES = {
    "bool": "boolean", "unsigned": "numeric(20)", "double": "double precision", "float": "real", "text": "text",
    "binary": "bytea", "date": "date", "time": "time", "timestamp": "timestamp", "moment": "timestamptz",
    "duration": "interval", "uuid": "uuid", "json": "jsonb", "null": "text",
}  # fmt: skip
_SQLITE = {
    "bool": "INTEGER", "integer": "INTEGER", "double": "REAL", "float": "REAL", "binary": "BLOB",
    "json": "",  # a column without a type keeps numbers as numbers, and texts as texts
}  # fmt: skip
_OTHERS = {
    "bool": "boolean", "unsigned": "numeric(20)", "double": "double precision", "float": "double precision",
    "binary": "blob", "date": "date",
}  # fmt: skip
_POSTGRES_INT = {"int8": "smallint", "int16": "smallint", "uint8": "smallint", "int32": "integer", "uint16": "integer"}
_MOST_DIGITS_OF_OTHERS = 38


def sql_type(kind: str, column_type: str) -> str:
    """Return the type of a column in a table that is made for the rows.

    :param kind: see :attr:`.Database.kind`.
    :param column_type: as Arrow writes it, or ``json``.
    """
    value = value_kind(column_type)
    if kind == SQLITE:
        return _SQLITE.get(value.family, "TEXT")
    if is_text_in_python(value):
        return "text"
    if value.family == "decimal" and kind == POSTGRES:
        return "numeric"  # without sizes it keeps the digits of each value, and the next job may bring more
    if value.family == "decimal" and value.digits <= _MOST_DIGITS_OF_OTHERS:
        return f"numeric({max(value.digits, 1)}, {value.scale})"
    if value.family == "integer":
        return _POSTGRES_INT.get(column_type, "bigint")
    return (_POSTGRES if kind == POSTGRES else _OTHERS).get(value.family, "text")


# ------------------------------------------------------------------------------------------------ a table that is there


def fits(kind: str, column_type: str, target: str) -> bool:
    """Return whether a column of a table holds such values unchanged.

    :param column_type: of the values, as Arrow writes it, or ``json``.
    :param target: the type of the column, as the database writes it: of a domain, its base type; of an enum, ``enum``.
    """
    value = value_kind(column_type)
    return _fits_sqlite(value, target) if kind == SQLITE else _fits_postgres(value, target)


def is_text(kind: str, target: str) -> bool:
    """Return whether a column holds any text."""
    return fits(kind, "string", target) and (kind == SQLITE or _base_of(target)[0] in _TEXTS_OF_POSTGRES)


def most_characters(kind: str, target: str) -> float:
    """Return how many characters a column of texts holds; infinity, if the database sets no limit."""
    sizes = _base_of(target)[1]
    return sizes[0] if kind == POSTGRES and sizes else math.inf


_TEXTS_OF_POSTGRES = {"text", "character varying", "character", "citext"}
# Each of their values has one text, and the database checks each text.
_CHECKED_TEXTS = {
    "enum", "uuid", "inet", "cidr", "macaddr", "macaddr8", "xml", "bit", "bit varying", "time with time zone",
}  # fmt: skip
# What is text in JSON, and so has one form.
_FITS_TEXT = {"text", "uuid", "json", "integer", "unsigned", "decimal", "date", "time", "timestamp", "moment",
              "duration", "null"}  # fmt: skip
_MOMENTS = {
    "time": "time without time zone", "timestamp": "timestamp without time zone",
    "moment": "timestamp with time zone", "duration": "interval",
}  # fmt: skip
_EXACT = {
    "bool": {"boolean"}, "float": {"real", "double precision"}, "double": {"double precision"}, "binary": {"bytea"},
    "date": {"date"}, "uuid": {"uuid"}, "json": {"json", "jsonb"},
}  # fmt: skip


def _fits_postgres(value: ValueKind, target: str) -> bool:
    name, sizes = _base_of(target)
    family = value.family
    if family == "null" or (name in _TEXTS_OF_POSTGRES and family in _FITS_TEXT):
        return True
    if family == "text":
        return name in _CHECKED_TEXTS
    if is_text_in_python(value):
        return False
    if family in _MOMENTS:
        return name == _MOMENTS[family] and value.scale <= (sizes[0] if sizes else 6)
    if family in ("integer", "unsigned", "decimal"):
        return _fits_number(value, name, sizes)
    if name == "numeric":
        return family in ("double", "float") and not sizes
    return name in _EXACT.get(family, ())


def _fits_number(value: ValueKind, name: str, sizes: Sequence[int]) -> bool:
    """Return whether a number of PostgreSQL holds integers or decimals."""
    if name == "numeric":
        if not sizes:
            return True
        digits, scale = sizes[0], sizes[1] if len(sizes) > 1 else 0
        if value.family == "integer":  # whose values are rarely as large as their type, and are checked by the database
            return scale >= 0
        whole = 20 if value.family == "unsigned" else value.digits - value.scale
        return scale >= value.scale and digits - scale >= whole
    if value.family == "decimal":
        return value.scale == 0 and value.digits <= _DIGITS_OF_INT.get(name, 0)
    if name == "double precision":
        return value.family == "integer" and value.digits <= 10
    return value.family == "integer" and name in _DIGITS_OF_INT


def _base_of(target: str) -> tuple[str, tuple[int, ...]]:
    """Return the name of a type without its sizes, and these: ``timestamp(3) with time zone``."""
    found = re.search(r"\(([-\d, ]+)\)", target)
    sizes = tuple(int(each) for each in found[1].split(",")) if found else ()
    return re.sub(r"\s*\([-\d, ]+\)", "", target), sizes


_DATES_OF_SQLITE = {"date", "time", "timestamp", "moment"}
_NAMED_LIKE_DATES = re.compile(r"DATE|TIME", re.IGNORECASE)
_EXACT_DIGITS = 15  # SQLite turns a text of more digits into a float that is another number


def affinity(target: str) -> str:
    """Return what SQLite makes of values in a column, by the type that its table declares.

    The rules and their order: https://www.sqlite.org/datatype3.html#determination_of_column_affinity (2026-11-29).
    """
    name = target.upper()
    for words, found in ((("INT",), "INTEGER"), (("CHAR", "CLOB", "TEXT"), "TEXT"), (("BLOB",), "BLOB"),
                         (("REAL", "FLOA", "DOUBLE"[:4]), "REAL")):  # fmt: skip
        if any(word in name for word in words):
            return found
    return "NUMERIC" if name else "BLOB"


def _fits_sqlite(value: ValueKind, target: str) -> bool:
    found, family = affinity(target), value.family
    if found == "BLOB" or family == "null":
        return True
    if found == "TEXT":
        return family in _FITS_TEXT
    if family in _DATES_OF_SQLITE:
        return found == "NUMERIC" and bool(_NAMED_LIKE_DATES.search(target))
    if family == "json":
        return False  # not even in a column JSON, where SQLite makes the text "007" the number 7
    if family == "decimal":
        return found in ("NUMERIC", "REAL") and value.digits <= _EXACT_DIGITS
    if family in ("double", "float"):
        return found in ("REAL", "NUMERIC")
    if found == "REAL":
        return family == "integer" and value.digits <= 10
    return family in ("integer", "bool")
