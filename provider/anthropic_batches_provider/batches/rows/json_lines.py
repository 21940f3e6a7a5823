r"""The reader of JSON Lines: one JSON object per line.

CRLF, blank lines and a last line without a line end are accepted. Lines end only at ``\n``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from anthropic_batches_provider.batches.requests import ReadyLine, decode_ready_line
from anthropic_batches_provider.batches.requests.exact_values import FileFloat
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.batches.rows.plain_bytes import RowFile
from anthropic_batches_provider.batches.rows.wrong_formats import check_undecodable, encoding_problem
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import InvalidRowError

_Decoded = TypeVar("_Decoded")
_decode_plainly = msgspec.json.Decoder(dict[str, Any]).decode
_decode_digits = msgspec.json.Decoder(dict[str, Any], float_hook=FileFloat).decode
_decode_value_digits = msgspec.json.Decoder(Any, float_hook=FileFloat).decode
_encode_plainly = msgspec.json.Encoder().encode
_ENDS = frozenset((b",", b"}"))
_FEW_COLUMNS = 4
_MAY_HOLD_FLOATS = frozenset((float, dict, list))
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def object_decoder(digits_of: Collection[str] | None) -> Callable[[bytes], dict[str, Any]]:
    """Return a decoder of JSON objects that keeps the digits of numbers, as :class:`.FileFloat`.

    :param digits_of: the columns whose digits count; None for all. Only where one of these holds a float, the line is
        looked at a second time.
    """
    if digits_of is None:
        return _decode_all_digits
    if not digits_of:
        return _decode_numbers
    columns = tuple((name, _Written(name)) for name in digits_of)
    holds_none = _MAY_HOLD_FLOATS.isdisjoint
    are_many = len(columns) > _FEW_COLUMNS

    def decode(line: bytes) -> dict[str, Any]:
        try:
            row = _decode_plainly(line)
        except msgspec.ValidationError:
            return _decode_digits(line)
        if are_many and holds_none(map(type, row.values())):
            return row
        for name, written in columns:
            value = row.get(name)
            kind = type(value)
            if kind is float:
                plain = _encode_plainly(value)
                # Python and msgspec write a float alike, unless it has an exponent.
                if b"e" in plain or not written.certainly(plain, line):
                    row[name] = FileFloat(bytes(_decode_raw(line)[name]).decode())
            elif (kind is dict or kind is list) and _has_float(value):
                row[name] = _decode_value_digits(_decode_raw(line)[name])
        return row

    return decode


class _Written:
    """How a column with a number is usually written in a line, which is what most lines show at once.

    :param name: of the column.
    """

    def __init__(self, name: str) -> None:
        self._quoted = msgspec.json.encode(name)
        self._heads = (self._quoted + b": ", self._quoted + b":")

    def certainly(self, digits: bytes, line: bytes) -> bool:
        """Return whether the column certainly has these digits in a line.

        A nested object may have the same name, and a name may be written with escapes.
        """
        for head in self._heads:
            at = line.find(head + digits)
            if at >= 0:
                end = at + len(head) + len(digits)
                return (
                    line[end : end + 1] in _ENDS
                    and line.count(self._quoted) == 1
                    and (line.find(b"{", 1) < 0 or b"\\" not in line)
                )
        return False


def _decode_all_digits(line: bytes) -> dict[str, Any]:
    row = _decode_numbers(line)
    return _decode_digits(line) if _has_float(row) else row


def _decode_numbers(line: bytes) -> dict[str, Any]:
    """Decode a line whose digits do not count, unless a number is too large for a float, such as 1e400."""
    try:
        return _decode_plainly(line)
    except msgspec.ValidationError:
        return _decode_digits(line)


def _holds_float(value: Any) -> bool:
    kind = type(value)
    return kind is float or ((kind is dict or kind is list) and _has_float(value))


def _has_float(value: Any) -> bool:
    for item in value.values() if type(value) is dict else value:
        kind = type(item)
        if kind is float or ((kind is dict or kind is list) and _has_float(item)):
            return True
    return False


def read_objects(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the objects of a JSON Lines file; an error in place of a line that is not a JSON object or not UTF-8.

    :raises BrokenFileError: as in :meth:`.RowFile.lines`.
    :raises ConfigurationError: the file has another format, or is cut short; see :mod:`.wrong_formats`.
    """
    return _read(file, object_decoder(file.digits_of))


def read_ready_requests(file: RowFile) -> Iterator[ReadyLine | dict[str, Any] | InvalidRowError]:
    """Yield the ready requests of a JSON Lines file; yield and raise the same errors as :func:`read_objects`."""
    return _read(file, decode_ready_line)


def _read(file: RowFile, decode: Callable[[bytes], _Decoded]) -> Iterator[_Decoded | InvalidRowError]:
    row_number = file.first_row_number
    lines = file.lines()
    for line_number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            row: _Decoded | InvalidRowError = decode(line)
        except UNDECODABLE as error:
            is_first = row_number == file.first_row_number
            check_undecodable(line, error, lines, name=file.name, line_number=line_number, is_first=is_first)
            row = InvalidRowError(
                f"{file.name}, line {line_number}: {_problem(line, error)} The line begins: {shortened(line.rstrip())}",
                row_number=row_number,
            )
        yield row
        row_number += 1


def _problem(line: bytes, error: Exception) -> str:
    """Return the problem with a line and its fix, in sentences."""
    if isinstance(error, UnicodeDecodeError):
        return encoding_problem(line)
    if isinstance(error, RecursionError):
        return "nested too deeply. Flatten the object."
    if line.lstrip().startswith(b"["):
        return "an array, but each line must be one JSON object. Write one object per line, without the brackets."
    if isinstance(error, msgspec.ValidationError) and (column := _too_long_integer(line)) is not None:
        return f"the integer in column {column!r} has too many digits. Write it as text."
    if isinstance(error, msgspec.ValidationError):
        return f"not a row: {error}. Each line must be one JSON object."
    if b"NaN" in line or b"Infinity" in line:
        return f"not JSON: {error}. JSON has no NaN or Infinity; write null, or leave the field out."
    if b"\\ud" in line.lower():
        return f"not JSON: {error}. If it holds half of a surrogate pair (\\ud800 to \\udfff), clean the text."
    return f"not JSON: {error}. Each line must be one complete JSON object."


def _too_long_integer(line: bytes) -> str | None:
    """Return the column of a line that holds an integer with more digits than Python reads; None if none does."""
    with suppress(*UNDECODABLE):
        for name, value in _decode_raw(line).items():
            try:
                _decode_value_digits(value)
            except msgspec.ValidationError:
                return name
    return None
