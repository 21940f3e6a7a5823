"""Looks up the model of a new job before anything is sent: a misspelled one would fail every row, hours later.

Only what the API says beyond doubt refuses a model: its own 404 for the id, and a list of models that lacks it. A
gateway may not know these calls, so anything else is a warning.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pendulum

from anthropic_batches_provider.batches.create_answers import is_the_apis_not_found
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.limits import LONGEST_LIFE
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.repairs import NO_REPAIR, Repair
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.service import ModelService
from anthropic_batches_provider.errors import ApiError, ApiStatusError, ConfigurationError

log = logging.getLogger(__name__)

_NEAR_NAMES = 3


class _Params(msgspec.Struct):
    model: str


_decode_params = msgspec.json.Decoder(_Params).decode


def with_known_model(
    rows: Iterable[PreparedRow | InvalidRow],
    service: ModelService,
    *,
    now: pendulum.DateTime,
    repair: Repair = NO_REPAIR,
) -> Iterator[PreparedRow | InvalidRow]:
    """Yield the rows unchanged; look up the model of the first that can be sent.

    :param now: the time, to tell whether the model is about to retire.
    :param repair: names further models to look up.
    :raises ConfigurationError: the API does not know the model.
    """
    pending = iter(rows)
    for row in pending:
        if isinstance(row, PreparedRow):
            check_model(service, _decode_params(row.params).model, now=now)
            for verdict in repair.changes:
                check_repair_models(service, repair, verdict, now=now)
            yield row
            break
        yield row
    yield from pending


def check_repair_models(service: ModelService, repair: Repair, verdict: str, *, now: pendulum.DateTime) -> None:
    """Look up the model that the repair of a verdict asks, if it names one.

    :raises ConfigurationError: the API does not know it.
    """
    model = repair.changes[verdict].get("model")
    if isinstance(model, str):
        check_model(service, model, now=now, argument=f"repair[{verdict!r}]['model']")


def check_model(service: ModelService, model: str, *, now: pendulum.DateTime, argument: str = "model") -> None:
    """Look up a model.

    :param argument: that names it, for the message.

    :raises ConfigurationError: the API does not know it; the message has the nearest names that it does know.
    """
    try:
        info = service.model(model)
    except ApiError as error:
        if isinstance(error, ApiStatusError) and is_the_apis_not_found(error):
            _refuse_unless_listed(service, model, argument)
        else:
            _warn(model, error)
        return
    retires_at = retirement_of(info)
    if retires_at is not None and retires_at <= now + LONGEST_LIFE:
        log.warning(
            "The model %s retires at %s, before every batch that is sent now must have ended. Rows that are answered "
            "later will fail, unbilled. Ask a newer model.",
            model, retires_at.in_timezone("UTC").to_iso8601_string(),
        )  # fmt: skip


def _refuse_unless_listed(service: ModelService, model: str, argument: str) -> None:
    try:
        known = [name for info in service.models() if isinstance(name := info.get("id"), str)]
    except ApiError as error:
        _warn(model, error)
        return
    if model in known or not known:
        log.warning("The API lists the model %s, but does not describe it. It is sent as it is.", model)
        return
    near = difflib.get_close_matches(model, known, n=_NEAR_NAMES) or known[:_NEAR_NAMES]
    raise ConfigurationError(
        f"The API does not know the model {model!r}. Correct `{argument}`; near names are: {', '.join(near)}. "
        "Perhaps the key's workspace may not use it, or it is retired. Nothing was sent."
    )


def _warn(model: str, error: ApiError) -> None:
    log.warning("The model %s could not be looked up. It is sent as it is. %s", model, error)


def retirement_of(info: Mapping[str, Any]) -> pendulum.DateTime | None:
    """Return when a model retires; None if the API does not say.

    :param info: the API's description of the model.
    """
    text = info.get("retires_at")
    try:
        return moment(text) if isinstance(text, str) else None
    except (TypeError, ValueError):
        return None
