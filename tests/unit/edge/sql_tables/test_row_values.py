"""Values as drivers take them: nothing changes but what the database cannot hold, and that is counted."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.edge.sql_tables.row_values import interval_text, row_adapter


def adapted(kind: str, column_type: str, value: Any) -> Any:
    return row_adapter(kind, [TableColumn("a", column_type)])([value])[0]


@pytest.mark.parametrize(
    ("column_type", "value", "found"),
    [
        ("string", "a\x00b\x00", "a\ufffdb\ufffd"),
        ("string", "\\u0000", "\\u0000"),
        ("string", None, None),
        ("int64", 5, 5),
        ("uint64", 2**64 - 1, 2**64 - 1),
        ("bool", True, True),
        ("binary", b"\x00", b"\x00"),
        ("decimal128(9, 2)", Decimal("1.10"), Decimal("1.10")),
        ("timestamp[ns, tz=UTC]", "2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000001Z"),
        ("json", r'{"a":"\u0000"}', r'{"a":"\ufffd"}'),
        ("json", r'{"a":"\\u0000"}', r'{"a":"\\u0000"}'),
        ("json", r'{"a":"\\\u0000"}', r'{"a":"\\\ufffd"}'),
        ("json", r'{"\u0000\u0000":1}', r'{"\ufffd\ufffd":1}'),
        ("json", r'"\ud83d\ude42"', r'"\ud83d\ude42"'),
        ("json", r'"\uD83D"', r'"\ufffd"'),
        ("json", r'"\ude42\ud83d"', r'"\ufffd\ufffd"'),
        ("json", r'"\ud83d\ud83d\ude42"', r'"\ufffd\ud83d\ude42"'),
        ("json", "[1.10]", "[1.10]"),
        ("struct<a: string>", r'{"a":"\u0000"}', r'{"a":"\ufffd"}'),
        ("duration[us]", "-P1DT0.000001S", "-1 days -0.000001 seconds"),
    ],
)
def test_a_value_for_postgres(column_type: str, value: Any, found: Any) -> None:
    assert adapted("postgresql", column_type, value) == found


@pytest.mark.parametrize(
    ("column_type", "value", "found"),
    [
        ("bool", True, 1),
        ("int64", 2**63 - 1, 2**63 - 1),
        ("int64", 2**63, str(2**63)),
        ("uint64", 5, "5"),
        ("decimal128(9, 2)", Decimal("1.10"), "1.10"),
        ("date32[day]", datetime.date(2026, 1, 2), "2026-01-02"),
        ("timestamp[us]", datetime.datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),  # noqa: DTZ001
        ("string", "a\x00", "a\x00"),
        ("binary", b"\x00", b"\x00"),
        ("double", 0.1, 0.1),
        ("json", "1", 1),
        ("json", '"01"', "01"),
        ("json", "0.1", 0.1),
        ("json", "1.5e300", 1.5e300),
        ("json", "12345678901234567890.12", "12345678901234567890.12"),
        ("json", "9223372036854775808", "9223372036854775808"),
        ("json", "true", 1),
        ("json", '{"a": "\\u0000"}', '{"a": "\\u0000"}'),
        ("json", "[1]", "[1]"),
        ("duration[us]", "P1D", "P1D"),
        ("string", None, None),
        ("decimal128(18, 12)", Decimal("0.000000000001"), "0.000000000001"),
        ("decimal128(18, 12)", Decimal("-0.0000001"), "-0.0000001"),
        ("decimal128(18, 12)", Decimal("999999.999999999999"), "999999.999999999999"),
        ("decimal128(18, 12)", Decimal("1.50"), "1.50"),
        ("decimal128(18, 12)", Decimal("1E+3"), "1E+3"),
        ("decimal128(18, 12)", Decimal("1E-999999"), "1E-999999"),
        ("decimal128(18, 12)", Decimal("NaN"), "NaN"),
    ],
)
def test_a_value_for_sqlite(column_type: str, value: Any, found: Any) -> None:
    seen = adapted("sqlite", column_type, value)
    assert (seen, type(seen)) == (found, type(found))


def test_another_database_gets_the_values_as_they_are() -> None:
    values = ["a\x00", True, Decimal("1.1")]
    columns = [TableColumn(name, kind) for name, kind in (("a", "string"), ("b", "bool"), ("c", "decimal128(2, 1)"))]
    assert row_adapter("mysql", columns)(list(values)) == values


def test_what_is_replaced_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    adapter = row_adapter("postgresql", [TableColumn("a", "string"), TableColumn("b", "json")])
    for _ in range(2):
        adapter(["\x00", r'"\u0000"'])
    adapter(["x", r'"\\u0000"'])
    assert adapter.replaced == {"a": 2, "b": 2}
    adapter.log_replaced()
    assert "2 values of 'a', 2 values of 'b'" in caplog.text


def test_nothing_is_said_if_nothing_was_replaced(caplog: pytest.LogCaptureFixture) -> None:
    row_adapter("postgresql", []).log_replaced()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("PT0S", "0 days 0.000000 seconds"),
        ("P1D", "1 days 0.000000 seconds"),
        ("-PT79200S", "-0 days -79200.000000 seconds"),
        ("P1DT2H3M4.5S", "1 days 7384.500000 seconds"),
        (datetime.timedelta(days=-1, microseconds=1), "-0 days -86399.999999 seconds"),
    ],
)
def test_a_duration_as_postgres_reads_it(value: Any, found: str) -> None:
    assert interval_text(value) == found


@pytest.mark.parametrize("value", ["1 month", "P1M", ""])
def test_a_text_that_is_no_duration_is_an_error_without_the_text(value: str) -> None:
    with pytest.raises(ValueError, match="no text of ISO 8601"):
        interval_text(value)


@pytest.mark.parametrize(
    ("number", "is_kept"),  # as PostgreSQL 18 takes or refuses them as jsonb
    [
        ("1e131071", True), ("1e131072", False), ("-1e140000", False), ("1e999999", False), ("1e-16383", True),
        ("1e-16384", False), ("1e-999999999", False), ("0e999999", True), ("12.5e131070", True), ("9" * 131_072, True),
        ("9" * 131_073, False), ("1.25e-9999", True), ("1e999", True),
    ],
)  # fmt: skip
def test_a_number_that_no_jsonb_holds_is_left_out_and_told(
    number: str, is_kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = row_adapter("postgresql", [TableColumn("a", "json")])
    for form in ("%s", "[%s]", '{"b": [%s]}'):
        text = form % number
        assert adapter([text]) == [text if is_kept else None]
    texts = '{"note": "1e999999", "n": 1}'
    assert adapter([texts]) == [texts], "a text is no number"
    adapter.log_replaced()
    assert ("3 values of 'a'" in caplog.text) is not is_kept
