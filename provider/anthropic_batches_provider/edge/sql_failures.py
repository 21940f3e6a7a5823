"""What becomes of the errors of a database's driver: ours, without any data.

Drivers quote parameters and values of rows: ``invalid input syntax for type integer: "…"``. Nothing of a driver's error
is kept but its class, its SQLSTATE and the first line of its message, in which parameters and values are replaced.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, TypeVar

from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError, SourceError

_Result = TypeVar("_Result")

_HIDDEN = "***"
_SURE_LENGTH = 4  # a shorter text is replaced only where it is a word of its own: it may be part of any other
_BEGIN_LENGTH = 8
_MOST_CHARACTERS = 500
_FROM_A_QUOTE = re.compile(r"[\"'].*")
_WRITES = frozenset({"25006", "SQLITE_READONLY"})
_UNSUPPORTED = "0A000"  # such as WITH … AS (DELETE …)
_OF_PYTHON = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, ImportError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Query:
    """A query with its parameters; as text it names neither.

    :param parameters: empty or None for none.
    """

    conn_id: str
    sql: str = field(repr=False)
    parameters: Sequence[Any] | Mapping[str, Any] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"SqlRows on {self.conn_id!r}"


class DriverCalls:
    """Calls the driver for one query, and raises our errors in place of its own.

    :ivar rows: how many rows it has returned so far, for messages.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self.rows = 0

    def connect(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function returns that opens or prepares the connection.

        :raises ConfigurationError: the connection must be changed.
        :raises SourceError: the database could not be reached, or refused the login.
        """
        return self._call(function, *arguments, advice="Correct the connection, or install the driver.")

    def execute(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function returns that executes the query.

        :raises ConfigurationError: the query or its parameters must be changed.
        :raises SourceError: the database or the connection to it failed.
        """
        return self._call(
            function,
            *arguments,
            advice="Correct the query, or the number and the types of its parameters. In a query with parameters, a % "
            "that is no placeholder may have to be doubled.",
        )

    def fetch(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function returns that fetches rows.

        :raises ConfigurationError: Python cannot hold a value of a row, or the query must be changed.
        :raises SourceError: the database or the connection to it failed.
        """
        return self._call(
            function, *arguments, advice="If Python cannot hold a value, cast its column to text in the query."
        )

    def _call(self, function: Callable[..., _Result], *arguments: Any, advice: str) -> _Result:
        try:
            return function(*arguments)
        except MessageBatchesError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise errors of any class
            failure = self._failure(error, advice)
        raise failure  # outside of the handler: the driver's error must not be its context

    def _failure(self, error: Exception, advice: str) -> ConfigurationError | SourceError:
        state = _state(error)
        what = f"{type(error).__name__}{f' ({state})' if state else ''}: {self._message(error)}"
        where = f" after {counted(self.rows, 'row')}" if self.rows else ""
        if state in _WRITES or (state == _UNSUPPORTED and "modif" in str(error)):
            return ConfigurationError(
                f"{self._query}: the database refused the query, because it may only read: {what}. Give a query that "
                "changes nothing. Nothing was changed and nothing was sent."
            )
        if _is_lasting(error, state):
            return ConfigurationError(f"{self._query}: no rows can be read{where}: {what}. {advice} Nothing was sent.")
        return SourceError(
            f"{self._query}: reading failed{where or ' before the first row'}: {what}. A retry reads the rows again "
            "from the start. Nothing was sent."
        )

    def _message(self, error: Exception) -> str:
        """Return the first line of a driver's message, without parameters, and without values of rows."""
        message = str(error)
        texts = sorted(set(_texts(self._query.parameters)), key=len, reverse=True)
        for hidden in (_without, _without_beginning):
            for text in texts:
                message = hidden(text, message)
        first_line = next(iter(message.strip().splitlines()), "no message")
        if _quotes_values(error):
            first_line = _FROM_A_QUOTE.sub(_HIDDEN, first_line)
        return first_line.rstrip(" .")[:_MOST_CHARACTERS]


def _without(text: str, message: str) -> str:
    """Return a message without a text."""
    if len(text) >= _SURE_LENGTH:
        return message.replace(text, _HIDDEN)
    return re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", _HIDDEN, message) if text else message


def _without_beginning(text: str, message: str) -> str:
    """Return a message without the beginning of a long text: databases cut what they quote."""
    if len(text) <= _BEGIN_LENGTH:
        return message
    begin, kept = text[:_BEGIN_LENGTH], ""
    while begin in message:
        before, _, after = message.partition(begin)
        kept += before + _HIDDEN
        message = (begin + after)[_common_length(begin + after, text) :]
    return kept + message


def _common_length(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts by which a driver may quote parameters."""
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple, Set)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        content = bytes(value)
        yield from (content.decode(errors="replace"), content.hex(), repr(content)[2:-1])
    else:
        text = str(value)
        yield from (text, text.replace("'", "''"), text.replace("\\", "\\\\"), repr(text)[1:-1])
        if not isinstance(value, str):
            yield repr(value)
        if isinstance(value, (datetime.date, datetime.time)):
            yield value.isoformat()


def _classes(error: Exception) -> set[str]:
    return {each.__name__ for each in type(error).__mro__}


def _state(error: Exception) -> str | None:
    """Return the SQLSTATE of an error, or SQLite's name of it."""
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):
        state = getattr(error, name, None)
        if isinstance(state, str) and state:
            return state
    return None


def _is_lasting(error: Exception, state: str | None) -> bool:
    """Return whether a retry would only repeat an error."""
    if state is not None and not state.startswith("SQLITE_"):
        return state.startswith("42") or state == _UNSUPPORTED
    lasting = {"ProgrammingError", "NotSupportedError", "DataError", "Warning"}
    return state == "SQLITE_ERROR" or bool(_classes(error) & lasting) or isinstance(error, _OF_PYTHON)


def _quotes_values(error: Exception) -> bool:
    """Return whether the quoted parts of a message may be values, and not names of tables or hosts."""
    names = _classes(error)
    return (
        "DataError" in names
        or isinstance(error, _OF_PYTHON)
        or (type(error).__module__ == "sqlite3" and "OperationalError" in names and _state(error) is None)
    )
