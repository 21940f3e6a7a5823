"""What becomes of a driver's errors while a table is checked or loaded: ours, with names but without any value.

Drivers quote rows: ``Key (id)=(…) already exists``, ``COPY …, column label: "…"``. Of a message only its first line is
shown, and only if it is known to name no more than tables, columns, constraints and types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from anthropic_batches_provider.edge.sql_failures import (
    classes_of,
    described,
    is_lasting,
    may_be_raised_by_users,
    state_of,
    with_rows,
    without_rows,
)
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError, SourceError

_Result = TypeVar("_Result")

_HIDDEN = "Its message is hidden, because it may hold values of rows"
_CONSTRAINT = "23"
_ONLY_READS = "25006"  # after a failover, until the connection leads to the new primary
_LOCKED = frozenset({"55P03", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_BUSY_SNAPSHOT"})
_NAMES_OF_SQLITE = re.compile(
    r"(UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed|cannot store \w+ value in \w+ column|datatype mismatch"
    r"|(table|view) .* has no column named|cannot modify .* because it is a view"
)
_RAISED_BY_SQLITE = "SQLITE_CONSTRAINT_TRIGGER"
_LENGTH_OF_POSTGRES = re.compile(r"value too long for type (character|character varying|bit|bit varying)\(\d+\)")
_PLACE = re.compile(r"COPY .*?, line (\d+)(?:, column (.*?))?(?::|$)", re.MULTILINE)
_ADVICE = {
    "42501": "Grant the connection's user SELECT, INSERT and DELETE on the table, and CREATE in its schema, where the "
    "rows are loaded into a table of their own first",
    "42P01": "Create the table, or correct SqlTable(table=…)",
    "3F000": "Create the schema, or correct SqlTable(table=…)",
    "42703": "Add the column to the table, or leave it out with columns=",
    "22001": "Let the column of the table hold longer texts",
    "22003": "Give the column of the table a type that holds larger numbers",
    "23502": "Let the column be null, give it a value with keep=, or leave it out with columns=",
    "23503": "Add the rows that the constraint asks for, or drop the constraint",
    "23505": "Drop the constraint, or let it include the owner column: rows of several units may repeat values, and so "
    "may answers",
    "23514": "Change the check of the table, or the answers that it refuses",
}
_ADVICE_OF_SQLITE = {
    "SQLITE_CONSTRAINT_UNIQUE": _ADVICE["23505"],
    "SQLITE_CONSTRAINT_PRIMARYKEY": _ADVICE["23505"],
    "SQLITE_CONSTRAINT_NOTNULL": _ADVICE["23502"],
    "SQLITE_CONSTRAINT_CHECK": _ADVICE["23514"],
    "SQLITE_CONSTRAINT_FOREIGNKEY": _ADVICE["23503"],
    "SQLITE_NOTADB": "Correct the host of the connection: it must name a database of SQLite",
}
_LASTING_OF_SQLITE = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_NOTADB", "SQLITE_READONLY")
_ANY_ADVICE = "Change the table so that it takes the rows, or leave columns out with columns="
_ADVICE_OF_FIXED_COLUMNS = {
    "42703": "Add the column to the table",
    "23502": "Let the column be null",
    "SQLITE_CONSTRAINT_NOTNULL": "Let the column be null",
}
_ANY_ADVICE_OF_FIXED_COLUMNS = "Change the table so that it takes the rows"


@dataclass(frozen=True, slots=True)
class LoadCalls:
    """Calls the driver, and raises our errors in place of its own.

    :param subject: what the errors are about: ``SqlTable on 'warehouse', table 'labels'``.
    :param standing: what is true now.
    :param retry: what a retry does.
    :param lock_wait: how long a statement waits for another session's lock.
    :param has_fixed_columns: whether no argument of the task chooses the columns of the rows.
    """

    subject: str
    standing: str
    retry: str
    lock_wait: str
    has_fixed_columns: bool = False

    def connect(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function returns that opens a connection.

        :raises ConfigurationError: the connection must be changed.
        :raises SourceError: the database could not be reached, or refused the login.
        """
        return self._call(
            "connecting", without_rows, "Correct the connection, or install the driver", function, *arguments
        )

    def run(self, step: str, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function returns that runs statements.

        :param step: what is done, for messages.
        :raises ConfigurationError: the table, or the user's rights, must be changed.
        :raises SourceError: the database or the connection to it failed, or a lock was held for too long.
        """
        return self._call(step, _shown, None, function, *arguments)

    def _call(
        self,
        step: str,
        shown: Callable[[Exception, str], str],
        advice: str | None,
        function: Callable[..., _Result],
        *arguments: Any,
    ) -> _Result:
        try:
            return function(*arguments)
        except MessageBatchesError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise errors of any class
            failure = self._failure(step, error, shown, advice)
        raise failure  # outside of the handler: the driver's error must not be its context

    def _failure(
        self, step: str, error: Exception, shown: Callable[[Exception, str], str], advice: str | None
    ) -> ConfigurationError | SourceError:
        state = state_of(error) or ""
        first_line = next(iter(str(error).strip().splitlines()), "no message")
        what = described(error, shown(error, first_line), hidden=_HIDDEN) + _place_of(error)
        if state in _LOCKED:
            return SourceError(
                f"{self.subject}: {step} waited {self.lock_wait} for a lock that another session holds: {what}. If no "
                f"task holds it, end that session. {self.standing} {self.retry}"
            )
        if _is_lasting(error, state):
            advice = advice or self._advice(state)
            return ConfigurationError(
                f"{self.subject}: {step} failed: {what}. {advice}; then clear the task. {self.standing}"
            )
        hint = f" If it fails again: {advice[0].lower()}{advice[1:]}." if advice else ""
        return SourceError(f"{self.subject}: {step} failed: {what}. {self.standing} {self.retry}{hint}")

    def _advice(self, state: str) -> str:
        known = {**_ADVICE, **_ADVICE_OF_SQLITE}
        if self.has_fixed_columns:
            return {**known, **_ADVICE_OF_FIXED_COLUMNS}.get(state, _ANY_ADVICE_OF_FIXED_COLUMNS)
        return known.get(state, _ANY_ADVICE)


def _is_lasting(error: Exception, state: str) -> bool:
    if state == _ONLY_READS:
        return False
    is_refused = state.startswith((_CONSTRAINT, "3F", *_LASTING_OF_SQLITE))
    return is_refused or "IntegrityError" in classes_of(error) or is_lasting(error, state or None)


def _shown(error: Exception, message: str) -> str:
    """Return what may be shown of the first line of a message; empty for nothing."""
    state = state_of(error) or ""
    is_of_sqlite = type(error).__module__ == "sqlite3" and state != _RAISED_BY_SQLITE
    if is_of_sqlite and _NAMES_OF_SQLITE.match(message):
        return message
    if getattr(error, "diag", None) is not None and not may_be_raised_by_users(error):  # PostgreSQL
        is_of_names = state.startswith((_CONSTRAINT, "3F")) or _LENGTH_OF_POSTGRES.fullmatch(message)
        return message if is_of_names else with_rows(error, message)
    return with_rows(error, message)


def _place_of(error: Exception) -> str:
    """Return where in a part the database found a value that it refused."""
    found = _PLACE.match(getattr(getattr(error, "diag", None), "context", None) or "")
    if found is None:
        return ""
    column = f", column {found[2]!r}" if found[2] else ""
    return f" (row {int(found[1]):,} of the part{column})"
