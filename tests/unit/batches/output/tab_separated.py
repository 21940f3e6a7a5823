"""A format of one file, to show that a format is one file: a line of key columns and text for each row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout


class _TabSeparated:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add(self, row: AnsweredRow) -> None:
        own = json.loads(row.columns)
        print(*own.values(), row.batch_id, row.result.result_type, row.result.text, sep="\t", file=self._file)


@contextmanager
def open_tab_separated(path: Path, layout: RowLayout) -> Iterator[_TabSeparated]:
    with path.open("w") as file:
        print("own columns", f"{layout.column_prefix}text", sep="\t", file=file)
        yield _TabSeparated(file)
