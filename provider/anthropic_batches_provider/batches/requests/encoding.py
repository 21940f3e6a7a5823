"""JSON as it is stored and sent: compact UTF-8, escaped only where necessary.

Invariant: a value that JSON cannot hold is refused, never replaced. msgspec writes NaN and the infinities as ``null``,
so this module walks the values to find them. The cost of the walk depends on the number of values; a search of the
encoded bytes would cost time per character.
"""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from anthropic_batches_provider.batches.requests.wording import shortened


class NotJsonError(ValueError):
    """A value that JSON cannot hold; the text completes a sentence. Callers name the row or the argument."""


def _plain(value: Any) -> Any:
    """Convert values that msgspec does not know (subclasses, numpy's numbers, other mappings) to values it knows."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime.datetime):  # pendulum's and pandas'
        parts = value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
        return datetime.datetime(*parts, tzinfo=value.tzinfo)
    if isinstance(value, datetime.date):
        return datetime.date(value.year, value.month, value.day)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"objects of type {type(value).__name__} have no JSON form")


_text_decimals = msgspec.json.Encoder(enc_hook=_plain)
_number_decimals = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")
_sorted_keys = msgspec.json.Encoder(enc_hook=_plain, order="deterministic")


def encode_values(value: object) -> bytes:
    """Encode the user's own data (keys, kept columns).

    Dates, times, UUIDs and Decimals become text, as msgspec writes them: a Decimal keeps its digits; bytes become
    base64; tuples and sets become arrays.

    :raises NotJsonError: for anything else, for NaN and infinities, and for text with lone surrogates.
    """
    return _encoded(_text_decimals, value)


def encode_arguments(value: object) -> bytes:
    """Encode Messages params, which the API reads; like :func:`encode_values`, but a Decimal becomes a number.

    :raises NotJsonError: as :func:`encode_values`.
    """
    return _encoded(_number_decimals, value)


def encode_text(text: str) -> bytes:
    """Encode one string, with its quotes.

    :raises NotJsonError: if it holds lone surrogates.
    """
    return _encoded(_text_decimals, text)


def encode_sorted(value: object) -> bytes:
    """Encode with sorted keys, for fingerprints: equal values have equal bytes."""
    return _encoded(_sorted_keys, value)


def _encoded(encoder: msgspec.json.Encoder, value: object) -> bytes:
    try:
        encoded = encoder.encode(value)
        suspect = type(value) is not str and _is_suspect(value)
    except UnicodeEncodeError as error:
        near = error.object[max(error.start - 20, 0) : error.end + 20]
        raise NotJsonError(
            f"it holds text that is not valid Unicode (a lone surrogate), near {shortened(near)!r}"
        ) from error
    except RecursionError as error:
        raise NotJsonError("it is nested too deeply, or contains itself") from error
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise NotJsonError(shortened(str(error), 200)) from error
    if suspect:
        _refuse_not_finite(value)
    return encoded


def _refuse_not_finite(value: object) -> None:
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=_plain, str_keys=True)
    where = _not_finite_path(plain, "")
    if where is not None:
        raise NotJsonError(f"JSON has no NaN or infinity (at {shortened(where)}); use None, or leave it out")


_HARMLESS = frozenset((str, int, bool, type(None)))


def _is_suspect(value: Any) -> bool:
    """Return True if a NaN or infinity may be inside: quick for types that JSON decodes to, True for all others."""
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind not in _HARMLESS and not (isinstance(value, float) and math.isfinite(value))
    for item in value:  # noqa: SIM110 - a generator expression would take twice the time
        if type(item) not in _HARMLESS and _is_suspect(item):
            return True
    return False


def _not_finite_path(value: object, path: str) -> str | None:
    if isinstance(value, float | Decimal):
        return None if math.isfinite(value) else path or "the value itself"
    if isinstance(value, dict):
        places = ((item, f"{path}.{key}" if path else str(key)) for key, item in value.items())
    elif isinstance(value, list | tuple):
        places = ((item, f"{path}[{index}]") for index, item in enumerate(value))
    else:
        return None
    return next((found for item, place in places if (found := _not_finite_path(item, place)) is not None), None)
