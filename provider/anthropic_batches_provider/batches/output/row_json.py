"""An answered row as JSON: its own columns, inserted as unchanged bytes, then the columns of the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow
from anthropic_batches_provider.batches.output.columns import ChosenColumn, RowLayout, columns_of, message_name_of

_COMMA = ord(",")
_LINE_FEED = ord("\n")


class RowEncoder:
    """Encodes answered rows as lines of JSON.

    :param layout: which columns of the result the rows have.
    """

    def __init__(self, layout: RowLayout) -> None:
        self._encodable = _encodable_row(layout)
        name = message_name_of(layout)
        self._message_name = None if name is None else b"," + msgspec.json.encode(name) + b":"
        self._encode_into = msgspec.json.Encoder().encode_into

    def encode(self, row: AnsweredRow) -> bytes:
        """Return one row as JSON, without a line feed."""
        line = bytearray()
        self.append_line(line, row)
        return bytes(line[:-1])

    def append_line(self, lines: bytearray, row: AnsweredRow) -> None:
        """Append one row as JSON, with a line feed."""
        encodable, columns = self._encodable(row), row.columns
        if columns == NO_COLUMNS:
            self._encode_into(encodable, lines, -1)
        else:
            lines += columns
            joint = len(lines) - 1
            self._encode_into(encodable, lines, joint)  # its opening brace replaces the closing one of the columns
            lines[joint] = _COMMA
        if self._message_name is not None:
            lines[-1:] = b"".join((self._message_name, row.result.message or b"null", b"}"))
        lines.append(_LINE_FEED)


def _encodable_row(layout: RowLayout) -> Callable[[AnsweredRow], object]:
    """Return a function that turns an answered row into an encodable one.

    It is compiled from the paths of the columns, as namedtuple and dataclasses compile their methods. A loop over the
    columns would add a tenth to the time that a whole row takes.
    """
    chosen = columns_of(layout)
    names: dict[str, object] = {"encodable": _row_type(chosen), "layout": layout}
    values = []
    for column in (each.column for each in chosen):
        if isinstance(column.value, str):
            values.append(f"row.{column.value}")
        else:
            names[f"value_of_{column.name}"] = column.value
            values.append(f"value_of_{column.name}(row, layout)")
    made: Callable[[AnsweredRow], object] = eval(f"lambda row: encodable({', '.join(values)})", names)  # noqa: S307
    return made


def _row_type(chosen: Sequence[ChosenColumn]) -> Callable[..., object]:
    """Return a function that makes an encodable row from the values of the result's columns."""
    names = {f"column_{number}": each.name for number, each in enumerate(chosen)}
    fields: list[tuple[str, type]] = [(name, object) for name in names]
    try:
        return msgspec.defstruct("OutputRow", fields, rename=names, gc=False)
    except ValueError:  # msgspec accepts no name with a quote or a backslash; a slower dict accepts any
        return lambda *values: dict(zip(names.values(), values, strict=True))
