"""The parts of a workbook, which is a zip file of XML: its sheets, shared texts, number formats and date system.

Only what cells need is read: neither a workbook's properties and names nor fonts and colours can make it unreadable.
"""

from __future__ import annotations

import io
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from anthropic_batches_provider.batches.requests.wording import listed, shortened
from anthropic_batches_provider.batches.rows.excel import sheet_xml
from anthropic_batches_provider.batches.rows.excel.cell_addresses import CellRange, UnreadableXmlError
from anthropic_batches_provider.batches.rows.excel.cell_values import CellDecoder, number_kinds
from anthropic_batches_provider.batches.rows.excel.sheet_xml import Attributes, RawRow
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError
from anthropic_batches_provider.errors import ConfigurationError

MAX_BYTES_OF_TEXTS = 512 << 20
"""The shared texts of a workbook are kept in memory: their XML may have so many bytes."""

MAX_BYTES_OF_OTHERS = 64 << 20
"""So many bytes may have each of the parts that say which sheets and styles there are."""

_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SAVE = "Save it as an Excel workbook (.xlsx) in Excel or LibreOffice."
_TRUE = ("1", "true", "on")
_ENCRYPTED = 0x1
_END_BYTES = 1 << 16
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True)
class Sheet:
    """A sheet of cells; charts are none.

    :ivar name: as its tab shows it.
    :ivar part: the name of the part of the zip file that holds it.
    :ivar is_hidden: whether Excel shows it.
    """

    name: str
    part: str
    is_hidden: bool


@dataclass(frozen=True)
class Workbook:
    """An open workbook."""

    archive: zipfile.ZipFile
    sheets: tuple[Sheet, ...]
    decoder: CellDecoder

    def rows(self, sheet: Sheet) -> Iterator[RawRow]:
        """Yield the rows of a sheet that hold something.

        :raises UnreadableXmlError: they cannot be read any further.
        """
        with self.archive.open(sheet.part) as source:
            yield from sheet_xml.rows_of_cells(source)

    def merged_ranges(self, sheet: Sheet) -> list[CellRange]:
        """Return the merged ranges of a sheet, by their first row.

        :raises UnreadableXmlError: the sheet cannot be read.
        """
        with self.archive.open(sheet.part) as source:
            return sheet_xml.merged_ranges(source)


@contextmanager
def damage_as_broken_file() -> Iterator[None]:
    """Turn what zip files and XML raise for damaged bytes into a :class:`.BrokenFileError`; not a store's errors."""
    try:
        yield
    except (UnreadableXmlError, zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError) as error:
        raise BrokenFileError(
            f"the workbook is damaged or cut short ({shortened(str(error))}). Write or copy the file again."
        ) from error


def open_workbook(stream: BinaryIO, name: str) -> Workbook:
    """Open a workbook. The caller keeps the stream open while it reads, and closes it.

    :param stream: can seek.
    :param name: the file's name, used in errors.
    :raises ConfigurationError: it is no workbook, or too large; the message names the way in.
    :raises BrokenFileError: it is damaged.
    """
    _check_extra(name)
    _check_magic(stream, name)
    with damage_as_broken_file():
        archive = _archive(stream)
        _check_kind(archive, name)
        return _opened(archive, name)


def _check_extra(name: str) -> None:
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"{name} is an Excel workbook. To read it, install the extra `xlsx` where tasks run: "
            "pip install 'airflow-provider-anthropic-batches[xlsx]'. Nothing was sent."
        ) from error


def _check_magic(stream: BinaryIO, name: str) -> None:
    stream.seek(0)
    beginning = b""
    while len(beginning) < len(_OLE2) and (more := stream.read(len(_OLE2) - len(beginning))):
        beginning += more
    if beginning.startswith(b"PK"):
        return
    if beginning == _OLE2:
        problem = (
            "is an old Excel workbook (.xls), or one that a password protects. Open it in Excel or LibreOffice, and "
            "save it as an Excel workbook (.xlsx) without a password."
        )
    elif name.rpartition("/")[2].startswith("~$"):
        problem = (
            "is the lock file of a workbook that is open in Excel. Close the workbook, or leave such files out by the "
            "pattern `[!~]*.xlsx`."
        )
    elif beginning.startswith(_COMPRESSED):
        problem = "is compressed with gzip or zstd. Decompress it: a workbook is compressed in itself."
    else:
        shown = f"begins with {shortened(beginning)}" if beginning else "is empty"
        problem = f"is read as an Excel workbook, but is none: it {shown}. Check where it comes from, or its format."
    raise ConfigurationError(f"{name} {problem} Nothing was sent.")


def _archive(stream: BinaryIO) -> zipfile.ZipFile:
    """Open the zip file. Its end is read before, because zipfile takes a store's error for the lack of an end."""
    stream.seek(max(0, stream.seek(0, io.SEEK_END) - _END_BYTES))
    while stream.read(_END_BYTES):
        pass
    try:
        return zipfile.ZipFile(stream)
    except (ValueError, OverflowError) as error:
        raise zipfile.BadZipFile(str(error)) from error
    except zipfile.BadZipFile as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _check_kind(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse zip files that are no workbook of this kind.

    :raises ConfigurationError: names the kind and the way in.
    """
    parts = {info.filename: info for info in archive.infolist()}
    if any(info.flag_bits & _ENCRYPTED for info in parts.values()):
        problem = "is a zip file with a password. Unpack it, and give the path of the workbook in it."
    elif "xl/workbook.bin" in parts:
        problem = f"is a binary Excel workbook (.xlsb). {_SAVE}"
    elif "mimetype" in parts and "content.xml" in parts:
        problem = f"is an OpenDocument file. {_SAVE}"
    elif "Index/Document.iwa" in parts:
        problem = "is a Numbers document. Export it as an Excel workbook."
    elif "_rels/.rels" not in parts:
        problem = "is a zip file, but no Excel workbook. Unpack it, and give the path of the file in it."
    else:
        return
    raise ConfigurationError(f"{name} {problem} Nothing was sent.")


def _opened(archive: zipfile.ZipFile, name: str) -> Workbook:
    main = next((each.target for each in _related(archive, "") if each.kind == "officeDocument"), None)
    if main is None:
        raise UnreadableXmlError("it does not say which of its parts is the workbook")
    related = {each.id: each for each in _related(archive, main)}
    described = _described(archive, main)
    kinds = {each.kind: each.target for each in related.values()}
    codes, format_ids = _number_formats(archive, kinds.get("styles"))
    properties = described.properties
    return Workbook(
        archive,
        tuple(_sheets(archive, described.sheets, related, name)),
        CellDecoder(
            texts=_shared_texts(archive, kinds.get("sharedStrings"), name),
            styles=number_kinds(format_ids, codes),
            counts_from_1904=properties.get("date1904") in _TRUE,
            is_calculated=properties.get("fullCalcOnLoad") not in _TRUE,
        ),
    )


class _Related(NamedTuple):
    """A part to which another is related; the kind is the same in the strict form of the standard."""

    id: str
    kind: str
    target: str


@dataclass(frozen=True)
class _Described:
    """What the main part says: of each sheet, and of the workbook."""

    sheets: list[Attributes]
    properties: Attributes


def _described(archive: zipfile.ZipFile, part: str) -> _Described:
    described = _Described([], {})
    for path, attributes in _elements(archive, part):
        if path == ("workbook", "sheets", "sheet"):
            described.sheets.append(attributes)
        elif path in (("workbook", "workbookPr"), ("workbook", "calcPr")):
            described.properties.update(attributes)
    return described


def _sheets(
    archive: zipfile.ZipFile, described: list[Attributes], related: dict[str, _Related], name: str
) -> Iterator[Sheet]:
    """Yield the sheets of cells.

    :raises UnreadableXmlError: a sheet has no part, so that its rows would be lost.
    :raises ConfigurationError: there are none, but charts or macros.
    """
    others = []
    for attributes in described:
        sheet_name = attributes.get("name", "")
        relationship = related.get(attributes.get("id", ""))
        if relationship is None or relationship.target not in archive.NameToInfo:
            raise UnreadableXmlError(f"the part of sheet {shortened(sheet_name)!r} is missing")
        if relationship.kind == "worksheet":
            is_hidden = attributes.get("state", "visible") != "visible"
            yield Sheet(sheet_name, relationship.target, is_hidden)
        else:
            others.append(sheet_name)
    if len(others) == len(described):
        raise ConfigurationError(
            f"{name} has no sheet with cells. Its sheets of charts or macros: {listed(others)}. Nothing was sent."
        )


def _shared_texts(archive: zipfile.ZipFile, part: str | None, name: str) -> list[str]:
    if part is None:
        return []
    size = _info(archive, part).file_size
    if size > MAX_BYTES_OF_TEXTS:
        raise ConfigurationError(
            f"{name} has {size:,} bytes of text, which would be kept in memory; at most {MAX_BYTES_OF_TEXTS:,} are "
            "read. Split the workbook, or save it as CSV. Nothing was sent."
        )
    with archive.open(part) as source:
        return sheet_xml.shared_texts(source)


def _number_formats(archive: zipfile.ZipFile, part: str | None) -> tuple[dict[int, str], list[int]]:
    """Return the number formats that a workbook defines, and the id of that of each style of cells."""
    codes: dict[int, str] = {}
    format_ids: list[int] = []
    for path, attributes in _elements(archive, part) if part is not None else ():
        try:
            if path == ("styleSheet", "numFmts", "numFmt"):
                codes[int(attributes["numFmtId"])] = attributes["formatCode"]
            elif path == ("styleSheet", "cellXfs", "xf"):
                format_ids.append(int(attributes.get("numFmtId", 0)))
        except (ValueError, KeyError) as error:
            raise UnreadableXmlError("a number format has no number") from error
    return codes, format_ids


def _related(archive: zipfile.ZipFile, part: str) -> list[_Related]:
    """Return which parts a part is related to; the whole package, if it has no name."""
    folder, name = posixpath.split(part)
    return [
        _Related(
            attributes.get("Id", ""),
            attributes.get("Type", "").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/"),
        )
        for path, attributes in _elements(archive, posixpath.join(folder, "_rels", f"{name}.rels"))
        if path == ("Relationships", "Relationship")
    ]


def _elements(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[tuple[str, ...], Attributes]]:
    if _info(archive, part).file_size > MAX_BYTES_OF_OTHERS:
        raise UnreadableXmlError(f"{part} is far too large")
    with archive.open(part) as source:
        yield from sheet_xml.elements(source)


def _info(archive: zipfile.ZipFile, part: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(part)
    except KeyError:
        raise UnreadableXmlError(f"{shortened(part)} is missing") from None
