"""The rows of the benchmark of tables: writes them as a source, and reads what shows whether an output is whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.worlds.warehouse import Warehouse

_GROUP_ROWS = 50_000  # a row group of about 30 MB
_BEGIN = 1_767_225_600  # 2026-01-01 in UTC
_SENTENCE = "The quick brown fox jumps over the lazy dog. " * 11
_PRICES = 10_000
_NO_LANGUAGE = 10  # every tenth row has none
_ADDED = ("id", "stars", "price")
_COUNTED = ("language", "written", "parsed_label", "parsed_score")


@dataclass(frozen=True)
class Found:
    """What an output holds, of whatever kind it is.

    :param types: the type of each column, as the output calls it.
    :param sums: of columns of numbers their sum, of others the number of their values.
    :param size: in bytes.
    """

    rows: int
    types: Mapping[str, str]
    sums: Mapping[str, Any]
    size: int

    def check(self, rows: int, types: Mapping[str, str]) -> None:
        """Check whether this is the output of so many rows.

        :raises RuntimeError: it is not.
        """
        expected = _sums(rows)
        wrong = [f"it has {self.rows} rows"] if self.rows != rows else []
        wrong += [
            f"{name}: {self.sums[name]}, not {expected[name]}" for name in expected if self.sums[name] != expected[name]
        ]
        wrong += [
            f"{name} is {self.types.get(name)}, not {types[name]}"
            for name in types
            if self.types.get(name) != types[name]
        ]
        if wrong:
            raise RuntimeError(f"The output is not that of {rows} rows: {'; '.join(wrong)}")


def _sums(rows: int) -> dict[str, int | Decimal]:
    return {
        "id": sum(range(rows)),
        "stars": sum(number % 5 for number in range(rows)),
        "price": sum(map(_price, range(rows)), Decimal()),
        "language": sum(1 for number in range(rows) if number % _NO_LANGUAGE),
        "written": rows,
        "parsed_label": rows,
        "parsed_score": rows,
    }


def _price(number: int) -> Decimal:
    return Decimal(number % _PRICES).scaleb(-2)


def write_parquet(file: Path, rows: int) -> Path:
    """Write the rows into a Parquet file."""
    import pyarrow
    from pyarrow import parquet

    types = {
        "id": pyarrow.int64(),
        "language": pyarrow.string(),
        "stars": pyarrow.int32(),
        "price": pyarrow.decimal128(10, 2),
        "written": pyarrow.timestamp("us", "UTC"),
        "title": pyarrow.string(),
        "text": pyarrow.string(),
    }
    schema = pyarrow.schema(list(types.items()))
    with parquet.ParquetWriter(file, schema) as writer:
        for begin in range(0, rows, _GROUP_ROWS):
            columns = zip(*map(_row, range(begin, min(begin + _GROUP_ROWS, rows))), strict=True)
            arrays = [pyarrow.array(values, kind) for values, kind in zip(columns, types.values(), strict=True)]
            writer.write_table(pyarrow.table(arrays, schema=schema), row_group_size=_GROUP_ROWS)
    return file


def _row(number: int) -> tuple[Any, ...]:
    return (
        number,
        "en" if number % _NO_LANGUAGE else None,
        number % 5,
        _price(number),
        (_BEGIN + number) * 1_000_000,
        f"Passage {number}, again",
        f"Label passage {number}. {_SENTENCE}",
    )


def write_table(warehouse: Warehouse, rows: int) -> None:
    """Write the same rows into the table ``passages``."""
    warehouse.execute(
        "CREATE TABLE passages (id bigint PRIMARY KEY, language text, stars integer, price numeric(10, 2), "
        "written timestamptz, title text, text text)"
    )
    warehouse.execute(
        "INSERT INTO passages SELECT n, CASE WHEN n %% %s > 0 THEN 'en' END, n %% 5, (n %% %s) / 100.0, "
        "to_timestamp(%s + n), 'Passage ' || n || ', again', 'Label passage ' || n || '. ' || %s "
        "FROM generate_series(0, %s) AS n",
        (_NO_LANGUAGE, _PRICES, _BEGIN, _SENTENCE, rows - 1),
    )


def in_parquet(folder: Path) -> Found:
    """Return what the Parquet files in a folder hold."""
    from pyarrow import compute, parquet

    files = sorted(folder.glob("*.parquet"))
    (schema,) = {parquet.read_schema(file) for file in files}
    rows, sums = 0, dict.fromkeys((*_ADDED, *_COUNTED), Decimal())
    for file in files:
        table = parquet.read_table(file, columns=list(sums))
        rows += table.num_rows
        for name in _ADDED:
            sums[name] += Decimal(compute.sum(table[name]).as_py())
        for name in _COUNTED:
            sums[name] += compute.count(table[name]).as_py()
    return Found(rows, {each.name: str(each.type) for each in schema}, sums, _size(files))


def in_lines(folder: Path) -> Found:
    """Return what the files of JSON Lines in a folder hold."""
    files = sorted(folder.glob("*.jsonl"))
    rows, sums = 0, dict.fromkeys((*_ADDED, *_COUNTED), Decimal())
    for file in files:
        with file.open("rb") as lines:
            for line in lines:
                rows += 1
                row = json.loads(line)
                row.update(parsed_label=row["parsed"]["label"], parsed_score=row["parsed"]["score"])
                for name in _ADDED:
                    sums[name] += Decimal(str(row[name]))
                for name in _COUNTED:
                    sums[name] += row[name] is not None
    return Found(rows, {}, sums, _size(files))


def in_table(warehouse: Warehouse) -> Found:
    """Return what the table ``labels`` holds."""
    ((rows, size, *values),) = warehouse.execute(
        "SELECT count(*), pg_total_relation_size('labels'), sum(id), sum(stars), sum(price), count(language), "
        "count(written), count(parsed_label), count(parsed_score) FROM labels"
    )
    types = warehouse.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'labels'"
    )
    return Found(rows, dict(types), dict(zip((*_ADDED, *_COUNTED), values, strict=True)), size)


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)
