"""Which type of a database holds which values: the whole table of types that fit, and of those that are made."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.edge.sql_tables.column_types import affinity, fits, is_text, sql_type

POSTGRES = {
    "bool": "boolean", "smallint": "smallint", "integer": "integer", "bigint": "bigint", "real": "real",
    "double": "double precision", "numeric": "numeric", "text": "text", "varchar": "character varying(20)",
    "char": "character(4)", "citext": "citext", "bytea": "bytea", "date": "date", "time": "time without time zone",
    "timetz": "time with time zone", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "interval": "interval", "uuid": "uuid", "json": "json",
    "jsonb": "jsonb", "enum": "enum", "inet": "inet", "name": "name", "money": "money", "array": "bigint[]",
}  # fmt: skip
TEXTS = {"text", "varchar", "char", "citext"}
INTEGERS = {"smallint", "integer", "bigint", "numeric"}
FITS: dict[str, set[str]] = {
    "bool": {"bool"},
    "int8": {*INTEGERS, "double", *TEXTS},
    "int32": {*INTEGERS, "double", *TEXTS},
    "uint32": {*INTEGERS, "double", *TEXTS},
    "int64": {*INTEGERS, *TEXTS},
    "uint64": {"numeric", *TEXTS},
    "halffloat": {"real", "double", "numeric"},
    "float": {"real", "double", "numeric"},
    "double": {"double", "numeric"},
    "decimal128(9, 2)": {"numeric", *TEXTS},
    "decimal128(9, 0)": {"numeric", "integer", "bigint", *TEXTS},
    "decimal128(38, 0)": {"numeric", *TEXTS},
    "string": {*TEXTS, "enum", "uuid", "inet", "timetz"},
    "large_string": {*TEXTS, "enum", "uuid", "inet", "timetz"},
    "extension<arrow.uuid>": {*TEXTS, "uuid"},
    "binary": {"bytea"},
    "fixed_size_binary[16]": {"bytea"},
    "date32[day]": {*TEXTS, "date"},
    "time64[us]": {*TEXTS, "time"},
    "time32[s]": {*TEXTS, "time"},
    "time64[ns]": TEXTS,
    "timestamp[s]": {*TEXTS, "timestamp"},
    "timestamp[us]": {*TEXTS, "timestamp"},
    "timestamp[us, tz=Europe/Berlin]": {*TEXTS, "timestamptz"},
    "timestamp[ns, tz=UTC]": TEXTS,
    "timestamp[ns]": TEXTS,
    "duration[us]": {*TEXTS, "interval"},
    "duration[ns]": TEXTS,
    "json": {*TEXTS, "json", "jsonb"},
    "list<item: binary>": {*TEXTS, "json", "jsonb"},
    "struct<a: int64>": {*TEXTS, "json", "jsonb"},
    "null": set(POSTGRES),
}


@pytest.mark.parametrize("column_type", FITS)
def test_what_fits_where_in_postgres(column_type: str) -> None:
    assert {name for name, target in POSTGRES.items() if fits("postgresql", column_type, target)} == FITS[column_type]


@pytest.mark.parametrize(
    ("column_type", "target", "is_right"),
    [
        ("decimal128(9, 2)", "numeric(9,2)", True),
        ("decimal128(9, 2)", "numeric(8,2)", False),
        ("decimal128(9, 2)", "numeric(12,1)", False),
        ("decimal128(9, 2)", "numeric(12,4)", True),
        ("decimal128(9, 2)", "numeric(10,4)", False),
        ("decimal128(3, -2)", "numeric(5,0)", True),
        ("decimal128(3, -2)", "integer", True),
        ("uint64", "numeric(20,0)", True),
        ("uint64", "numeric(19,0)", False),
        ("int64", "numeric(5,0)", True),
        ("int64", "numeric(5,-2)", False),
        ("double", "numeric(9,2)", False),
        ("timestamp[us]", "timestamp(3) without time zone", False),
        ("timestamp[ms]", "timestamp(3) without time zone", True),
        ("timestamp[us, tz=UTC]", "timestamp(6) with time zone", True),
        ("time64[us]", "time(0) without time zone", False),
        ("duration[us]", "interval(0)", False),
        ("string", "bit varying(9)", True),
    ],
)
def test_sizes_of_postgres_count_where_a_value_would_be_rounded(column_type: str, target: str, is_right: bool) -> None:
    assert fits("postgresql", column_type, target) is is_right


SQLITE = {
    "none": "", "blob": "BLOB", "integer": "INTEGER", "bigint": "BIGINT", "real": "REAL", "double": "DOUBLE PRECISION",
    "text": "TEXT", "varchar": "VARCHAR(20)", "numeric": "NUMERIC", "decimal": "DECIMAL(9, 2)", "boolean": "BOOLEAN",
    "date": "DATE", "datetime": "DATETIME", "json": "JSON",
}  # fmt: skip
ANY = {"none", "blob"}
WHOLE = {"integer", "bigint", "numeric", "decimal", "boolean", "date", "datetime", "json"}
SQLITE_FITS: dict[str, set[str]] = {
    "bool": {*ANY, *WHOLE},
    "int32": {*ANY, *WHOLE, "real", "double", "text", "varchar"},
    "int64": {*ANY, *WHOLE, "text", "varchar"},
    "uint64": {*ANY, "text", "varchar"},
    "double": {*ANY, "real", "double", *(WHOLE - {"integer", "bigint"})},
    "decimal128(9, 2)": {*ANY, "real", "double", "text", "varchar", *(WHOLE - {"integer", "bigint"})},
    "decimal128(16, 2)": {*ANY, "text", "varchar"},
    "string": {*ANY, "text", "varchar"},
    "binary": ANY,
    "date32[day]": {*ANY, "text", "varchar", "date", "datetime"},
    "timestamp[ns]": {*ANY, "text", "varchar", "date", "datetime"},
    "json": {*ANY, "text", "varchar"},
    "null": set(SQLITE),
}


@pytest.mark.parametrize("column_type", SQLITE_FITS)
def test_what_fits_where_in_sqlite(column_type: str) -> None:
    found = {name for name, target in SQLITE.items() if fits("sqlite", column_type, target)}
    assert found == SQLITE_FITS[column_type]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("CHARINT", "INTEGER"),
        ("nvarchar(9)", "TEXT"),
        ("CLOB", "TEXT"),
        ("", "BLOB"),
        ("float", "REAL"),
        ("ANY", "NUMERIC"),
    ],
)
def test_the_affinity_of_a_declared_type(target: str, found: str) -> None:
    assert affinity(target) == found


@pytest.mark.parametrize("column_type", [*FITS, *SQLITE_FITS])
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_column_that_is_made_holds_its_values(kind: str, column_type: str) -> None:
    made = {"time": "time without time zone", "timestamp": "timestamp without time zone",
            "timestamptz": "timestamp with time zone"}  # fmt: skip
    target = sql_type(kind, column_type)
    assert fits(kind, column_type, made.get(target, target))


@pytest.mark.parametrize(
    ("column_type", "postgres", "sqlite", "other"),
    [
        ("int16", "smallint", "INTEGER", "smallint"),
        ("uint16", "integer", "INTEGER", "integer"),
        ("uint32", "bigint", "INTEGER", "bigint"),
        ("uint64", "numeric(20)", "TEXT", "numeric(20)"),
        ("float", "real", "REAL", "double precision"),
        ("decimal128(9, 2)", "numeric", "TEXT", "numeric(9, 2)"),
        ("decimal256(60, 2)", "numeric", "TEXT", "text"),
        ("string", "text", "TEXT", "text"),
        ("extension<arrow.uuid>", "uuid", "TEXT", "text"),
        ("binary", "bytea", "BLOB", "blob"),
        ("timestamp[ms]", "timestamp", "TEXT", "text"),
        ("timestamp[us, tz=UTC]", "timestamptz", "TEXT", "text"),
        ("timestamp[ns, tz=UTC]", "text", "TEXT", "text"),
        ("duration[us]", "interval", "TEXT", "text"),
        ("list<item: int64>", "jsonb", "", "text"),
        ("json", "jsonb", "", "text"),
    ],
)
def test_the_type_of_a_column_that_is_made(column_type: str, postgres: str, sqlite: str, other: str) -> None:
    assert [sql_type(kind, column_type) for kind in ("postgresql", "sqlite", "mysql")] == [postgres, sqlite, other]


@pytest.mark.parametrize(
    ("kind", "target", "is_right"),
    [
        ("postgresql", "character varying(200)", True),
        ("postgresql", "uuid", False),
        ("postgresql", "jsonb", False),
        ("sqlite", "TEXT", True),
        ("sqlite", "", True),
        ("sqlite", "INTEGER", False),
    ],
)
def test_a_column_for_the_owner_is_text(kind: str, target: str, is_right: bool) -> None:
    assert is_text(kind, target) is is_right
