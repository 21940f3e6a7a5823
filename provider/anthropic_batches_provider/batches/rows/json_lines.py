r"""The reader of JSON: one JSON object per line, or one array of objects.

CRLF, blank lines and a last line without a line end are accepted. Lines end only at ``\n``. What begins with ``[`` is
an array.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from anthropic_batches_provider.batches.requests import ReadyLine, decode_ready_line
from anthropic_batches_provider.batches.requests.exact_values import FileFloat
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.batches.rows.json_array import is_array, items_of_array
from anthropic_batches_provider.batches.rows.plain_bytes import RowFile
from anthropic_batches_provider.batches.rows.splices import SplicedRow
from anthropic_batches_provider.batches.rows.text_encodings import as_stored, encoding_problem
from anthropic_batches_provider.batches.rows.wrong_formats import check_undecodable
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import InvalidRowError

_Decoded = TypeVar("_Decoded")
_decode_plainly = msgspec.json.Decoder(dict[str, Any]).decode
_FEW_FLOATS = 4
_SHORT = 16
_SMALL = 0.0001  # Python writes smaller numbers with an exponent


def _number(digits: str) -> float:
    """Return a float that is printed with the digits of a file."""
    number = float(digits)
    # Up to 15 digits, the last of them not 0, and no exponent: repr() would only say the same.
    if digits[-1] != "0" and len(digits) < _SHORT and number > _SMALL and "e" not in digits and "E" not in digits:
        return number
    return number if repr(number) == digits and "e" not in digits else FileFloat(digits)


_decode_digits = msgspec.json.Decoder(dict[str, Any], float_hook=_number).decode
_decode_value_digits = msgspec.json.Decoder(Any, float_hook=_number).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def object_decoder(digits_of: Collection[str] | None, first: bytes) -> Callable[[bytes], dict[str, Any]]:
    """Return a decoder of JSON objects that keeps the digits of numbers, as :class:`.FileFloat`.

    :param digits_of: the columns whose digits count; None for all.
    :param first: the first line: if it holds many floats, those of other columns are not looked at.
    """
    if digits_of is None:
        return _decode_digits
    if not digits_of:
        return _decode_numbers
    columns = tuple(digits_of)
    with suppress(*UNDECODABLE):  # which is reported when the line is read
        if _count_floats(_decode_numbers(first)) <= _FEW_FLOATS:
            return _decode_digits

    def decode(line: bytes) -> dict[str, Any]:
        row = _decode_numbers(line)
        written: dict[str, msgspec.Raw] = {}
        for name in columns:
            kind = type(row.get(name))
            if kind is float or kind is dict or kind is list:
                written = written or _decode_raw(line)
                row[name] = _decode_value_digits(written[name])
        return row

    return decode


def _count_floats(value: Any) -> int:
    if type(value) is float:
        return 1
    if type(value) is dict:
        return sum(map(_count_floats, value.values()))
    return sum(map(_count_floats, value)) if type(value) is list else 0


def _decode_numbers(line: bytes) -> dict[str, Any]:
    """Decode a line whose digits do not count, unless a number is too large for a float, such as 1e400."""
    try:
        return _decode_plainly(line)
    except msgspec.ValidationError:
        return _decode_digits(line)


def read_objects(file: RowFile) -> Iterator[dict[str, Any] | SplicedRow | InvalidRowError]:
    """Yield the objects of a JSON file; an error in place of a line or an item that is not a JSON object or not UTF-8.

    A line that the job can splice is yielded as a :class:`.SplicedRow`.

    :raises BrokenFileError: as in :meth:`.RowFile.lines`.
    :raises ConfigurationError: the file has another format, or is cut short; see :mod:`.wrong_formats` and
        :mod:`.json_array`.
    """
    splice = file.splice

    def decoder_for(first: bytes) -> Callable[[bytes], dict[str, Any] | SplicedRow]:
        decode = object_decoder(file.digits_of, first)
        return decode if splice is None else lambda line: splice(line) or decode(line)

    return _read(file, decoder_for)


def read_ready_requests(file: RowFile) -> Iterator[ReadyLine | dict[str, Any] | InvalidRowError]:
    """Yield the ready requests of a JSON file; yield and raise the same errors as :func:`read_objects`."""
    return _read(file, lambda _: _decode_ready)


def _decode_ready(line: bytes) -> ReadyLine | dict[str, Any]:
    """Decode a ready request, which is sent as it is written: it must be one line."""
    if line.find(b"\n", 0, -1) >= 0:
        line = msgspec.json.format(line, indent=-1) + b"\n"
    return decode_ready_line(line)


def _read(
    file: RowFile, decoder_for: Callable[[bytes], Callable[[bytes], _Decoded]]
) -> Iterator[_Decoded | InvalidRowError]:
    """Yield what the lines, or the items of an array, hold.

    :param decoder_for: takes the first line and returns what decodes all of them.
    """
    row_number = file.first_row_number
    lines = file.lines()
    decode: Callable[[bytes], _Decoded] | None = None
    for line_number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        if decode is None:
            if is_array(line):
                yield from _read_array(file, line, lines, line_number=line_number, decoder_for=decoder_for)
                return
            decode = decoder_for(line)
        try:
            row: _Decoded | InvalidRowError = decode(line)
        except UNDECODABLE as error:
            is_first = row_number == file.first_row_number
            check_undecodable(line, error, lines, name=file.name, line_number=line_number, is_first=is_first)
            row = _invalid_row(file, "line", line_number, line, error, row_number)
        yield row
        row_number += 1


def _read_array(
    file: RowFile,
    first: bytes,
    following: Iterator[bytes],
    *,
    line_number: int,
    decoder_for: Callable[[bytes], Callable[[bytes], _Decoded]],
) -> Iterator[_Decoded | InvalidRowError]:
    """Yield what the items of an array hold.

    :param first: the file's first line that is not blank; ``line_number`` is its number.
    :param following: the lines after it.
    """
    decode: Callable[[bytes], _Decoded] | None = None
    items = items_of_array(first, following, name=file.name, line_number=line_number)
    for number, item in enumerate(items):
        if decode is None:
            decode = decoder_for(item)
        try:
            row: _Decoded | InvalidRowError = decode(item)
        except UNDECODABLE as error:
            row = _invalid_row(file, "item", number + 1, item, error, file.first_row_number + number)
        yield row


def _invalid_row(
    file: RowFile, kind: str, number: int, text: bytes, error: Exception, row_number: int
) -> InvalidRowError:
    """Return the error of a line or an item; ``number`` counts from 1."""
    return InvalidRowError(
        f"{file.name}, {kind} {number}: {_problem(text, error, kind, file.options.encoding)} "
        f"The {kind} begins: {shortened(as_stored(text).rstrip())}",
        row_number=row_number,
    )


def _problem(line: bytes, error: Exception, kind: str, encoding: str | None) -> str:
    """Return the problem with a line or an item and its fix, in sentences."""
    if isinstance(error, UnicodeDecodeError):
        return encoding_problem(line, encoding)
    if isinstance(error, RecursionError):
        return "nested too deeply. Flatten the object."
    if kind == "line" and line.lstrip().startswith(b"["):
        return "an array, but each line must be one JSON object. Write one object per line, without the brackets."
    if isinstance(error, msgspec.ValidationError) and (column := _too_long_integer(line)) is not None:
        return f"the integer in column {column!r} has too many digits. Write it as text."
    if isinstance(error, msgspec.ValidationError):
        return f"not a row: {error}. Each {kind} must be one JSON object."
    if b"NaN" in line or b"Infinity" in line:
        return f"not JSON: {error}. JSON has no NaN or Infinity; write null, or leave the field out."
    if b"\\ud" in line.lower():
        return f"not JSON: {error}. If it holds half of a surrogate pair (\\ud800 to \\udfff), clean the text."
    return f"not JSON: {error}. Each {kind} must be one complete JSON object."


def _too_long_integer(line: bytes) -> str | None:
    """Return the column of a line that holds an integer with more digits than Python reads; None if none does."""
    with suppress(*UNDECODABLE):
        for name, value in _decode_raw(line).items():
            try:
                _decode_value_digits(value)
            except msgspec.ValidationError:
                return name
    return None
