"""Sources of rows besides text and lists: files with options, queries, and the published output of an earlier task.

It is imported when DAGs are parsed; what reads rows is imported only when rows are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.edge.row_sources import FileRows, RowSource
from anthropic_batches_provider.edge.sql_rows import SqlRows
from anthropic_batches_provider.edge.uris import Uri

__all__ = ["SqlRows", "files", "read_rows"]


def files(
    uri: Uri | Sequence[Uri] | Any,
    *,
    format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    null_values: Sequence[str] = (),
    sheet: str | int | None = None,
    header_row: int | str = 1,
) -> RowSource:
    """Return the rows of files, for ``rows=`` or ``requests=``. All arguments are templated.

    :param uri: a URI or an absolute path, as ``rows=`` takes it, also with wildcards; or a list of them, or the output
        of another task. A file that several of them name is read once.
    :param format: ``"jsonl"``, ``"json"``, ``"csv"``, ``"tsv"``, ``"parquet"``, ``"arrow"``, ``"xlsx"``, or ``"whole"``
        for one row of each file; without it, the suffix of each file decides.
    :param encoding: of text, by Python's name, such as ``"cp1252"``; without it UTF-8, with or without a byte order
        mark.
    :param delimiter: of CSV, one character; without it a comma, or a tab in TSV.
    :param null_values: texts of cells that stand for a missing value, such as ``"NULL"``; the cell then holds None.
    :param sheet: of a workbook, its name or its number from 1; without it, the only sheet with content. A text that is
        the name of no sheet may be a number.
    :param header_row: the number of the row of a workbook that holds the names of the columns; rows above it are
        ignored.
    :raises ConfigurationError: an argument can never be right.
    """
    options: dict[str, Any] = {
        "format": format,
        "encoding": encoding,
        "delimiter": delimiter,
        "null_values": (null_values,) if isinstance(null_values, str) else tuple(null_values),
        "sheet": sheet,
        "header_row": header_row,
    }
    return FileRows(uri, FileOptions(**options))


def read_rows(output: Mapping[str, Any] | Iterable[Any] | str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Iterate over the rows of a published output, in order, in bounded memory.

    Exactly the files that the manifest lists are read, whatever else is in the folder, in each format. Each must have
    the size and the number of rows that the manifest says; a difference shows when the file is reached. Of a table, the
    rows of the manifest's owner are read.

    :param output: the return value of a collecting task from XCom: a manifest, or the list of rows that
        ``destination="xcom"`` returns; of a mapped task, a list of either. Or the destination itself: the URI or
        absolute path of its folder, or of the ``_manifest.json`` in it.
    :returns: the rows as dicts; :doc:`output` says which columns they have. Numbers of JSON keep the file's digits.
        Rows of Parquet and of a table have typed values. Those of CSV have texts, and None for a null.
    :raises ConfigurationError: it is none of these.
    :raises LedgerError: there is no manifest, or while iterating: a file is missing or differs from the manifest.
    """
    from anthropic_batches_provider.edge.published_output import rows_of

    return rows_of(output)
