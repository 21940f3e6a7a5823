"""Rows on their way to a shard: each checked, with its columns and its params as bytes; one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from anthropic_batches_provider.batches.requests import encode_ready_request
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_values
from anthropic_batches_provider.batches.requests.wording import row_name, shortened
from anthropic_batches_provider.batches.rows.columns import READY_KEY_COLUMN, RowColumns
from anthropic_batches_provider.batches.rows.keys import DuplicateKeys
from anthropic_batches_provider.errors import InvalidRowError


class PreparedRow(msgspec.Struct, frozen=True, gc=False):
    """A row that can be sent; a Struct, which takes a sixth of a frozen dataclass's time to make.

    :param number: position in the input, from 0.
    :param columns: key and kept columns, a JSON object; compact UTF-8.
    :param params: Messages params, a JSON object; compact UTF-8.
    """

    number: int
    columns: bytes
    params: bytes


def prepare_rows(
    rows: Iterable[Mapping[str, Any]], *, columns: RowColumns, encode: Callable[[Mapping[str, Any], int], bytes]
) -> Iterator[PreparedRow]:
    """Check rows and turn them into bytes, as they come.

    :param rows: any iterable; an empty one yields nothing.
    :param columns: what each takes along.
    :param encode: makes the params of a row, given its number; :meth:`.Question.encode_params`.
    :raises InvalidRowError: at the first row that is no mapping, lacks a column, repeats a key or cannot be sent.
    :raises ConfigurationError: if a row's column has the name of an output column.
    """
    keys = DuplicateKeys()
    for number, given in enumerate(rows):
        row = given if type(given) is dict else _as_dict(given, number)
        key_json = columns.key_of(row, number)
        if columns.key is not None and not keys.add(key_json):
            raise _repeated(key_json, number, "Name further columns in `key` until it is unique, or leave `key` out")
        yield PreparedRow(number, columns.with_kept_columns(key_json, row, number), encode(row, number))


def prepare_requests(requests: Iterable[Mapping[str, Any]]) -> Iterator[PreparedRow]:
    """Check ready requests and turn them into bytes, as they come; each custom_id becomes a column ``key``.

    :param requests: ``{"custom_id", "params"}`` dicts.
    :raises InvalidRowError: at the first request of another shape, that repeats a custom_id or cannot be sent.
    """
    keys = DuplicateKeys()
    for number, request in enumerate(requests):
        custom_id, params = encode_ready_request(request, number)
        try:
            key_json = encode_values({READY_KEY_COLUMN: custom_id})
        except NotJsonError as error:
            raise InvalidRowError(f"{row_name(number)}: custom_id: {error}.", row_number=number) from error
        if not keys.add(key_json):
            raise _repeated(key_json, number, "Give each request a custom_id of its own")
        yield PreparedRow(number, key_json, params)


def _as_dict(row: object, number: int) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    raise InvalidRowError(
        f"{row_name(number)} is a {type(row).__name__}; a row must be a mapping of column names to values, such as a "
        f"dict.",
        row_number=number,
    )


def _repeated(key_json: bytes, number: int, advice: str) -> InvalidRowError:
    return InvalidRowError(
        f"{row_name(number)} has the key {shortened(key_json, 200)}, which an earlier row has too: their answers could "
        f"not be told apart. {advice}.",
        row_number=number,
    )
