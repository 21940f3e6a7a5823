"""Tables of text in any dialect, encoding and compression: no row is lost, doubled, moved or changed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.rows import read_row_file
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, 1),
    ".zst": zstandard.ZstdCompressor().compress,
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252", "shift_jis"]
LETTERS = ["a", "B", "0", " ", "'", "\\", "#", "-", "=1", "null", "NaN", "{}", "[", "<a>", "é", "€", "テ", "\U0001f600"]
PIECES = st.sampled_from([*LETTERS, ",", ";", "\t", "|", '"', '""', "\n", "\r\n", "\u2028", "\x85"])
WORDS = st.lists(PIECES, max_size=6).map("".join)


@dataclass(frozen=True)
class Table:
    """A table and the file that holds it."""

    names: list[str]
    rows: list[list[str]]
    data: bytes
    options: FileOptions
    suffix: str

    def expected(self) -> list[dict[str, str]]:
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]

    def read(self, data: bytes) -> tuple[list[dict[str, str] | InvalidRowError], Exception | None]:
        """Return what is read up to an error of the file, and that error."""
        found = []
        try:
            for row in read_row_file(io.BytesIO(data), name=f"rows.csv{self.suffix}", options=self.options):
                found.append(row)  # noqa: PERF402 - those before the error count
        except (ConfigurationError, InvalidRowError) as error:
            return found, error
        return found, None


@st.composite
def tables(draw: st.DrawFn) -> Table:
    encoding = draw(st.sampled_from(ENCODINGS))
    delimiter = draw(st.sampled_from(",;\t|"))
    words = WORDS.map(lambda word: word.encode(encoding, "ignore").decode(encoding))
    usable_names = words.filter(lambda name: not name.isspace() and name.lstrip()[:1] not in ("{", "[", "<"))
    names = draw(st.lists(usable_names, min_size=1, max_size=4, unique=True))
    rows = draw(st.lists(st.lists(words, min_size=len(names), max_size=len(names)), max_size=6))
    rows = [row for row in rows if row != names or len(names) == 1]
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=delimiter,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator="\r\n",
    )
    writer.writerows([names, *rows])
    written = text.getvalue()
    if "\r\n" not in "".join(["".join(row) for row in [names, *rows]]) and draw(st.booleans()):
        written = written.replace("\r\n", "\n")
    if draw(st.booleans()):
        written = written.removesuffix("\n").removesuffix("\r")
    suffix = draw(st.sampled_from(list(PACKED)))
    options = FileOptions(encoding=encoding, delimiter=delimiter)
    return Table(names, rows, PACKED[suffix](written.encode(encoding)), options, suffix)


@given(table=tables())
def test_a_table_that_is_written_comes_back(table: Table) -> None:
    assert table.read(table.data) == (table.expected(), None)


@given(table=tables(), share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_gives_no_wrong_row_except_for_the_end_of_its_last_cell(table: Table, share: float) -> None:
    kept = int(len(table.data) * share)
    found, error = table.read(table.data[:kept])
    expected = table.expected()
    assert len(found) <= len(expected)
    if table.suffix and kept > 3:
        assert error is not None
    for number, row in enumerate(found):
        if isinstance(row, InvalidRowError):
            assert number == len(found) - 1
        elif row != expected[number]:
            assert (number, table.suffix, error) == (len(found) - 1, "", None)
            assert is_cut_in_last_cell(row, expected[number])


def is_cut_in_last_cell(row: dict[str, Any], expected: dict[str, str]) -> bool:
    """Return whether a row is the expected one, up to somewhere in its last cell: such a cut cannot be noticed."""
    *names, last = expected
    return all(row[name] == expected[name] for name in names) and expected[last].startswith(row[last])
