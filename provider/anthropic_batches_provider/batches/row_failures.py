"""Whether the error of a row allows sending that row again, and whether it stops the whole job.

Source: https://platform.claude.com/docs/en/api/errors (2026-08-22).
"""

from __future__ import annotations

from collections.abc import Mapping

INVALID_ROW = "invalid_row"
"""This package's own result type: a row that was not sent, because no request can be made from it."""

# The same request would fail with them again.
_REPEATING_ERRORS = frozenset(("invalid_request_error", "not_found_error", "request_too_large"))

# Every further request would fail with them until somebody acts, so they stop the job.
_STOPPING_ERRORS = ("authentication_error", "billing_error", "permission_error")


def may_go_again(result_type: str, error_type: str | None) -> bool:
    """Return whether a row without a usable result may be sent again.

    Canceled and expired rows may. So may errored rows whose error may be temporary: overload, a server error, a limit,
    exhausted credit, or a key that was replaced since. A bad request may not: it would fail again. A row whose result
    is missing or unreadable may not: it may have been billed, or was.
    """
    if result_type == "errored":
        return error_type not in _REPEATING_ERRORS
    return result_type in ("canceled", "expired")


def stopping_errors(errors: Mapping[str, int]) -> dict[str, int]:
    """Return the errors that stop the job, each with its number of rows.

    :param errors: the number of rows by error type.
    """
    return {name: errors[name] for name in _STOPPING_ERRORS if name in errors}
