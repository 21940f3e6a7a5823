"""What the error of a row says: whether the row may be sent again, and whether anything should be.

Source: https://platform.claude.com/docs/en/api/errors (2026-08-22).
"""

from __future__ import annotations

from collections.abc import Mapping

# The same request would meet them again.
_REPEATING_ERRORS = frozenset(("invalid_request_error", "not_found_error", "request_too_large"))

# Every further request would meet them, until somebody has acted: they stop the job.
_STOPPING_ERRORS = ("authentication_error", "billing_error", "permission_error")


def may_go_again(result_type: str, error_type: str | None) -> bool:
    """Return whether a row without a usable result may be sent again.

    Canceled and expired rows may, and errored ones whose error may pass (overload, a server's error, a limit, an
    exhausted credit or a key that was replaced since). A bad request never: it would fail again. Nor a missing result:
    it may have been billed.
    """
    if result_type == "errored":
        return error_type not in _REPEATING_ERRORS
    return result_type in ("canceled", "expired")


def stopping_errors(errors: Mapping[str, int]) -> dict[str, int]:
    """Return those errors of a job's rows that stop the job, each with its number of rows.

    :param errors: rows by the type of their error.
    """
    return {name: errors[name] for name in _STOPPING_ERRORS if name in errors}
