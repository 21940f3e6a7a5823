"""The columns that folders named ``name=value`` add to the rows of tables, as Hive and Spark write them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.errors import InvalidRowError

log = logging.getLogger(__name__)

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_columns(file_name: str) -> dict[str, str | None]:
    """Return the columns that the folders of a file's name say, as text; None for Hive's null.

    Names and values are percent-decoded, because Hive and Spark write ``:``, ``/`` and others that way.
    """
    named = (folder.partition("=") for folder in file_name.split("/")[:-1])
    return {_decoded(name): _value(value) for name, equals, value in named if name and equals}


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _value(text: str) -> str | None:
    return None if text == _NULL else _decoded(text)


class Partitions:
    """Adds the columns of folders to rows; one object for all files of an input, so that each warning comes once."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def add(
        self, rows: Iterator[dict[str, Any] | InvalidRowError], columns: Mapping[str, str | None], file_name: str
    ) -> Iterator[dict[str, Any] | InvalidRowError]:
        """Yield rows with further columns behind their own; a column of the file's own wins.

        :param rows: fresh dicts, which are changed.
        :param columns: what :func:`partition_columns` says of the file.
        """
        names = columns.keys()
        for row in rows:
            if isinstance(row, InvalidRowError):
                yield row
            elif names.isdisjoint(row):
                row.update(columns)
                yield row
            else:
                self._compare(row, columns, file_name)
                row.update({name: value for name, value in columns.items() if name not in row})
                yield row

    def _compare(self, row: Mapping[str, Any], columns: Mapping[str, str | None], file_name: str) -> None:
        for name in columns.keys() & row.keys() - self._warned:
            own, folder = row[name], columns[name]
            if (None if own is None else str(own)) != folder:
                self._warned.add(name)
                log.warning(
                    "%s: its column %s differs from the folder that is named %s=%s. The rows keep the column of the "
                    "file. This is said once, for the first file.",
                    file_name, shortened(name, 40), shortened(name, 40), shortened(str(folder), 40),
                )  # fmt: skip
