"""Decodes one line of a batch's results: only the fields that are used; unknown fields are ignored."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from anthropic_batches_provider.batches.results.unreadable import custom_id_in, custom_id_of, read_loosely
from anthropic_batches_provider.batches.row_failures import INVALID_ROW
from anthropic_batches_provider.batches.undecodable import UNDECODABLE, check_nesting

_BEGINNING_BYTES = 200


UNREADABLE = "unreadable"
"""This package's own result type: an answer that cannot be decoded. It was paid for; nobody knows how much."""

MISSING = "missing"
"""This package's own result type: no answer. Whether it was paid for, nobody knows."""


class Result(msgspec.Struct, frozen=True, gc=False):
    """The API's answer to one request.

    :param custom_id: of the request; None where none was sent.
    :param result_type: one of the API's types (``succeeded``, ``errored``, ``canceled``, ``expired``), ``missing``
        where there is no answer, ``unreadable`` where there is one that this package cannot decode, or ``invalid_row``.
    :param text: the text blocks of the message, joined; None where it has none.
    :param last_text: the last of several text blocks: after a tool, it alone is the answer. None if there is one block.
    :param error_type: error type of an errored result, e.g. ``invalid_request_error``.
    :param error_message: its message; of an unreadable result, why it is that, and how its line begins; of an invalid
        row, what is wrong with it.
    :param error_details: what else an errored result says: the ``request_id``, and ``details`` if there are any.
    :param usage: the API's usage object, as received.
    :param message: the whole message, as received.
    """

    custom_id: str | None
    result_type: str
    text: str | None = None
    stop_reason: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    model: str | None = None
    usage: msgspec.Raw | None = None
    message: msgspec.Raw | None = None
    last_text: str | None = None
    error_details: dict[str, Any] | None = None


def missing_result(custom_id: str) -> Result:
    """Return the result for a request that the results do not answer."""
    return Result(custom_id, MISSING)


def result_of_invalid_row(reason: str) -> Result:
    """Return the result for a row that was not sent."""
    return Result(None, INVALID_ROW, error_message=reason)


def decode_result(line: bytes, *, with_message: bool = True) -> Result:
    """Decode a line of results.

    Invalid text (half of a surrogate pair, bytes that are not UTF-8) becomes U+FFFD: one broken character must not
    make an answer unreadable. A line that cannot be decoded all the same is ``unreadable``, unless it says that the
    request was not answered.

    :param line: the line as received.
    :param with_message: whether to keep the whole message, which requires decoding the line a second time.
    """
    decode = _decode_with_message if with_message else _decode
    try:
        check_nesting(line)
        return decode(line)
    except RecursionError as error:
        return _read_loosely(line, error)
    except UNDECODABLE:
        try:
            return decode(_with_valid_text(line))
        except UNDECODABLE as error:
            return _read_loosely(line, error)


def decode_custom_id(line: bytes) -> str | None:
    """Return the custom_id of the request that a line of results answers; None if the line names none."""
    try:
        check_nesting(line)
        return _CUSTOM_ID_DECODER.decode(line).custom_id
    except UNDECODABLE:
        return custom_id_of(line)


_NULL = msgspec.Raw(b"null")


class _ContentBlock(msgspec.Struct, gc=False):
    type: str
    text: Any = None  # a string in text blocks; other types of block may use the name differently


class _Message(msgspec.Struct, gc=False):
    content: list[_ContentBlock] | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = _NULL


class _Succeeded(msgspec.Struct, tag="succeeded", gc=False):
    message: _Message


class _Errored(msgspec.Struct, tag="errored", gc=False):
    error: Any = None


class _Canceled(msgspec.Struct, tag="canceled", gc=False):
    pass


class _Expired(msgspec.Struct, tag="expired", gc=False):
    pass


class _Line(msgspec.Struct, gc=False):
    custom_id: str
    result: _Succeeded | _Errored | _Canceled | _Expired


class _RawResult(msgspec.Struct, gc=False):
    message: msgspec.Raw


class _RawLine(msgspec.Struct, gc=False):
    result: _RawResult


class _CustomId(msgspec.Struct, gc=False):
    custom_id: str


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_raw_line = msgspec.json.Decoder(_RawLine).decode
_CUSTOM_ID_DECODER = msgspec.json.Decoder(_CustomId)


def _decode(line: bytes) -> Result:
    decoded = _decode_line(line)
    result = decoded.result
    if type(result) is _Succeeded:
        message = result.message
        text, last_text = _texts(message.content) if message.content else (None, None)
        return Result(
            decoded.custom_id, "succeeded", text, message.stop_reason, None, None, message.model, message.usage,
            last_text=last_text,
        )  # fmt: skip
    if isinstance(result, _Errored):
        return _errored(decoded.custom_id, result.error)
    return Result(decoded.custom_id, "canceled" if isinstance(result, _Canceled) else "expired")


def _decode_with_message(line: bytes) -> Result:
    result = _decode(line)
    if result.result_type != "succeeded":
        return result
    return msgspec.structs.replace(result, message=_decode_raw_line(line).result.message)


def _errored(custom_id: str, error: object) -> Result:
    """Return an errored result. The API nests two error objects; a flat one keeps its type and message, too."""
    inner = error["error"] if isinstance(error, dict) and isinstance(error.get("error"), dict) else error
    if not isinstance(inner, dict):
        return Result(custom_id, "errored", error_message=_as_text(inner))
    error_type = inner.get("type")
    if inner is error and error_type == "error":  # the outer object alone: its type is no error's type
        error_type = None
    return Result(
        custom_id,
        "errored",
        error_type=error_type if isinstance(error_type, str) else None,
        error_message=_as_text(inner.get("message")),
        error_details=_details(error, inner),
    )


def _details(error: object, inner: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request id and the details of an error, as far as it names them."""
    outer = error if isinstance(error, dict) else {}
    named = {"request_id": outer.get("request_id", inner.get("request_id")), "details": inner.get("details")}
    found = {name: value for name, value in named.items() if value is not None}
    return found or None


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _read_loosely(line: bytes, error: Exception) -> Result:
    found = read_loosely(line)
    result = found.get("result")
    said = result if isinstance(result, dict) else {}
    result_type = said.get("type")
    custom_id = custom_id_in(found, line) or ""
    if result_type == "errored":
        return _errored(custom_id, said.get("error"))
    if result_type in ("canceled", "expired"):
        return Result(custom_id, result_type)
    beginning = line[:_BEGINNING_BYTES].decode("utf-8", "replace")
    return Result(custom_id, UNREADABLE, error_message=f"{error}; the line begins with {beginning}")


def _texts(content: list[_ContentBlock]) -> tuple[str | None, str | None]:
    """Return the joined text of a message, and its last text block if there are several."""
    first = content[0]
    if len(content) == 1 and first.type == "text" and isinstance(first.text, str):
        return first.text, None  # nearly all answers: a fifth of the time of the code below
    texts = [block.text for block in content if block.type == "text" and isinstance(block.text, str)]
    return "".join(texts) if texts else None, texts[-1] if len(texts) > 1 else None


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def _with_valid_text(line: bytes) -> bytes:
    paired = _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], line)
    return paired.decode("utf-8", "replace").encode()
