"""The XML of a workbook's sheets and texts as it is stored, read as a stream; what the cells mean is not known here.

Prefixes alone distinguish namespaces, so that files in the strict form of the standard are read, too. A
document type, with which XML can blow up, is refused: workbooks have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, NoReturn
from xml.parsers import expat

from anthropic_batches_provider.batches.rows.excel.cell_addresses import (
    CellRange,
    UnreadableXmlError,
    cell_range,
    column_number,
)

_READ_BYTES = 1 << 18
_MOST_CHARACTERS = 1 << 24  # of a cell; Excel itself holds 32,767
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")

Attributes = dict[str, str]


class RawCell(NamedTuple):
    """A cell that holds a formula or characters.

    :ivar column: its number, from 1.
    :ivar kind: the type as stored, such as ``n`` for a number and ``s`` for the number of a shared text.
    :ivar style: the number of its style.
    :ivar text: the stored value; empty if there is none.
    :ivar has_formula: whether a formula is behind the value.
    :ivar formula_range: the further cells that the formula fills, such as ``E2:E11``.
    """

    column: int
    kind: str
    style: int
    text: str
    has_formula: bool = False
    formula_range: str | None = None


RawRow = tuple[int, list[RawCell]]
"""The number of a row, from 1, and its cells in the order of their columns."""


def rows_of_cells(source: IO[bytes]) -> Iterator[RawRow]:
    """Yield the rows of a sheet that hold something, in order.

    :param source: the XML of the sheet.
    :raises UnreadableXmlError: it cannot be read; rows before the fault have been yielded.
    """
    sheet = _Sheet()
    for _ in _parsed(source, sheet.start, sheet.end, sheet.characters):
        yield from sheet.rows
        sheet.rows.clear()


def merged_ranges(source: IO[bytes]) -> list[CellRange]:
    """Return the merged ranges of a sheet, by their first row. They stand after its cells in the XML.

    :param source: the XML of the sheet.
    :raises UnreadableXmlError: it cannot be read.
    """
    if not _mentions(source, b"mergeCell"):
        return []
    source.seek(0)
    found: list[CellRange] = []

    def start(name: str, attributes: Attributes) -> None:
        if _local(name) == "mergeCell":
            found.append(cell_range(attributes.get("ref", "")))

    for _ in _parsed(source, start, _nothing, _nothing):
        pass
    return sorted(found, key=lambda each: each.first_row)


def shared_texts(source: IO[bytes]) -> list[str]:
    """Return the texts that cells name by number.

    :param source: the XML of the shared texts.
    :raises UnreadableXmlError: it cannot be read.
    """
    texts = _Texts()
    for _ in _parsed(source, texts.start, texts.end, texts.characters):
        pass
    return texts.texts


def elements(source: IO[bytes]) -> Iterator[tuple[tuple[str, ...], Attributes]]:
    """Yield each element of a small XML document: its path of names without prefixes, and its attributes, likewise.

    :raises UnreadableXmlError: it cannot be read.
    """
    path: list[str] = []
    found: list[tuple[tuple[str, ...], Attributes]] = []

    def start(name: str, attributes: Attributes) -> None:
        path.append(_local(name))
        found.append((tuple(path), {_local(each): value for each, value in attributes.items()}))

    for _ in _parsed(source, start, lambda _: path.pop(), _nothing):
        yield from found
        found.clear()


def unescaped(text: str) -> str:
    """Return a text without the escapes of the standard, such as ``_x000D_`` for a carriage return."""
    if "_x" not in text:
        return text
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


class _Text:
    """Gathers the characters of the elements that hold text; never those of phonetic guides."""

    def __init__(self) -> None:
        self._prefix: str | None = None
        self._pieces: list[str] = []
        self._length = 0
        self._takes = self._is_phonetic = False

    def characters(self, text: str) -> None:
        if self._takes:
            self._pieces.append(text)
            self._length += len(text)
            if self._length > _MOST_CHARACTERS:
                raise UnreadableXmlError("a cell holds far more text than a cell can")

    def _taken(self) -> str:
        """Return the text, and begin the next."""
        text = "".join(self._pieces)
        self._pieces.clear()
        self._length = 0
        return text

    def _part(self, name: str) -> str:
        """Return an element's name without the prefix of the document's own namespace, which its root shows."""
        if self._prefix is None:
            self._prefix = name.removesuffix(_local(name))
        return name.removeprefix(self._prefix) if self._prefix else name


class _Texts(_Text):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def start(self, name: str, _: Attributes) -> None:
        part = self._part(name)
        if part == "t":
            self._takes = not self._is_phonetic
        elif part == "rPh":
            self._is_phonetic = True

    def end(self, name: str) -> None:
        part = self._part(name)
        if part == "t":
            self._takes = False
        elif part == "rPh":
            self._is_phonetic = False
        elif part == "si":
            self.texts.append(unescaped(self._taken()))


class _Sheet(_Text):
    """Gathers the rows of a sheet.

    :ivar rows: those that are complete; the caller who takes them clears the list.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[RawRow] = []
        self._columns: dict[str, int] = {}
        self._row_number = self._column = 0
        self._row_digits = ""
        self._cells: list[RawCell] = []
        self._cell: Attributes = {}
        self._formula: Attributes | None = None

    def start(self, name: str, attributes: Attributes) -> None:
        part = self._part(name)
        if part == "c":
            self._start_cell(attributes)
        elif part in ("v", "t"):
            self._takes = not self._is_phonetic
        elif part == "f":
            self._formula = attributes
        elif part == "row":
            self._start_row(attributes)
        elif part == "rPh":
            self._is_phonetic = True

    def end(self, name: str) -> None:
        part = self._part(name)
        if part in ("v", "t"):
            self._takes = False
        elif part == "c":
            self._end_cell()
        elif part == "row" and self._cells:
            self.rows.append((self._row_number, self._cells))
            self._cells = []
        elif part == "rPh":
            self._is_phonetic = False

    def _start_row(self, attributes: Attributes) -> None:
        number = _integer(attributes.get("r"), self._row_number + 1)
        if number <= self._row_number:
            raise UnreadableXmlError(f"row {number} follows row {self._row_number}")
        self._row_number, self._row_digits, self._column = number, str(number), 0

    def _start_cell(self, attributes: Attributes) -> None:
        reference = attributes.get("r")
        column = self._column + 1
        if reference is not None:
            letters = reference.removesuffix(self._row_digits)
            column = self._columns.get(letters) or self._columns.setdefault(letters, column_number(letters))
        if column <= self._column:
            raise UnreadableXmlError(f"the cells of row {self._row_number} are out of order")
        self._column, self._cell, self._formula = column, attributes, None

    def _end_cell(self) -> None:
        text = self._taken()
        formula = self._formula
        if not text and formula is None:
            return
        cell = self._cell
        self._cells.append(
            RawCell(
                self._column,
                cell.get("t", "n"),
                _integer(cell.get("s"), 0),
                text,
                formula is not None,
                formula.get("ref") if formula and formula.get("t") != "shared" else None,
            )
        )


def _parsed(
    source: IO[bytes],
    start: Callable[[str, Attributes], Any],
    end: Callable[[str], Any],
    characters: Callable[[str], Any],
) -> Iterator[None]:
    """Parse XML with these handlers, and yield after each part of it."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        while chunk := source.read(_READ_BYTES):
            parser.Parse(chunk)
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise UnreadableXmlError(f"its XML cannot be read: {error}") from error
    yield


def _refuse_document_type(*_: Any) -> NoReturn:
    raise UnreadableXmlError("its XML has a document type, which no workbook has")


def _nothing(*_: Any) -> None:
    pass


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _integer(text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise UnreadableXmlError("a number in its XML is none") from None


def _mentions(source: IO[bytes], word: bytes) -> bool:
    """Return whether an XML document may have a word; one that is not in UTF-8 may have any."""
    tail = b""
    while chunk := source.read(_READ_BYTES):
        if word in tail + chunk or b"\0" in chunk[:4]:
            return True
        tail = chunk[-len(word) :]
    return False
