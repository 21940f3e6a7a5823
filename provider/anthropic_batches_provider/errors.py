"""The errors of this package, split by who must act.

::

    MessageBatchesError
    ├── ConfigurationError            fix the DAG, its rows or the connection; a retry would only repeat it
    │   ├── InvalidRowError           one row or request cannot be sent; names it
    │   ├── EmptyInputError           there are no rows
    │   ├── ChangedInputError         the unit's job was opened with a different question or different rows
    │   ├── PilotFailedError          the first rows show that the rest would be sent in vain
    │   ├── DestinationOwnedError     the destination holds another job's output
    │   └── XComLimitError            the results are too large for XCom; names the alternative
    ├── ApiError                      the service refused, failed or did not answer
    │   ├── ApiConnectionError        no answer; ``connected`` says whether a request may have arrived
    │   ├── ApiStatusError            an HTTP error; carries status, type and request id
    │   │   ├── AuthenticationFailedError       401 or 403
    │   │   ├── BatchNotFoundError              404
    │   │   ├── RateLimitedError                429; carries ``retry_after_seconds``
    │   │   └── SpendLimitReachedError          402, or a 429 that lasts until the spend limit is raised
    │   ├── UnexpectedAnswerError     an answer that differs from the form the API documents
    │   └── ResultsStreamError        the results broke off or are incomplete
    ├── LedgerError                   the ledger says too little to spend safely
    │   ├── JobNotFoundError          a reference names a job whose folder does not exist
    │   ├── CorruptLedgerError        a record is unreadable or was not written by this package
    │   └── SubmissionOutcomeUnknownError   a create call may or may not have made a batch
    ├── SpoolFullError                the worker's disk has no room for a task's temporary files
    ├── SourceError                   a database or a store failed while rows were read from it or loaded into it
    └── BatchOutcomeError             batches did not end as intended
        ├── FailedRowsError           more rows failed than ``max_failed_rows`` allows
        ├── JobStoppedError           the errors of rows show that no request would be answered now
        ├── BatchesNotEndedError      batches are still running when results are collected or a wait times out
        └── ResultsUnavailableError   archived after 29 days, deleted, or downloads disabled

A message says what happened (ids, numbers), what to do next, and what is true now (running or not, billed or not).
Every error survives pickling with its attributes.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ApiConnectionError",
    "ApiError",
    "ApiStatusError",
    "AuthenticationFailedError",
    "BatchNotFoundError",
    "BatchOutcomeError",
    "BatchesNotEndedError",
    "ChangedInputError",
    "ConfigurationError",
    "CorruptLedgerError",
    "DestinationOwnedError",
    "EmptyInputError",
    "FailedRowsError",
    "InvalidRowError",
    "JobNotFoundError",
    "JobStoppedError",
    "LedgerError",
    "MessageBatchesError",
    "PilotFailedError",
    "RateLimitedError",
    "ResultsStreamError",
    "ResultsUnavailableError",
    "SourceError",
    "SpendLimitReachedError",
    "SpoolFullError",
    "SubmissionOutcomeUnknownError",
    "UnexpectedAnswerError",
    "XComLimitError",
]


def _rebuild(cls: type[MessageBatchesError], args: tuple[Any, ...], state: dict[str, Any]) -> MessageBatchesError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class MessageBatchesError(Exception):
    """Base of every error that this package raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class ConfigurationError(MessageBatchesError):
    """The DAG, its rows or the connection must be changed; nothing was spent by this call."""


class InvalidRowError(ConfigurationError):
    """A row cannot become a request.

    :param message: what is wrong and how to fix it.
    :param row_number: position of the row in the input, from 0.
    """

    def __init__(self, message: str, *, row_number: int) -> None:
        super().__init__(message)
        self.row_number = row_number


class EmptyInputError(ConfigurationError):
    """The input holds no rows, and ``on_empty`` is not ``"skip"``."""


class ChangedInputError(ConfigurationError):
    """The job of this unit was opened with a different question or different rows; nothing new was submitted."""


class PilotFailedError(ConfigurationError):
    """The first rows of a job show that the rest would be sent in vain; only they were sent."""


class DestinationOwnedError(ConfigurationError):
    """The destination's marker or manifest names another owner; nothing was written or spent."""


class XComLimitError(ConfigurationError):
    """The results are too large for XCom; they can still be collected to object storage at no cost."""


class ApiError(MessageBatchesError):
    """The service refused, failed or did not answer.

    :param message: what happened.
    :param request_id: the service's ``request-id`` of the answer, if there was one.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class ApiConnectionError(ApiError):
    """No complete answer arrived.

    :param connected: False only if it is proven that no connection was made, so that nothing can have arrived.
    """

    def __init__(self, message: str, *, connected: bool, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.connected = connected


class ApiStatusError(ApiError):
    """An answer with an HTTP error status.

    :param status: the HTTP status, 300 to 599.
    :param error_type: the API's ``error.type``, e.g. ``invalid_request_error``; None if the body is not the API's.
    :param error_code: the API's ``error.details.error_code``, e.g. ``enforced_spend_limit_reached``.
    :param retry_after_seconds: the ``retry-after`` header, in seconds.
    :param reached_api: False only if it is proven that the call was never sent, as after a refused token exchange.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        error_type: str | None = None,
        error_code: str | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
        reached_api: bool = True,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.status = status
        self.error_type = error_type
        self.error_code = error_code
        self.reached_api = reached_api
        self.retry_after_seconds = retry_after_seconds


class AuthenticationFailedError(ApiStatusError):
    """401 or 403: the key is wrong, or may not do this in this workspace."""


class BatchNotFoundError(ApiStatusError):
    """404: no such batch in the key's workspace, or its results are not available."""


class RateLimitedError(ApiStatusError):
    """429: too many calls, or too many requests in the account's processing queue."""


class SpendLimitReachedError(ApiStatusError):
    """402, or a 429 about the spend limit: retrying is futile until the account's limit or credit is raised."""


class UnexpectedAnswerError(ApiError):
    """A successful status with a body that differs from the form the API documents, such as a proxy's HTML page."""


class ResultsStreamError(ApiError):
    """The results of a batch broke off, or hold fewer lines than the batch has requests; nothing was published."""


class LedgerError(MessageBatchesError):
    """A record of the ledger is missing, unreadable or undecided: while that is so, nothing is spent."""


class JobNotFoundError(LedgerError):
    """A job reference or resume names a job folder that does not exist."""


class CorruptLedgerError(LedgerError):
    """A record of the ledger cannot be read, or was not written by this package."""


class SubmissionOutcomeUnknownError(LedgerError):
    """A create call ended without a usable answer and cannot be settled yet: a batch may exist.

    :param shard: the shard of the unresolved create call.
    """

    def __init__(self, message: str, *, shard: int) -> None:
        super().__init__(message)
        self.shard = shard


class SpoolFullError(MessageBatchesError):
    """The worker's disk has no room for a task's temporary files; a retry resumes, perhaps on another worker.

    :param folder: the local folder of these files.
    :param free_bytes: the bytes that its disk had left for this user.
    """

    def __init__(self, message: str, *, folder: str, free_bytes: int) -> None:
        super().__init__(message)
        self.folder = folder
        self.free_bytes = free_bytes


class SourceError(MessageBatchesError):
    """A database, a store of files, or the connection to it, failed.

    While rows were read from it: nothing was sent, and a retry reads them again. While answers were loaded into it: the
    table is as it was, and a retry loads them; nothing is paid again.
    """


class BatchOutcomeError(MessageBatchesError):
    """Batches did not end as intended; everything that was paid for is kept."""


class FailedRowsError(BatchOutcomeError):
    """More rows lack a succeeded result than ``max_failed_rows`` allows; all results are written.

    :param failed: number of rows without a succeeded result.
    :param total: number of rows of the job.
    """

    def __init__(self, message: str, *, failed: int, total: int) -> None:
        super().__init__(message)
        self.failed = failed
        self.total = total


class JobStoppedError(BatchOutcomeError):
    """Rows failed because credit ran out or permission is missing; nothing more is sent until that is fixed."""


class BatchesNotEndedError(BatchOutcomeError):
    """Some batches have not ended; they keep running and will be billed.

    :param batch_ids: the batches that have not ended.
    """

    def __init__(self, message: str, *, batch_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.batch_ids = batch_ids


class ResultsUnavailableError(BatchOutcomeError):
    """The results of an ended batch are no longer available."""
