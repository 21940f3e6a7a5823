"""Ready requests: ``{"custom_id", "params"}`` dicts that the user made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from anthropic_batches_provider.batches.requests.encoding import encode_values
from anthropic_batches_provider.batches.requests.output_schemas import problems_of_output_config
from anthropic_batches_provider.batches.requests.params import MAX_PARAMS_BYTES, encode_checked_params
from anthropic_batches_provider.batches.requests.wording import listed, row_name, shortened
from anthropic_batches_provider.batches.requests.wrong_shapes import named_shape, way_to_mapping
from anthropic_batches_provider.errors import InvalidRowError

_FIELDS = frozenset(("custom_id", "params"))


def encode_ready_request(request: object, number: int) -> tuple[str | int, bytes]:
    """Return the user's custom_id, which becomes the row's key, and the JSON bytes of the params.

    The custom_id may be any string or whole number: it is never sent, so the API's pattern does not bind it.

    :param request: exactly ``custom_id`` and ``params``.
    :param number: position in the input, from 0.
    :raises InvalidRowError: if it has another shape, and as :func:`~.params.encode_checked_params`.
    """
    if type(request) is not dict and not isinstance(request, Mapping):
        raise InvalidRowError(
            f"{row_name(number)} has type {type(request).__name__}; a ready request is a dict of custom_id and params."
            f"{way_to_mapping(request, 'request')}",
            row_number=number,
        )
    if len(request) != len(_FIELDS) or "custom_id" not in request or "params" not in request:
        raise InvalidRowError(_shape_problem(request, number), row_number=number)
    custom_id = request["custom_id"]
    if not isinstance(custom_id, (str, int)) or isinstance(custom_id, bool):
        raise InvalidRowError(
            f"{row_name(number)}: custom_id is {shortened(repr(custom_id))}; it must be a string or a whole number.",
            row_number=number,
        )
    return custom_id, encode_checked_params(request["params"], number, source="requests")


class ReadyLine(msgspec.Struct, frozen=True, gc=False):
    """A ready request from a file; its params are sent byte for byte.

    :param custom_id: the user's custom_id, as compact JSON.
    :param params: proven to be params that :func:`encode_ready_request` would accept.
    """

    custom_id: bytes
    params: bytes
    asks_for_json: bool


def decode_ready_line(line: bytes) -> ReadyLine | dict[str, Any]:
    """Read a line of a file of ready requests, without building objects for the parts that only pass through.

    A line that the quick check cannot accept with certainty is left to the slow check: it is returned as a dict.

    :param line: one JSON object.
    :raises msgspec.MsgspecError: it is not a JSON object.
    :raises UnicodeDecodeError: it is not UTF-8.
    """
    if not line.isascii():
        line.decode()  # msgspec checks the parts that it skips, except for their encoding
    try:
        custom_id, params = _usual_parts(line) or _parts(line)
        seen = _CERTAIN.decode(params)
    except msgspec.MsgspecError:
        return _OBJECT.decode(line)
    if seen.stream or seen.model.isspace() or seen.betas is not msgspec.UNSET or len(params) > MAX_PARAMS_BYTES:
        return _OBJECT.decode(line)
    if seen.output_config is msgspec.UNSET:
        return ReadyLine(custom_id, params, asks_for_json=False)
    if problems_of_output_config(bytes(seen.output_config)):
        return _OBJECT.decode(line)
    return ReadyLine(custom_id, params, asks_for_json=True)


# The form that json.dumps and compact encoders write. The custom_id needs no escapes, so msgspec would write it alike.
_USUAL_HEAD = re.compile(rb'\{"custom_id": ?("[A-Za-z0-9_.:/-]*"), ?"params": ?(?=\{)')
_USUAL_TAIL = b"}\n"


def _usual_parts(line: bytes) -> tuple[bytes, bytes] | None:
    """Return custom_id and params of a line of the usual form, or None.

    The params extend to the end of the line. If they are not a single JSON object, for example because further fields
    follow, decoding them fails.
    """
    head = _USUAL_HEAD.match(line)
    if head is None or not line.endswith(_USUAL_TAIL):
        return None
    return head[1], line[head.end() : -len(_USUAL_TAIL)]


def _parts(line: bytes) -> tuple[bytes, bytes]:
    shell = _SHELL.decode(line)
    return encode_values(shell.custom_id), bytes(shell.params)


class _Shell(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    custom_id: str | int
    params: msgspec.Raw


class _Certain(msgspec.Struct, gc=False):
    """The fields of params that are checked; see ``params.params_problem`` and ``params.missing_problem``."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    messages: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    betas: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    output_config: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_SHELL = msgspec.json.Decoder(_Shell)
_CERTAIN = msgspec.json.Decoder(_Certain)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def _shape_problem(request: Mapping[str, object], number: int) -> str:
    named = named_shape(request)
    if named is not None:
        return f"{row_name(number)} {named}"
    missing = sorted(_FIELDS - request.keys())
    if missing:
        return (
            f"{row_name(number)} lacks {' and '.join(missing)}; it has {listed(request)}. Give each ready request "
            f"a custom_id and params; or, to make requests from rows, give `rows=` and `prompt=` instead."
        )
    unknown = [name for name in request if name not in _FIELDS]
    return (
        f"{row_name(number)} has unknown fields: {listed(unknown)}. Remove them, or move them into params if they are "
        f"for the model. A ready request has only custom_id and params."
    )
