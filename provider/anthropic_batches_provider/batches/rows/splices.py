"""Rows of JSON Lines whose request is made of bytes of their line, without a value of Python in between.

A prompt of plain text and columns alone is the same bytes in each request, but for the columns; and a column's JSON
text is, within its quotes, what the request needs. Where a line may not be written as this package would write it, or
is bad in any way, it takes the ordinary way, with the same result and the same errors. (Where a name comes twice in a
line, only its last value counts, and is checked.)
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from anthropic_batches_provider.batches.requests import MAX_PARAMS_BYTES, SplicedParams
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_values
from anthropic_batches_provider.batches.rows.column_types import ColumnTypes
from anthropic_batches_provider.batches.rows.columns import RowColumns
from anthropic_batches_provider.batches.undecodable import UNDECODABLE

_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_OTHER_ESCAPE = re.compile(rb'\\[^nrt"\\]')
_VISIBLE = re.compile(rb"[!-~]")
_LONG_LINE = 4_000  # a shorter one holds no integer that has too many digits for Python
_SHORT_INTEGER = 18
_QUOTE = ord('"')
_UNUSABLE = (*UNDECODABLE, KeyError)


class SplicedRow(msgspec.Struct, frozen=True, gc=False):
    """A row whose bytes are those that the ordinary way would make.

    :param key: the key columns, as JSON; empty if rows are numbered.
    :param columns: key and kept columns, as JSON; if rows are numbered, what follows the number.
    :param params: Messages params, as JSON.
    :param asks_for_json: whether ``output_config`` in the params asks for a JSON answer.
    """

    key: bytes
    columns: bytes
    params: bytes
    asks_for_json: bool


Splice = Callable[[bytes], SplicedRow | None]
"""Makes a row of a line of JSON; None if the line must take the ordinary way."""


def can_splice(columns: RowColumns) -> bool:
    """Return whether the columns that a row keeps are known before it is read, and may be written."""
    try:
        encode_values([*columns.key_columns, *columns.kept_columns])
    except NotJsonError:
        return False  # each row is bad, and says so
    return columns.keep != "*"


def splicer(columns: RowColumns, params: SplicedParams, types: ColumnTypes) -> Splice:
    """Return what makes spliced rows of lines. Each is made in one function, since a call takes as long as a column.

    :param columns: the columns that each row keeps; see :func:`can_splice`.
    :param params: the params, and which columns are printed in them.
    :param types: takes the types of key and kept columns.
    """
    head, *literals = params.literals
    printed = tuple(zip(params.columns, literals, strict=True))
    may_be_blank = params.may_be_blank
    asks_for_json = b'"output_config"' in head
    keys = () if columns.key is None else columns.key_columns
    named = tuple(
        (name, b"%b%b:" % (b"{" if keys and not at else b",", encode_values(name)), types.values_of(name))
        for at, name in enumerate((*keys, *columns.kept_columns))
    )
    key_parts = 2 * len(keys)
    keeps_only_keys = bool(keys) and len(keys) == len(named)

    def splice(line: bytes) -> SplicedRow | None:
        has_escapes = b"\\" in line
        if has_escapes and _OTHER_ESCAPE.search(line) is not None:
            return None
        try:
            if not line.isascii():
                line.decode()  # msgspec checks the parts that it skips, except for their encoding
            values = _decode_raw(line)
            if len(line) > _LONG_LINE and any(map(_may_be_too_long, values.values())):
                return None
            request: list[bytes | memoryview] = [head]
            for name, literal in printed:
                text = memoryview(values[name])  # bytes would be copied once more
                if text[0] == _QUOTE:
                    request += text[1:-1], literal
                elif _is_short_integer(bytes(text)):
                    request += text, literal
                else:
                    return None
            row: list[bytes] = []
            for name, prefix, seen in named:
                value = bytes(values[name])
                if value[0] == _QUOTE:
                    seen.kinds.add("string")
                elif _is_short_integer(value):
                    seen.add(int(value))
                else:
                    return None
                row += prefix, value
        except _UNUSABLE:
            return None
        if may_be_blank and (has_escapes or not any(map(_VISIBLE.search, request[1::2]))):
            return None
        encoded = b"".join(request)
        if len(encoded) > MAX_PARAMS_BYTES:
            return None
        row.append(b"}")
        written = b"".join(row)
        key = written if keeps_only_keys else b"%b}" % b"".join(row[:key_parts]) if key_parts else b""
        return SplicedRow(key, written, encoded, asks_for_json)

    return splice


def _is_short_integer(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _SHORT_INTEGER


def _may_be_too_long(raw: msgspec.Raw) -> bool:
    """Return whether a value may hold an integer of more digits than Python reads."""
    return len(memoryview(raw)) > _LONG_LINE and bytes(memoryview(raw)[:1]) != b'"'
