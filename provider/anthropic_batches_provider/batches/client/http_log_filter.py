"""Keeps the HTTP library from logging every call: a wait of a day would fill logs with polls."""

from __future__ import annotations

import logging

_HTTP_LIBRARY = "httpx2"
_OUR_CALLS = ("/v1/messages/batches", "/v1/messages/count_tokens", "/v1/models")


class NoLinePerCall(logging.Filter):
    """Drops the INFO line of each call that a job or an estimate makes, unless the library logs at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record."""
        if record.levelno > logging.INFO or logging.getLogger(_HTTP_LIBRARY).isEnabledFor(logging.DEBUG):
            return True
        return not any(path in str(argument) for argument in record.args or () for path in _OUR_CALLS)


def filter_http_log() -> None:
    """Add the filter to the library's logger, once per process."""
    logger = logging.getLogger(_HTTP_LIBRARY)
    if not any(isinstance(known, NoLinePerCall) for known in logger.filters):
        logger.addFilter(NoLinePerCall())
