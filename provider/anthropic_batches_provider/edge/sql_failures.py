"""What becomes of the errors of a database's driver: ours, without any data.

Drivers quote parameters and values of rows: ``invalid input syntax for type integer: "…"``. Nothing of a driver's error
is kept but its class, its SQLSTATE or number, and of some errors the first line of the message, in which parameters and
values are replaced. The message of any error that is not known to be free of values is hidden.
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
_FROM_A_QUOTE = re.compile(r"[\"'`«»\u2018-\u201f\u2039\u203a\u300c-\u300f].*")  # in any language of the server
_FROM_A_VALUE = re.compile(rf"(?:\d|[{{\[]|{_FROM_A_QUOTE.pattern}).*")
_IS_HIDDEN = "Its message is hidden, because it may hold values of rows: to see it, run the query in a database client"
# Classes of SQLSTATE whose messages quote names of tables, hosts and users, and words of the query.
_NAMES = frozenset({"08", "28", "3D", "42", "53", "57"})
# Those that name no more than types and commands before they quote a value.
_FIXED_BEGINNINGS = frozenset({"0A", "21", "22", "25", "40", "54", "55", "58"})
_OF_SQLITE_QUERIES = re.compile(
    r"no such (?:table|column|function)|near .*: syntax error$|incomplete input$|ambiguous column name"
)
_VALUES_OF_SQLITE = ("SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH")
_OF_LOST_CONNECTIONS = re.compile(
    r"(?:consuming input failed: )?(?:server closed the connection unexpectedly"
    r"|SSL connection has been closed unexpectedly|the connection is (?:lost|closed))|connection already closed"
)
_RAISED_IN = frozenset({"pl_exec.c", "plperl.c", "plpy_plpymodule.c", "plpy_elog.c", "pltcl.c"})  # of PostgreSQL
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_NUMBER = re.compile(r"[\w-]{1,60}")
_WRITES = frozenset({"25006", "SQLITE_READONLY"})
_UNSUPPORTED = "0A000"  # such as WITH … AS (DELETE …)
_DATA = "22"  # a division by zero, a text that is no number
_LASTING = (_DATA, "42")
_OF_PYTHON = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, ImportError, NotImplementedError)


class NoExactValueError(ValueError):
    """Python has no such value as the database's. The message holds nothing of the row."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query with its parameters; as text it names neither.

    :param parameters: empty or None for none.
    :param user: what reads the rows, for messages.
    """

    conn_id: str
    sql: str = field(repr=False)
    parameters: Sequence[Any] | Mapping[str, Any] | None = field(default=None, repr=False)
    user: str = "SqlRows"

    def __str__(self) -> str:
        return f"{self.user} on {self.conn_id!r}"


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
        return self._call(
            function, *arguments, shown=without_rows, advice="Correct the connection, or install the driver."
        )

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

    def _call(
        self,
        function: Callable[..., _Result],
        *arguments: Any,
        advice: str,
        shown: Callable[[Exception, str], str] | None = None,
    ) -> _Result:
        try:
            return function(*arguments)
        except MessageBatchesError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise errors of any class
            failure = self._failure(error, advice, shown or with_rows)
        raise failure  # outside of the handler: the driver's error must not be its context

    def _failure(
        self, error: Exception, advice: str, shown: Callable[[Exception, str], str]
    ) -> ConfigurationError | SourceError:
        state = state_of(error)
        what = described(error, shown(error, self._message(error)), hidden=_IS_HIDDEN)
        if (state or "").startswith(_DATA):
            advice = "Correct the query, its parameters or the data, so that every row can be computed."
        where = f" after {counted(self.rows, 'row')}" if self.rows else ""
        if state in _WRITES or (state == _UNSUPPORTED and "modif" in str(error)):
            return ConfigurationError(
                f"{self._query}: the database refused the query, because it may only read: {what}. Give a query that "
                "changes nothing. Nothing was changed and nothing was sent."
            )
        if is_lasting(error, state):
            return ConfigurationError(f"{self._query}: no rows can be read{where}: {what}. {advice} Nothing was sent.")
        return SourceError(
            f"{self._query}: reading failed{where or ' before the first row'}: {what}. A retry reads the rows again "
            "from the start. Nothing was sent."
        )

    def _message(self, error: Exception) -> str:
        """Return the first line of a driver's message without parameters."""
        message = str(error)
        texts = sorted(set(_texts(self._query.parameters)), key=len, reverse=True)
        for hidden in (_without, _without_beginning):
            for text in texts:
                message = hidden(text, message)
        return next(iter(message.strip().splitlines()), "no message")


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


def described(error: Exception, message: str, *, hidden: str) -> str:
    """Return an error of a driver in words: its class, its number, and what may be shown of its message.

    :param message: what may be shown; empty for nothing.
    :param hidden: said in place of a message of which nothing may be shown.
    """
    message = message.rstrip(" .")[:_MOST_CHARACTERS]
    number, end = (state_of(error), f": {message}") if message not in ("", _HIDDEN) else (_number(error), f". {hidden}")
    return f"{type(error).__name__}{f' ({number})' if number else ''}{end}"


def classes_of(error: Exception) -> set[str]:
    """Return the names of an error's classes."""
    return {each.__name__ for each in type(error).__mro__}


def state_of(error: Exception) -> str | None:
    """Return the SQLSTATE of an error, or SQLite's name of it."""
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):
        state = getattr(error, name, None)
        if isinstance(state, str) and _NUMBER.fullmatch(state):
            return state
    return error.args[0] if _is_of_odbc(error) else None


def _is_of_odbc(error: Exception) -> bool:
    """Return whether an error is a SQLSTATE with a message that repeats it: ``("22018", "[22018] [Microsoft]…")``."""
    first, *others = error.args or (None,)
    return isinstance(first, str) and bool(_SQLSTATE.fullmatch(first)) and str(others[:1])[2:].startswith(f"[{first}]")


def _number(error: Exception) -> str | None:
    """Return the SQLSTATE of an error, or the number or the name that the database has for it."""
    first, *others = error.args or (None,)
    numbers = [state_of(error), first if others and isinstance(first, int) else None]  # a first of one may be a value
    numbers += [getattr(error, "errno", None), getattr(error, "error_name", None), getattr(first, "full_code", None)]
    return next((str(each) for each in numbers if isinstance(each, (int, str)) and _NUMBER.fullmatch(str(each))), None)


def is_lasting(error: Exception, state: str | None) -> bool:
    """Return whether a retry would only repeat an error."""
    if state is not None and not state.startswith("SQLITE_"):
        return state.startswith(_LASTING) or state == _UNSUPPORTED
    lasting = {"ProgrammingError", "NotSupportedError", "DataError", "Warning"}
    if state is not None and _OF_SQLITE_QUERIES.match(str(error)):  # in a new connection it may be SQLITE_SCHEMA
        return True
    return state == "SQLITE_ERROR" or bool(classes_of(error) & lasting) or isinstance(error, _OF_PYTHON)


def without_rows(error: Exception, message: str) -> str:
    """Return what may be shown of a message of a time at which no query has run."""
    if isinstance(error, _OF_PYTHON) or "ProgrammingError" in classes_of(error):  # they quote options
        return _FROM_A_QUOTE.sub(_HIDDEN, message)
    return message


def with_rows(error: Exception, message: str) -> str:
    """Return what may be shown of a message that may hold values of rows; empty for nothing."""
    state = state_of(error)
    if state is None:
        return _without_state(error, message)
    if state.startswith("SQLITE_"):
        if _OF_SQLITE_QUERIES.match(message):
            return message
        return "" if state.startswith(_VALUES_OF_SQLITE) else _FROM_A_VALUE.sub(_HIDDEN, message)
    if may_be_raised_by_users(error):
        return ""
    if state[:2] in _NAMES:
        return message
    if state[:2] in _FIXED_BEGINNINGS and not _is_of_odbc(error):
        return _FROM_A_VALUE.sub(_HIDDEN, message)
    return ""


def may_be_raised_by_users(error: Exception) -> bool:
    """Return whether functions of users may have raised an error, with a SQLSTATE of the database's own."""
    is_raised = getattr(getattr(error, "diag", None), "source_file", None) in _RAISED_IN
    return is_raised or (state_of(error) == "42000" and _is_of_odbc(error))  # RAISERROR


def _without_state(error: Exception, message: str) -> str:
    if isinstance(error, NoExactValueError) or _OF_LOST_CONNECTIONS.match(message):
        return message
    if isinstance(error, OSError) or type(error).__module__ == "sqlite3":  # the module's own, of no database
        return _FROM_A_QUOTE.sub(_HIDDEN, message)
    return ""
