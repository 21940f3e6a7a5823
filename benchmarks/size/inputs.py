"""Writes the input files of the programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PARAMS = {"model": "claude-haiku-4-5", "max_tokens": 64}
_SENTENCE = "The quick brown fox jumps over the lazy dog. "


@dataclass(frozen=True)
class Shape:
    """Rows of one kind.

    :param title: its name in the table.
    :param rows: the number of rows.
    :param sentence: the sentence that each text repeats, after words that no other row has.
    :param text_bytes: the approximate length of each text.
    """

    name: str
    title: str
    rows: int
    text_bytes: int
    sentence: str = _SENTENCE

    def texts(self) -> Iterator[str]:
        """Yield the text of each row; no two are equal."""
        filling = self.sentence * (self.text_bytes // len(self.sentence.encode()) + 1)
        whole = len(filling.encode())
        for number in range(self.rows):
            begin = f"Label passage {number}. "
            yield begin + filling[: len(filling) * max(self.text_bytes - len(begin), 0) // whole]


def write_requests(file: Path, shape: Shape) -> Path:
    """Write ready requests; the text alone has the length that the shape gives."""
    return _write(file, (_request(number, text) for number, text in enumerate(shape.texts())))


def write_requests_of(file: Path, rows: int, request_bytes: int) -> Path:
    """Write ready requests, each with the given length in total."""
    frame = len(json.dumps(_request(rows, "")))
    return write_requests(file, Shape("", "", rows, request_bytes - frame))


def write_rows(file: Path, shape: Shape) -> Path:
    """Write rows with the columns ``id`` and ``text``."""
    return _write(file, ({"id": f"row-{number}", "text": text} for number, text in enumerate(shape.texts())))


def write_priced_rows(file: Path, shape: Shape) -> Path:
    """Write rows with the columns ``id``, ``price`` (a number with decimals) and ``text``."""
    texts = enumerate(shape.texts())
    return _write(file, ({"id": f"row-{number}", "price": number % 9973 / 100, "text": text} for number, text in texts))


def _request(number: int, text: str) -> dict[str, Any]:
    return {"custom_id": f"row-{number}", "params": {**_PARAMS, "messages": [{"role": "user", "content": text}]}}


def _write(file: Path, rows: Iterator[dict[str, Any]]) -> Path:
    if not file.exists():
        with file.open("w", encoding="utf-8") as target:
            target.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return file
