"""What becomes of a database's error while a table is checked, made or read: ours, without any data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from anthropic_batches_provider.edge.sql_failures import is_lasting_failure, shown_failure
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError, SourceError

_Result = TypeVar("_Result")


class TableCalls:
    """Calls the driver for a table, and raises our errors in place of its own.

    :param name: what messages call the table.
    :param end: what is true after a failure: the last sentences of each message.
    """

    def __init__(self, name: str, end: str) -> None:
        self.name = name
        self.end = end

    def __call__(self, doing: str, advice: str, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function returns that asks the database.

        :param doing: what cannot be done if it fails: ``rows cannot be inserted``.
        :param advice: what to do if a retry would fail again.
        :raises ConfigurationError: the database, the user's rights or the DAG must be changed.
        :raises SourceError: the database could not be asked.
        """
        try:
            return function(*arguments)
        except MessageBatchesError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise errors of any class
            what, is_lasting = shown_failure(error).rstrip(" ."), is_lasting_failure(error)
        # Outside of the handler: the driver's error, which may hold data, must not be its context.
        if is_lasting:
            raise ConfigurationError(f"{self.name}: {doing}: {what}. {advice} {self.end}")
        raise SourceError(f"{self.name}: {doing}: {what}. A retry tries again. {self.end}")
