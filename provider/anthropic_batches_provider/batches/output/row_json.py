"""An answered row as JSON: its own columns, inserted as unchanged bytes, then the columns of the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from anthropic_batches_provider.batches.money.dollars import json_dollars
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow
from anthropic_batches_provider.batches.output.columns import MESSAGE, ChosenColumn, RowLayout, columns_of

_COMMA = ord(",")
_LINE_FEED = ord("\n")


class RowEncoder:
    """Encodes answered rows as lines of JSON.

    :param layout: which columns of the result the rows have.
    :raises ConfigurationError: as :func:`.columns_of`.
    """

    def __init__(self, layout: RowLayout) -> None:
        chosen = columns_of(layout)
        self._message_name: bytes | None = None
        if chosen and chosen[-1].column is MESSAGE:
            *others, message = chosen
            chosen = tuple(others)
            self._message_name = msgspec.json.encode(message.name) + b":"
        self._encodable = _encodable_row(chosen, layout)
        self._has_others = bool(chosen)
        self._encode_into = msgspec.json.Encoder().encode_into

    def encode(self, row: AnsweredRow) -> bytes:
        """Return one row as JSON, without a line feed."""
        line = bytearray()
        self.append_line(line, row)
        return bytes(line[:-1])

    def append_line(self, lines: bytearray, row: AnsweredRow) -> None:
        """Append one row as JSON, with a line feed."""
        columns = row.columns
        if columns == NO_COLUMNS:
            self._encode_into(self._encodable(row), lines, -1)
        elif self._has_others:
            encodable = self._encodable(row)
            lines += columns
            joint = len(lines) - 1
            self._encode_into(encodable, lines, joint)  # its opening brace replaces the closing one of the columns
            lines[joint] = _COMMA
        else:
            lines += columns
        if self._message_name is not None:
            comma = b"," if self._has_others or columns != NO_COLUMNS else b""
            lines[-1:] = b"".join((comma, self._message_name, row.result.message or b"null", b"}"))
        lines.append(_LINE_FEED)


def _encodable_row(chosen: Sequence[ChosenColumn], layout: RowLayout) -> Callable[[AnsweredRow], object]:
    """Return a function that turns an answered row into an encodable one.

    It is compiled from the paths of the columns, as namedtuple and dataclasses compile their methods. A loop over the
    columns would add a tenth to the time that a whole row takes.
    """
    names: dict[str, object] = {"encodable": _row_type(chosen), "layout": layout}
    names |= {"message_of": _message_of, "dollars": json_dollars()}
    values = []
    for column in (each.column for each in chosen):
        if column is MESSAGE:
            values.append("message_of(row)")
        elif isinstance(column.value, str):
            path = f"row.{column.value}"
            values.append(f"dollars({path})" if column.is_money else path)
        else:
            names[f"value_of_{column.name}"] = column.value
            values.append(f"value_of_{column.name}(row, layout)")
    made: Callable[[AnsweredRow], object] = eval(f"lambda row: encodable({', '.join(values)})", names)  # noqa: S307
    return made


def _message_of(row: AnsweredRow) -> msgspec.Raw | None:
    """Return the whole message where other columns follow it."""
    message = row.result.message
    return None if message is None else msgspec.Raw(message)


def _row_type(chosen: Sequence[ChosenColumn]) -> Callable[..., object]:
    """Return a function that makes an encodable row from the values of the result's columns."""
    names = {f"column_{number}": each.name for number, each in enumerate(chosen)}
    fields: list[tuple[str, type]] = [(name, object) for name in names]
    try:
        return msgspec.defstruct("OutputRow", fields, rename=names, gc=False)
    except ValueError:  # msgspec accepts no name with a quote or a backslash; a slower dict accepts any
        return lambda *values: dict(zip(names.values(), values, strict=True))
