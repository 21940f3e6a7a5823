"""Prepares rows for a shard, one at a time: checks each, and encodes its columns and its params as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from anthropic_batches_provider.batches.requests import ReadyLine, encode_ready_request
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_values
from anthropic_batches_provider.batches.requests.wording import row_name
from anthropic_batches_provider.batches.rows.columns import RowColumns
from anthropic_batches_provider.batches.rows.keys import UniqueKeys
from anthropic_batches_provider.errors import InvalidRowError


class PreparedRow(msgspec.Struct, frozen=True, gc=False):
    """A row that can be sent. A Struct is created in a sixth of the time of a frozen dataclass.

    :param number: position in the input, from 0.
    :param columns: key and kept columns, a JSON object; compact UTF-8.
    :param params: Messages params, a JSON object; compact UTF-8.
    :param asks_for_json: whether ``output_config`` in the params asks for a JSON answer.
    """

    number: int
    columns: bytes
    params: bytes
    asks_for_json: bool = False


def prepare_rows(
    rows: Iterable[Mapping[str, Any]],
    *,
    columns: RowColumns,
    encode: Callable[[Mapping[str, Any], int], bytes],
    spool_folder: Path,
) -> Iterator[PreparedRow]:
    """Check rows and encode them as bytes, one by one.

    A key that is repeated far from its first row is found only after all rows are read: accept none before the end.

    :param rows: any iterable; an empty one yields nothing.
    :param columns: the columns that each row keeps.
    :param encode: encodes the params of a row, given its number; see :meth:`.Question.encode_params`.
    :param spool_folder: local folder for the keys, see :class:`UniqueKeys`.
    :raises InvalidRowError: a row is not a mapping, lacks a column or cannot be sent, or two rows have the same key.
    :raises ConfigurationError: a row's column has the name of an output column.
    """
    with UniqueKeys(spool_folder, advice=_UNIQUE_ROWS) as keys:
        for number, given in enumerate(rows):
            row = given if type(given) is dict else _as_dict(given, number)
            key_json = columns.key_of(row, number)
            if columns.key is not None:
                keys.add(key_json)
            # Encoded before the user's code sees the row: nothing that a builder or a template does to it counts.
            kept = columns.with_kept_columns(key_json, row, number)
            params = encode(row, number)
            yield PreparedRow(number, kept, params, _ASKS_FOR_JSON in params)
        keys.check()


def prepare_requests(requests: Iterable[Mapping[str, Any] | ReadyLine], *, spool_folder: Path) -> Iterator[PreparedRow]:
    """Check ready requests and encode them as bytes, one by one; each custom_id becomes a column ``key``.

    :param requests: ``{"custom_id", "params"}`` dicts, or file lines decoded by :func:`decode_ready_line`.
    :param spool_folder: as in :func:`prepare_rows`.
    :raises InvalidRowError: a request has another shape or cannot be sent, or two have the same custom_id.
    """
    with UniqueKeys(spool_folder, advice=_UNIQUE_REQUESTS) as keys:
        for number, request in enumerate(requests):
            if isinstance(request, ReadyLine):
                custom_id, params, asks_for_json = request.custom_id, request.params, request.asks_for_json
            else:
                custom_id, params, asks_for_json = _ready_request(request, number)
            key_json = b'{"key":%b}' % custom_id  # READY_KEY_COLUMN
            keys.add(key_json)
            yield PreparedRow(number, key_json, params, asks_for_json)
        keys.check()


_ASKS_FOR_JSON = b'"output_config"'
_UNIQUE_ROWS = "Name further columns in `key` until it is unique, or leave `key` out"
_UNIQUE_REQUESTS = "Give each request a custom_id of its own"


def _ready_request(request: Mapping[str, Any], number: int) -> tuple[bytes, bytes, bool]:
    custom_id, params = encode_ready_request(request, number)
    try:
        key = encode_values(custom_id)
    except NotJsonError as error:
        raise InvalidRowError(f"{row_name(number)}: custom_id: {error}.", row_number=number) from error
    return key, params, "output_config" in request["params"]


def _as_dict(row: object, number: int) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    raise InvalidRowError(
        f"{row_name(number)} has type {type(row).__name__}; a row must be a mapping of column names to values, "
        "such as a dict.",
        row_number=number,
    )
