"""The writer of JSON Lines, plain or gzip; equal rows give equal files."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.row_json import RowEncoder

_BUFFER_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 17  # handed to the file at once: each call costs more than its bytes
_GZIP_LEVEL = 6


class _JsonLines:
    def __init__(self, file: BinaryIO, layout: RowLayout) -> None:
        self._file = file
        self._append_line = RowEncoder(layout).append_line
        self._lines = bytearray()

    def add(self, row: AnsweredRow) -> None:
        lines = self._lines
        self._append_line(lines, row)
        if len(lines) >= _BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        self._file.write(self._lines)
        self._lines = bytearray()


@contextmanager
def open_plain(path: Path, layout: RowLayout) -> Iterator[_JsonLines]:
    """Open a file of JSON Lines."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        sink = _JsonLines(file, layout)
        yield sink
        sink.flush()


@contextmanager
def open_gzip(path: Path, layout: RowLayout) -> Iterator[_JsonLines]:
    """Open a compressed file of JSON Lines; its header holds neither time nor name."""
    with (
        path.open("wb", buffering=_BUFFER_BYTES) as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0) as compressed,
        io.BufferedWriter(cast("io.RawIOBase", compressed), _BUFFER_BYTES) as buffered,
    ):
        sink = _JsonLines(buffered, layout)
        yield sink
        sink.flush()
