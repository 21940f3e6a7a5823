"""Rows that wait to be loaded: each value comes back as the type of its column says."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.output.staged_rows import read_staged
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.table_values import TableValues
from anthropic_batches_provider.errors import CorruptLedgerError

COLUMNS = (
    TableColumn("id", "int64"),
    TableColumn("word", "string"),
    TableColumn("price", "decimal128(10, 2)"),
    TableColumn("day", "date32[day]"),
    TableColumn("time", "timestamp[us, tz=UTC]"),
    TableColumn("score", "double"),
    TableColumn("is_new", "bool"),
    TableColumn("answer", "json"),
)
DAY = datetime.date(2026, 1, 31)
LINES: dict[bytes, list[Any]] = {
    b'[1,"one","0.10","2026-01-31","2026-01-31T00:00:00Z",0.5,true,{"a": 1}]': [
        1, "one", Decimal("0.10"), DAY, "2026-01-31T00:00:00Z", 0.5, True, '{"a": 1}',
    ],
    b"[null,null,null,null,null,null,null,null]": [None] * 8,
    b'[9223372036854775807,"\\u0000\\"\\n",1.20,null,null,1,false,"text"]': [
        2**63 - 1, '\0"\n', Decimal("1.20"), None, None, 1.0, False, '"text"',
    ],
    b'[1,2.50,null,null,{"at": 1},null,null,[null]]': [1, "2.50", None, None, '{"at": 1}', None, None, "[null]"],
    b'[9223372036854775808,"two",null,null,null,null,null,null]': [None, "two", *[None] * 6],
    b'["one","one",null,"soon",null,null,null,null]': [None, "one", None, None, None, None, None, None],
}  # fmt: skip


@pytest.mark.parametrize(("line", "values"), LINES.items())
def test_a_line_gives_the_values_of_its_columns(line: bytes, values: list[Any]) -> None:
    (found,) = read_staged([line + b"\n"], COLUMNS)
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


def test_lines_are_read_one_by_one_whatever_others_hold() -> None:
    assert list(read_staged(LINES, COLUMNS)) == list(LINES.values())


@pytest.mark.parametrize("line", LINES)
def test_a_whole_line_gives_the_values_of_its_cells(line: bytes) -> None:
    cells = msgspec.json.decode(line, type=list[msgspec.Raw])
    assert list(read_staged([line], COLUMNS)) == [TableValues(COLUMNS).values(cells)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'[2,"sec', "line 2 is no JSON array"),
        (b"", "line 2 is no JSON array"),
        (b'"secret"', "line 2 is no JSON array"),
        (b"[2]", "line 2 has 1 cells instead of 2"),
        (b'[2,"secret",3]', "line 2 has 3 cells instead of 2"),
    ],
)
def test_a_damaged_line_is_named_and_what_to_do(line: bytes, what: str) -> None:
    rows = read_staged([b'[1,"a"]', line], COLUMNS[:2], uri="s3://jobs/table/part-00000.rows")
    assert next(rows) == [1, "a"]
    with pytest.raises(CorruptLedgerError, match=rf"part-00000\.rows is damaged: {what}\. Restore the file") as caught:
        next(rows)
    assert "sec" not in str(caught.value)
