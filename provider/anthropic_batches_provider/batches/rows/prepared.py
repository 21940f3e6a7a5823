"""Prepares rows for a shard, one at a time: checks each, and encodes its columns and its params as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from anthropic_batches_provider.batches.closing import closed_after
from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row
from anthropic_batches_provider.batches.requests import ReadyLine, encode_ready_request
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_values
from anthropic_batches_provider.batches.requests.wording import row_name
from anthropic_batches_provider.batches.requests.wrong_shapes import way_to_mapping
from anthropic_batches_provider.batches.rows.column_types import ColumnTypes
from anthropic_batches_provider.batches.rows.columns import RowColumns
from anthropic_batches_provider.batches.rows.keys import UniqueKeys
from anthropic_batches_provider.batches.rows.splices import SplicedRow
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
    rows: Iterable[Mapping[str, Any] | SplicedRow | InvalidRowError],
    *,
    columns: RowColumns,
    encode: Callable[[Mapping[str, Any], int], bytes],
    spool_folder: Path,
    types: ColumnTypes | None = None,
) -> Iterator[PreparedRow | InvalidRow]:
    """Check rows and encode them as bytes, one by one. One that is no mapping, lacks a column or cannot be sent is
    yielded as an :class:`.InvalidRow`.

    A key that is repeated far from its first row is found only after all rows are read: accept none before the end.

    :param rows: any iterable; an empty one yields nothing. A reader yields an error in place of a row that it could not
        read.
    :param columns: the columns that each row keeps.
    :param encode: encodes the params of a row, given its number; see :meth:`.Question.encode_params`.
    :param spool_folder: local folder for the keys, see :class:`UniqueKeys`.
    :param types: takes the types of key and kept columns.
    :raises InvalidRowError: two rows have the same key.
    :raises ConfigurationError: a row's column has the name of an output column.
    """
    prepared: PreparedRow | InvalidRow
    with closed_after(rows), UniqueKeys(spool_folder, advice=_UNIQUE_ROWS) as keys:
        for number, given in enumerate(rows):
            if type(given) is SplicedRow:
                kept = (
                    given.columns if given.key else b'{"row_number":%d%b' % (number, given.columns)
                )  # ROW_NUMBER_COLUMN
                if given.key:
                    keys.add(given.key)
                yield PreparedRow(number, kept, given.params, given.asks_for_json)
                continue
            row: dict[str, Any] = {}
            key_json = kept = b""
            try:
                row = given if type(given) is dict else _as_dict(given, number)
                key_json = columns.key_of(row, number)
                # Encoded before the user's code sees the row: nothing that a builder or a template does to it counts.
                kept = columns.with_kept_columns(key_json, row, number)
                if types is not None:
                    types.observe(row)
                params = encode(row, number)
            except InvalidRowError as error:
                if types is not None and not kept:
                    types.observe_invalid(row)
                prepared = invalid_row(number, error, kept or columns.known_columns_of(row, number))
            else:
                prepared = PreparedRow(number, kept, params, _ASKS_FOR_JSON in params)
            if columns.key is not None:
                keys.add(key_json or _no_key(number))
            yield prepared
        keys.check()


def prepare_requests(
    requests: Iterable[Mapping[str, Any] | ReadyLine | InvalidRowError],
    *,
    spool_folder: Path,
    types: ColumnTypes | None = None,
) -> Iterator[PreparedRow | InvalidRow]:
    """Check ready requests and encode them as bytes, one by one; each custom_id becomes a column ``key``.

    One that has another shape or cannot be sent is yielded as an :class:`.InvalidRow`.

    :param requests: ``{"custom_id", "params"}`` dicts, or file lines decoded by :func:`decode_ready_line`; errors as in
        :func:`prepare_rows`.
    :param spool_folder: as in :func:`prepare_rows`.
    :param types: takes the types of the custom_ids.
    :raises InvalidRowError: two requests have the same custom_id.
    """
    prepared: PreparedRow | InvalidRow
    with closed_after(requests), UniqueKeys(spool_folder, advice=_UNIQUE_REQUESTS) as keys:
        for number, request in enumerate(requests):
            if isinstance(request, ReadyLine):
                key_json = _KEY_COLUMN % request.custom_id
                prepared = PreparedRow(number, key_json, request.params, request.asks_for_json)
            else:
                try:
                    custom_id, params, asks_for_json = _ready_request(request, number)
                except InvalidRowError as error:
                    known = _known_custom_id(request)
                    key_json = _no_key(number) if known is None else _KEY_COLUMN % known
                    prepared = invalid_row(number, error, _KEY_COLUMN % (known or b"null"))
                else:
                    key_json = _KEY_COLUMN % custom_id
                    prepared = PreparedRow(number, key_json, params, asks_for_json)
            keys.add(key_json)
            if types is not None:
                has_key = key_json.startswith(_BEFORE_KEY)
                types.observe_custom_id(key_json[len(_BEFORE_KEY) : -1] if has_key else b"null")
            yield prepared
        keys.check()


_BEFORE_KEY = b'{"key":'  # READY_KEY_COLUMN
_KEY_COLUMN = _BEFORE_KEY + b"%b}"
_ASKS_FOR_JSON = b'"output_config"'
_UNIQUE_ROWS = "Name further columns in `key` until it is unique, or leave `key` out"
_UNIQUE_REQUESTS = "Give each request a custom_id of its own"


def _no_key(number: int) -> bytes:
    """Return what no other row has in place of a key; it is not JSON."""
    return b"!%d" % number


def _known_custom_id(request: object) -> bytes | None:
    """Return the custom_id of an invalid request as JSON; None if it has none that could be a key."""
    custom_id = request.get("custom_id") if isinstance(request, Mapping) else None
    if isinstance(custom_id, bool) or not isinstance(custom_id, (str, int)):
        return None
    try:
        return encode_values(custom_id)
    except NotJsonError:
        return None


def _ready_request(request: Mapping[str, Any] | InvalidRowError, number: int) -> tuple[bytes, bytes, bool]:
    if isinstance(request, InvalidRowError):
        raise request
    custom_id, params = encode_ready_request(request, number)
    try:
        key = encode_values(custom_id)
    except NotJsonError as error:
        raise InvalidRowError(f"{row_name(number)}: custom_id: {error}.", row_number=number) from error
    return key, params, "output_config" in request["params"] and _ASKS_FOR_JSON in params


def _as_dict(row: object, number: int) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    if isinstance(row, InvalidRowError):
        raise row
    raise InvalidRowError(
        f"{row_name(number)} has type {type(row).__name__}; a row must be a mapping of column names to values, "
        f"such as a dict.{way_to_mapping(row)}",
        row_number=number,
    )
