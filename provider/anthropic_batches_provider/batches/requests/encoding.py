"""JSON as it is stored and sent: compact UTF-8, escaped only where necessary.

Invariant: a value that JSON cannot hold is refused, never replaced (:mod:`exact_values`). msgspec writes NaN and the
infinities as ``null``, so the values are walked to find them. The cost of the walk depends on the number of values; a
search of the encoded bytes would cost time per character.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from anthropic_batches_provider.batches.requests.exact_values import (
    NotJsonError,
    any_suspect,
    exact,
    is_suspect,
    plain_value,
)
from anthropic_batches_provider.batches.requests.sdk_values import sent_value
from anthropic_batches_provider.batches.requests.wording import reason, shortened

__all__ = [
    "NotJsonError",
    "encode_arguments",
    "encode_columns",
    "encode_sorted",
    "encode_text",
    "encode_values",
    "written_json",
]

_text_decimals = msgspec.json.Encoder(enc_hook=plain_value)
_number_decimals = msgspec.json.Encoder(enc_hook=plain_value, decimal_format="number")
_sorted_keys = msgspec.json.Encoder(enc_hook=plain_value, order="deterministic")


def encode_values(value: object) -> bytes:
    """Encode the user's own data (keys, kept columns).

    Dates, times, durations, UUIDs and Decimals become text, as msgspec writes them: a Decimal keeps its digits; bytes
    become base64, tuples and numpy's arrays become arrays, sets become sorted arrays, an Enum its value.

    :raises NotJsonError: for anything else, for NaN and infinities, and for text with lone surrogates.
    """
    return _encoded(_text_decimals, value)


def encode_columns(columns: dict[str, Any]) -> bytes:
    """Encode named values like :func:`encode_values`, quickly.

    :raises NotJsonError: as :func:`encode_values`.
    """
    with suppress(Exception):  # raised again below, as errors with words
        if not any_suspect(columns.values()):
            return _text_decimals.encode(columns)
    return _encoded(_text_decimals, columns)


def encode_arguments(value: object) -> bytes:
    """Encode Messages params, which the API reads; like :func:`encode_values`, but a Decimal becomes a number.

    Values of the SDK have the form in which it would send them (:mod:`sdk_values`).

    :raises NotJsonError: as :func:`encode_values`; a ``FileValueError`` if a file is not sent.
    """
    return _encoded(_number_decimals, value, as_sent=True)


def encode_text(text: str) -> bytes:
    """Encode one string, with its quotes.

    :raises NotJsonError: if it holds lone surrogates.
    """
    return _encoded(_text_decimals, text)


def encode_sorted(value: object) -> bytes:
    """Encode with sorted keys, for fingerprints: equal values have equal bytes."""
    return _encoded(_sorted_keys, value, as_given=True)


def written_json(value: object, indent: int = 0) -> str:
    """Return a value as JSON that a person would write: a space after each comma and colon, and letters unescaped.

    :param indent: spaces for each level; 0 for one line.
    :raises NotJsonError: as :func:`encode_values`.
    """
    return msgspec.json.format(encode_values(value), indent=indent).decode()


def _encoded(encoder: msgspec.json.Encoder, value: object, *, as_given: bool = False, as_sent: bool = False) -> bytes:
    """Encode a value in its exact form.

    :param as_given: only check it, and leave its form to the encoder: jobs of earlier versions know their question by
        such bytes.
    :param as_sent: take values of the SDK, and read files.
    """
    try:
        checked = value
        if type(value) is not str and is_suspect(value):
            checked = exact(sent_value(value) if as_sent else value)
        return encoder.encode(value if as_given else checked)
    except UnicodeEncodeError as error:
        near = error.object[max(error.start - 20, 0) : error.end + 20]
        raise NotJsonError(
            f"it holds text that is not valid Unicode (a lone surrogate), near {shortened(near)!r}"
        ) from error
    except RecursionError as error:
        raise NotJsonError("it is nested too deeply, or contains itself") from error
    except NotJsonError:
        raise
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise NotJsonError(shortened(str(error), 200)) from error
    except Exception as error:  # from the value's own code
        raise NotJsonError(f"it raised {reason(error)}") from error
