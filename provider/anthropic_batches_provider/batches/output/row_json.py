"""One output row: the row's own columns, spliced in as the bytes they are, then the columns of the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from anthropic_batches_provider.batches.output.columns import MESSAGE_COLUMN, RESULT_COLUMNS
from anthropic_batches_provider.batches.results.decode import Result

NO_COLUMNS = b"{}"

_COMMA = ord(",")
_LINE_FEED = ord("\n")


class RowEncoder:
    """Encodes the output rows of one batch as lines of JSON.

    :param batch_id: goes into every row.
    :param column_prefix: stands before the name of each column of the result; the row's own are left as they are.
    :param structured: whether answers are JSON, so that ``parsed`` holds what the text says.
    :param include_message: whether the whole message follows as a last column.
    """

    def __init__(
        self, *, batch_id: str, column_prefix: str = "", structured: bool = False, include_message: bool = False
    ) -> None:
        self._batch_id = batch_id
        self._structured = structured
        self._row = _row_type(column_prefix)
        self._message_name = (
            b"," + msgspec.json.encode(column_prefix + MESSAGE_COLUMN) + b":" if include_message else None
        )
        self._encode_into = msgspec.json.Encoder().encode_into

    def encode(self, columns: bytes, result: Result) -> bytes:
        """Return one row as JSON, without a line feed.

        :param columns: a JSON object of the row's own columns on one line, trusted to be one.
        """
        line = bytearray()
        self.append_line(line, columns, result)
        return bytes(line[:-1])

    def append_line(self, lines: bytearray, columns: bytes, result: Result) -> None:
        """Append one row as JSON, with a line feed.

        :param columns: as :meth:`encode` takes them.
        """
        row = self._row(
            result.custom_id,
            self._batch_id,
            result.result_type,
            result.text,
            _parsed(result.text) if self._structured else None,
            result.stop_reason,
            result.error_type,
            result.error_message,
            result.model,
            result.usage,
        )
        if columns == NO_COLUMNS:
            self._encode_into(row, lines, -1)
        else:
            lines += columns
            joint = len(lines) - 1
            self._encode_into(row, lines, joint)  # its opening brace falls on the closing one of the columns
            lines[joint] = _COMMA
        if self._message_name is not None:
            lines[-1:] = b"".join((self._message_name, result.message or b"null", b"}"))
        lines.append(_LINE_FEED)


def _row_type(column_prefix: str) -> Callable[..., object]:
    """Return what makes an encodable row of the values of the result's columns."""
    columns: list[tuple[str, type]] = [(name, object) for name in RESULT_COLUMNS]
    try:
        return msgspec.defstruct("OutputRow", columns, rename=lambda name: column_prefix + name, gc=False)
    except ValueError:  # msgspec takes no name with a quote or a backslash; a dict is slower and takes any
        names = [column_prefix + name for name in RESULT_COLUMNS]
        return lambda *values: dict(zip(names, values, strict=True))


_PARSER = msgspec.json.Decoder()


def _parsed(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return _PARSER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
