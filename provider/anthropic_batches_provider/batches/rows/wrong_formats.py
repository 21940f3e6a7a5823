"""Recognizes files that have another format than the one as which they are read, and says how to read them.

Only the first bytes of a file are compared, and lines that cannot be decoded: a file of rows costs nothing more. A
problem of the file is a :class:`.ConfigurationError` and never a bad row, because rows of the file would be lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn

import msgspec

from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.batches.rows.text_encodings import as_stored, other_encoding
from anthropic_batches_provider.errors import ConfigurationError

RECOGNIZED_BYTES = 512
"""So many first bytes show each of the formats; that of a tar archive is named last, at its byte 257."""

_UTF8_BOM = b"\xef\xbb\xbf"
_JQ = "Write one object per line, for example with `jq -c {filter}`."
_UNPACK = "Decompress it, or compress it with gzip instead."
_CALLABLE = "Instead of its path, give a function that yields its rows: `{rows}`."
_JQ_ITEMS = _JQ.format(filter="'.[]'")
_WAY = "Give `files(uri, {options})`."
_FEATHER_1 = "Write it again: `pyarrow.feather.write_feather(pyarrow.feather.read_table(old), new)`."
_DOCUMENT = 'To ask about each document, give `files(uri, format="whole")` as rows and `documents="path"`.'
_IMAGE = (
    'To ask about each image, give `files(uri, format="whole")` as rows and `images="path"`; else narrow the wildcard.'
)
_WORKBOOK = 'For a workbook, give `files(uri, format="xlsx")`.'
_OLD_WORKBOOK = "Save it as an Excel workbook (.xlsx) without a password, in Excel or LibreOffice."

_BINARY = rb"(?=.{0,64}[\x00-\x08\x0e-\x1f])"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (rb"PAR1" + _BINARY, "a Parquet file", _WAY.format(options='format="parquet"')),
    (rb"PARE" + _BINARY, "an encrypted Parquet file", _CALLABLE.format(rows="yield from batch.to_pylist()")),
    (rb"ARROW1" + _BINARY, "an Arrow or Feather file", _WAY.format(options='format="arrow"')),
    (rb"FEA1" + _BINARY, "a Feather file of version 1", _FEATHER_1),
    (rb"\xff{4}", "an Arrow stream", _WAY.format(options='format="arrow"')),
    (
        rb"ORC" + _BINARY,
        "an ORC file",
        _CALLABLE.format(
            rows='for batch in pyarrow.dataset.dataset(path, format="orc").to_batches(): yield from batch.to_pylist()'
        ),
    ),
    (rb"Obj\x01", "an Avro file", _CALLABLE.format(rows='yield from fastavro.reader(open(path, "rb"))')),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "compressed twice, with zstd inside", "Decompress it once."),
    (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "compressed with bzip2", _UNPACK),
    (rb"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (rb"\x04\x22\x4d\x18", "compressed with lz4", _UNPACK),
    (
        rb"\x1f\x8b",
        "compressed with gzip twice",
        "Decompress it once, for example with `gunzip`.",
    ),
    (
        rb"PK(\x03\x04|\x05\x06|\x07\x08)",
        "a zip file (perhaps an Excel workbook)",
        f"{_WORKBOOK} Else unzip it, and give the path of the file in it.",
    ),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook, or one with a password", _OLD_WORKBOOK),
    (
        rb"SQLite format 3\x00",
        "an SQLite database",
        (
            "Instead of its path, give a function that yields `dict(row)` for each row of a query. "
            "Set `connection.row_factory = sqlite3.Row` before."
        ),
    ),
    (rb"%PDF-", "a PDF document", _DOCUMENT),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF.{4}WEBP", "an image", _IMAGE),
    (rb"(?=.{0,256}\x00).{257}ustar", "a tar archive", "Unpack it, and give the path of the files in it."),
)
"""What a file begins with (a regular expression), what it then seems to be, and the way in."""

_TEXTS: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (rb"\xff\xfe\x00\x00", "UTF-32 text", ("utf-32", "utf-32-le")),
    (rb"\x00\x00\xfe\xff", "UTF-32 text", ("utf-32", "utf-32-be")),
    (rb"\xff\xfe", "UTF-16 text, as PowerShell's `>` writes it", ("utf-16", "utf-16-le")),
    (rb"\xfe\xff", "UTF-16 text", ("utf-16", "utf-16-be")),
    (rb"[^\x00]\x00{3}([^\x00]\x00{3}|$)", "UTF-32 text", ("utf-32-le",)),
    (rb"\x00{3}[^\x00]", "UTF-32 text", ("utf-32-be",)),
    (rb"[^\x00]\x00[^\x00]\x00", "UTF-16 text", ("utf-16-le",)),
    (rb"\x00[^\x00]\x00[^\x00]", "UTF-16 text", ("utf-16-be",)),
)
"""What a text begins with, what it then seems to be, and the encodings that read it; the first is the way in."""

_BY_MAGIC = tuple((re.compile(magic, re.DOTALL), what, way) for magic, what, way in _MAGIC)
_BY_TEXT = tuple((re.compile(magic, re.DOTALL), what, encodings) for magic, what, encodings in _TEXTS)
_WITH_ZERO_BYTES = ("utf-16", "utf-32")
_UTF_16_INSIDE = re.compile(rb"([^\x00]\x00){4}|(\x00[^\x00]){4}")
_LOST_LINE_FEEDS = re.compile(rb"\}[ \t]*\r[ \t\r]*\{")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|(\\?\Z))', re.DOTALL)
_LIST_IN_OBJECT = re.compile(rb'\s*\{\s*"([A-Za-z_]\w*)"\s*:\s*\[')
_DELIMITERS = {b",": "a CSV file", b";": "a CSV file with semicolons", b"\t": "a TSV file", b"|": "a CSV file with `|`"}
_OF_TABLES = {
    b",": 'format="csv"',
    b";": 'format="csv", delimiter=";"',
    b"\t": 'format="tsv"',
    b"|": 'format="csv", delimiter="|"',
}
_MARKUP = re.compile(rb"\s*<[!?A-Za-z]")
_OBJECT = re.compile(rb'\s*\{\s*["}]')
_ARRAY = re.compile(rb'\s*\[\s*(?:[\[{"]|$)')
_TEXT_BYTES = 1 << 16
_LINES_OF_A_BEGINNING = 3


def recognized(beginning: bytes, *, format_name: str = "JSON Lines", encoding: str | None = None) -> str | None:
    """Return what a file is that begins with these bytes, and the way in; None if it may be lines of text.

    :param beginning: at least :data:`RECOGNIZED_BYTES` bytes, or the whole file; unpacked, if it is packed.
    :param format_name: the format as which it is read.
    :param encoding: the encoding that the DAG gives.
    :return: sentences that continue the file's name.
    """
    for magic, what, way in _BY_MAGIC:
        if magic.match(beginning):
            return f"seems to be {what}, not {format_name}. {way}"
    given = other_encoding(encoding)
    for magic, what, encodings in _BY_TEXT:
        if magic.match(beginning):
            way = _WAY.format(options=f'encoding="{encodings[0]}"')
            return None if given in encodings else f"seems to be {what}, not {given or 'UTF-8'}. {way}"
    if given is not None and beginning.startswith(_UTF8_BOM):
        return f"begins with the byte order mark of UTF-8, so that it is not {given}. Leave encoding= out."
    if beginning and given in _WITH_ZERO_BYTES:
        return (
            f"begins without a byte order mark, so it is not {given}. If its encoding is {given}-le or {given}-be, "
            "give that as encoding=."
        )
    if beginning[:1] == b"\0" and not (given or "").startswith(_WITH_ZERO_BYTES):
        return f"begins with zero bytes. {_TORN}"
    return None


def recognized_text(beginning: bytes) -> str | None:
    """Return what a file of text is whose first line is not a JSON object, and the way in; None if that is unknown.

    :param beginning: the first line that is not blank, and further lines if it only opens an object.
    :return: sentences that continue the file's name.
    """
    text = beginning[:_TEXT_BYTES].lstrip()
    line = re.split(rb"[\r\n]", text, maxsplit=1)[0].rstrip()
    if line.startswith(b"<"):
        return _XML
    if line.startswith(b"{") and _goes_on(line):
        return _object_over_lines(text)
    return _table(line)


def recognized_in_header(line: bytes) -> str | None:
    """Return what a file is whose first line cannot be the header of a table, and the way in; None if it can be one.

    :return: sentences that continue the file's name.
    """
    if _MARKUP.match(line):
        return _XML
    if _OBJECT.match(line):
        return 'seems to be JSON, not a table. For JSON Lines, give `files(uri, format="jsonl")`.'
    if _ARRAY.match(line):
        return 'seems to be a JSON array, not a table. Give `files(uri, format="json")`.'
    return None


def check_bytes(beginning: bytes, *, name: str, format_name: str, encoding: str | None = None) -> None:
    """Refuse a file of another format by its first bytes; the parameters are those of :func:`recognized`.

    :raises ConfigurationError: names the file, its format and the way in.
    """
    problem = recognized(beginning, format_name=format_name, encoding=encoding)
    if problem is not None:
        refuse(name, problem)


def check_long_line(beginning: bytes, *, name: str, is_first: bool) -> None:
    """Refuse a file by the beginning of a line that is too long to be read.

    :param is_first: whether it is the first line.
    :raises ConfigurationError: it is one JSON array; names the file and the way in.
    """
    if is_first and _ARRAY.match(beginning):
        refuse(name, LONG_ARRAY, beginning)


def check_zero_bytes(line: bytes, *, name: str, line_number: int) -> None:
    """Refuse a file by a line with zero bytes that a text does not hold.

    :raises ConfigurationError: names the file, the line and the way in.
    """
    problem = _zero_bytes(line, line_number)
    if problem is not None:
        refuse(name, problem, line)


def check_undecodable(
    line: bytes, error: Exception, following: Iterator[bytes], *, name: str, line_number: int, is_first: bool
) -> None:
    """Refuse the file if a line that cannot be decoded shows a problem of the file; otherwise it is a bad row.

    :param error: by which decoding failed.
    :param following: the lines after it. They are read only if the file is refused.
    :param is_first: whether this is the file's first line that is not blank.
    :raises ConfigurationError: names the file, the problem and the way in.
    """
    problem = _damage(line, error, line_number)
    if problem is None and is_first:
        beginning = line
        if _goes_on(line.strip()):
            beginning += b"".join(each[:_TEXT_BYTES] for each in islice(following, _LINES_OF_A_BEGINNING))
        problem = recognized_text(beginning)
    if problem is not None:
        refuse(name, problem, line)


_TORN = "A torn write or an incomplete copy leaves them. Write or copy the file again."
_XML = (
    "seems to be XML or HTML, perhaps an error page in place of the file. Check where it comes from; "
    "if it is right, give a function that yields its rows as dicts."
)


def refuse(name: str, problem: str, line: bytes | None = None) -> NoReturn:
    """Raise the error of a file.

    :param problem: sentences that continue the file's name.
    :param line: the line that shows it.
    :raises ConfigurationError: always.
    """
    shown = "" if line is None else f" The line begins: {shortened(as_stored(line).rstrip())}"
    raise ConfigurationError(f"{name} {problem} Nothing was sent.{shown}")


def marked_inside(line: bytes, line_number: int) -> str | None:
    """Return the problem of a byte order mark before a line that is not the first, and the fix; None without one."""
    if not line.startswith(_UTF8_BOM):
        return None
    return (
        f"has a byte order mark before line {line_number}, as when files are joined by `cat`. "
        r"Remove it, for example with `sed 's/^\xef\xbb\xbf//'`, or give the files one by one with `*`."
    )


def _zero_bytes(line: bytes, line_number: int) -> str | None:
    if b"\0" in line and _UTF_16_INSIDE.search(line):
        return f"turns into UTF-16 text in line {line_number}. Write all of the file in one encoding."
    if line.startswith(b"\0\0") or line.rstrip(b"\r\n").endswith(b"\0\0"):
        return f"has zero bytes in line {line_number}. {_TORN}"
    return None


def _damage(line: bytes, error: Exception, line_number: int) -> str | None:
    """Return the problem of a file that may be JSON Lines otherwise, and the fix; None if there is none."""
    if (problem := _zero_bytes(line, line_number) or marked_inside(line, line_number)) is not None:
        return problem
    if _LOST_LINE_FEEDS.search(line):
        return (
            f"has several objects in line {line_number}, separated by carriage returns alone. "
            r"Write line feeds, for example with `tr '\r' '\n'`."
        )
    if _holds_further_rows(line, error):
        return (
            f"has several objects in line {line_number}, as when files without a last line feed are joined by `cat`. "
            "Write one object per line, for example with `jq -c .`."
        )
    if not line.endswith(b"\n") and line.lstrip().startswith(b"{") and _is_cut(line, error):
        return (
            f"seems to be cut short: line {line_number}, its last, ends inside an object. "
            "Write or copy the file again; further rows may be missing."
        )
    return None


def _holds_further_rows(line: bytes, error: Exception) -> bool:
    """Return whether objects follow the first of a line: they would be lost, if it counted as one bad row."""
    if "trailing characters" not in str(error):
        return False
    try:
        text = line.decode().lstrip()
        first, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and text[end:].lstrip(" \t,\x1e").startswith("{")


def _is_cut(line: bytes, error: Exception) -> bool:
    if isinstance(error, UnicodeDecodeError):
        ends_inside = error.reason == "unexpected end of data" and error.object == line
    else:
        ends_inside = "truncated" in str(error)  # msgspec says so of half of a surrogate pair, too
    rest = _without_strings(line)
    return ends_inside and (b'"' in rest or _opened(rest) > 0)


def _goes_on(line: bytes) -> bool:
    """Return whether a line opens JSON that the next lines continue, as pretty-printing does; not within a string."""
    if not line.startswith((b"{", b"[")):
        return False
    rest = _without_strings(line)
    return b'"' not in rest and _opened(rest) > 0 and rest.endswith((b"{", b"[", b",", b":"))


def _without_strings(line: bytes) -> bytes:
    """Return the line without its strings; a string that does not end leaves its quotation mark."""
    return _STRING.sub(lambda found: b"" if found[1] is None else b'"', line)


def _opened(rest: bytes) -> int:
    """Return how many brackets are open at the end of a line without its strings."""
    return rest.count(b"{") + rest.count(b"[") - rest.count(b"}") - rest.count(b"]")


LONG_ARRAY = f"seems to be one JSON array of more than 256 MB, which would have to be in memory at once. {_JQ_ITEMS}"


def array_problem(line: bytes) -> str:
    """Return what a file is that holds arrays, but not one array of rows, and the way in.

    :param line: the first line that is not blank.
    :return: sentences that continue the file's name.
    """
    inside = line[:_TEXT_BYTES].lstrip()[1:].lstrip()
    if inside and not inside.startswith((b"{", b"]")):
        return (
            "holds JSON arrays, but each row must be one JSON object. Instead of its path, give a function that "
            "yields `dict(zip(columns, cells))` for each array of cells."
        )
    return f"goes on after its JSON array; a file is one array, or JSON Lines. {_JQ_ITEMS}"


def _object_over_lines(text: bytes) -> str:
    found = _LIST_IN_OBJECT.match(text)
    if found is None:
        return f"seems to be JSON that is pretty-printed over several lines. {_JQ.format(filter='.')}"
    column = found[1].decode()
    jq = _JQ.format(filter=f"'.{column}[]'")
    if column == "requests":
        return f"seems to be the body of a create call. {jq} Then give its path as `requests=`."
    return f"seems to be one JSON object over several lines, with the rows in {shortened(column, 40)}. {jq}"


def _table(line: bytes) -> str | None:
    delimiter = max(_DELIMITERS, key=line.count)
    if delimiter not in line or b"{" in line or re.search(rb'"\s*:', line) or _is_json(line):
        return None
    return f"seems to be {_DELIMITERS[delimiter]}, not JSON Lines. {_WAY.format(options=_OF_TABLES[delimiter])}"


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
