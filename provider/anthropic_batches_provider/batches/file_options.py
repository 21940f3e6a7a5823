"""How files of rows are to be read: what `files(…)` takes besides the files' names. Imported when a DAG is parsed."""

from __future__ import annotations

import codecs
import datetime
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError

FORMAT_NAMES = ("jsonl", "json", "csv", "tsv")
"""The valid values of ``format=``: the names in :data:`.ROW_FORMATS`."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The options of :func:`.files`, which describes them; None or empty means that it was not given."""

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    null_values: tuple[str, ...] = ()

    def given(self) -> dict[str, Any]:
        """Return the options that were given."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) not in (None, ())}

    def check(self) -> None:
        """Check the options by themselves, without a file.

        :raises ConfigurationError: an option can never be right.
        """
        if self.format is not None and self.format not in FORMAT_NAMES:
            known = ", ".join(map(repr, FORMAT_NAMES))
            raise ConfigurationError(f"files(format={self.format!r}): the formats are {known}.")
        if self.encoding is not None:
            _check_encoding(self.encoding)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            raise ConfigurationError(
                f"files(delimiter={self.delimiter!r}): give one character that is no quotation mark and no line end, "
                r"such as ';' or '\t'."
            )


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
