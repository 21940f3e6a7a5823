"""The ways in which a row fails: one table that the engine, the errors and the docs share.

Source of the error types: https://platform.claude.com/docs/en/api/errors (2026-08-22).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from anthropic_batches_provider.batches.verdicts import INVALID_OUTPUT, REFUSAL, TRUNCATED, UNFINISHED

INVALID_ROW = "invalid_row"
"""This package's own result type: a row that was not sent, because no request can be made from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFailure:
    """A way in which a row gets no usable answer.

    :param name: the value that tells it, in the column that ``kind`` names.
    :param kind: the column of the output.
    :param meaning: what happened, for the docs.
    :param billed: whether the request is paid for.
    :param again: whether a further round sends the row, with the same request; never where it may have been billed.
    :param stops: whether every further request would fail the same way until somebody acts.
    :param repair: of a verdict: what a repair of such answers may change, as Python; "" if there is no repair.
    :param advice: what to do; a sentence, or "" where a further round does it.
    """

    name: str
    kind: Literal["result_type", "error_type", "verdict"]
    meaning: str
    billed: Literal["no", "yes", "perhaps"] = "no"
    again: bool = False
    stops: bool = False
    repair: str = ""
    advice: str = ""


FAILURES = (
    RowFailure(
        name=INVALID_ROW,
        kind="result_type",
        meaning="no request can be made from the row, so it was not sent",
        advice="Correct the invalid rows.",
    ),
    RowFailure(
        name="invalid_request_error",
        kind="error_type",
        meaning="the API refuses the request: a parameter that the model does not take, a schema, too long a prompt",
        advice="An invalid_request_error repeats until the row or the parameters change.",
    ),
    RowFailure(
        name="not_found_error",
        kind="error_type",
        meaning="the request names something that does not exist, such as a model or a file",
        advice="Correct what a not_found_error names, such as the model.",
    ),
    RowFailure(
        name="request_too_large",
        kind="error_type",
        meaning="the request exceeds the API's size",
        advice="Shorten the rows with request_too_large.",
    ),
    RowFailure(
        name="authentication_error",
        kind="error_type",
        meaning="the key was revoked while the batch ran",
        again=True,
        stops=True,
        advice="Correct the key.",
    ),
    RowFailure(
        name="permission_error",
        kind="error_type",
        meaning="the key may not use the model or the feature",
        again=True,
        stops=True,
        advice="Give the key's workspace the right that a permission_error names.",
    ),
    RowFailure(
        name="billing_error",
        kind="error_type",
        meaning="the credit is exhausted, or payment failed",
        again=True,
        stops=True,
        advice="Add credit.",
    ),
    RowFailure(name="rate_limit_error", kind="error_type", meaning="a limit of the account", again=True),
    RowFailure(name="api_error", kind="error_type", meaning="an error inside the service", again=True),
    RowFailure(name="timeout_error", kind="error_type", meaning="the service took too long", again=True),
    RowFailure(name="overloaded_error", kind="error_type", meaning="the service is overloaded", again=True),
    RowFailure(name="canceled", kind="result_type", meaning="the batch was canceled before the row's turn", again=True),
    RowFailure(
        name="expired", kind="result_type", meaning="the batch was 24 hours old before the row's turn", again=True
    ),
    RowFailure(
        name="missing",
        kind="result_type",
        meaning="the results hold no answer to the request",
        billed="perhaps",
    ),
    RowFailure(
        name="unreadable",
        kind="result_type",
        meaning="the results hold an answer that cannot be decoded; its line is kept in the job's `unreadable/`",
        billed="yes",
    ),
    RowFailure(
        name=INVALID_OUTPUT,
        kind="verdict",
        meaning="the answer holds no JSON, or does not fit `output_schema`; `error_message` names the first place",
        billed="yes",
        repair="{}",
        advice="Rows with invalid_output need a clearer prompt or description, or a weaker output_schema.",
    ),
    RowFailure(
        name=TRUNCATED,
        kind="verdict",
        meaning="the answer was cut at `max_tokens`",
        billed="yes",
        repair="{'max_tokens': …}",
        advice="Truncated rows need a higher max_tokens.",
    ),
    RowFailure(
        name=REFUSAL,
        kind="verdict",
        meaning="the model declined to answer",
        billed="yes",
        repair="{'model': …}",
        advice="Refusals repeat: treat them as a class of their own, or ask another model.",
    ),
    RowFailure(
        name=UNFINISHED,
        kind="verdict",
        meaning="the model paused (`pause_turn`), or the context window was full",
        billed="yes",
        repair="{}",
        advice="Unfinished rows need to be continued, or a shorter prompt, or fewer server tools.",
    ),
)
"""All known ways. A row may also be errored with another type: a further round sends it, and it stops nothing."""

_BY_NAME = {failure.name: failure for failure in FAILURES}


def may_go_again(result_type: str, error_type: str | None) -> bool:
    """Return whether a row without a succeeded result may be sent again.

    Canceled and expired rows may. So may errored rows whose error may be temporary: overload, a server error, a limit,
    exhausted credit, or a key that was replaced since. A bad request may not: it would fail again. A row whose result
    is missing or unreadable may not: it may have been billed, or was.
    """
    if result_type == "errored":
        known = _BY_NAME.get(error_type or "")
        return known is None or known.kind != "error_type" or known.again
    known = _BY_NAME.get(result_type)
    return known is not None and known.kind == "result_type" and known.again


def stopping_errors(errors: Mapping[str, int]) -> dict[str, int]:
    """Return the errors that stop the job, each with its number of rows.

    :param errors: the number of rows by error type.
    """
    return {name: errors[name] for name in (f.name for f in FAILURES if f.stops) if name in errors}
