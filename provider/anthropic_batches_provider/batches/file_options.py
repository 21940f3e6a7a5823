"""How files of rows are to be read: what `files(…)` takes besides the files' names. Imported when a DAG is parsed."""

from __future__ import annotations

import codecs
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from anthropic_batches_provider.errors import ConfigurationError

_TEXT, _TABLE = frozenset({"encoding"}), frozenset({"encoding", "delimiter", "null_values"})
OPTIONS_OF_FORMATS: dict[str, frozenset[str]] = {
    "jsonl": _TEXT,
    "json": _TEXT,
    "csv": _TABLE,
    "tsv": _TABLE,
    "parquet": frozenset(),
    "arrow": frozenset(),
    "xlsx": frozenset({"sheet", "header_row", "null_values"}),
    "whole": _TEXT,
}
"""The valid values of ``format=``, as in :data:`.ROW_FORMATS`, each with the other options that its reader uses."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The options of :func:`.files`, which describes them; its default means that one was not given."""

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    null_values: tuple[str, ...] = ()
    sheet: str | int | None = None
    header_row: int = 1

    @classmethod
    def rendered(cls, options: Mapping[str, Any]) -> FileOptions:
        """Return options of which templates made text.

        :raises ConfigurationError: the text of a number is none.
        """
        header_row = options.get("header_row", 1)
        if isinstance(header_row, str):
            if not (header_row.isascii() and header_row.isdecimal()):
                _refuse_header_row(header_row)
            header_row = int(header_row)
        return cls(**{**options, "header_row": header_row})

    def given(self) -> dict[str, Any]:
        """Return the options that were given."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) != each.default}

    def check(self) -> None:
        """Check the options by themselves, without a file.

        :raises ConfigurationError: an option can never be right.
        """
        if self.format is not None:
            self._check_format(self.format)
        if self.encoding is not None:
            _check_encoding(self.encoding)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            raise ConfigurationError(
                f"files(delimiter={self.delimiter!r}): give one character that is no quotation mark and no line end, "
                r"such as ';' or '\t'."
            )
        _check_place(self.sheet, self.header_row)

    def _check_format(self, name: str) -> None:
        if name not in OPTIONS_OF_FORMATS:
            known = ", ".join(map(repr, OPTIONS_OF_FORMATS))
            raise ConfigurationError(f"files(format={name!r}): the formats are {known}.")
        unused = self.given().keys() - {"format"} - OPTIONS_OF_FORMATS[name]
        if unused:
            raise ConfigurationError(f"files(format={name!r}) does not use {min(unused)}=. Leave it out.")


def _check_encoding(encoding: str) -> None:
    try:
        is_text = codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise ConfigurationError(
            f"files(encoding={encoding!r}): Python knows no such encoding of text. Examples: 'utf-8', 'cp1252' "
            "(Windows), 'latin-1', 'utf-16', 'shift_jis'."
        )


def _check_place(sheet: object, header_row: object) -> None:
    """Check where in a workbook the rows are."""
    is_number = isinstance(sheet, int) and not isinstance(sheet, bool) and sheet >= 1
    if not (sheet is None or is_number or (isinstance(sheet, str) and sheet)):
        raise ConfigurationError(f"files(sheet={sheet!r}): give the name of a sheet, or its number, from 1.")
    if not isinstance(header_row, int) or isinstance(header_row, bool) or header_row < 1:
        _refuse_header_row(header_row)


def _refuse_header_row(header_row: object) -> NoReturn:
    raise ConfigurationError(
        f"files(header_row={header_row!r}): give the number of the row that holds the names of the columns, from 1."
    )


@dataclass(frozen=True, kw_only=True)
class FileDetails:
    """What a store says of a file.

    :ivar size: of the stored bytes.
    :ivar modified: when it was last written, in UTC; None if the store does not say.
    """

    size: int
    modified: datetime.datetime | None


def no_details() -> FileDetails:
    """Return the details of a file that nobody asked a store about."""
    return FileDetails(size=0, modified=None)


ReadDetails = Callable[[], FileDetails]
