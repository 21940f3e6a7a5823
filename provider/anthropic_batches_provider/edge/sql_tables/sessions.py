"""A connection to a database on which statements run one after another, in transactions that are begun by name.

Statements are written with :data:`PARAMETER` where a value goes, so that no name is taken for a placeholder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from anthropic_batches_provider.edge.sql_tables.drivers import TableDriver
from anthropic_batches_provider.edge.sql_tables.load_failures import LoadCalls
from anthropic_batches_provider.errors import MessageBatchesError

PARAMETER = "\0"  # no name holds it
_COMPARED = 6  # of the 7 fields that PEP 249 names


class Session:
    """A connection; every error of its driver becomes one of ours.

    :param mark: the placeholder of a parameter.
    """

    def __init__(self, connection: Any, driver: TableDriver, calls: LoadCalls, mark: str) -> None:
        self._connection = connection
        self.driver = driver
        self._calls = calls
        self._mark = mark
        self._is_begun = False

    def begin(self, step: str) -> None:
        """Begin a transaction that writes; one that only reads begins with its first query."""
        self._calls.run(step, partial(self.driver.begin, self._connection, writes=True))
        self._is_begun = True

    def commit(self, step: str) -> None:
        """Commit the transaction."""
        self._calls.run(step, self._connection.commit)
        self._is_begun = False

    def roll_back(self) -> None:
        """Roll the transaction back, if the connection is still there."""
        self._is_begun = False
        with suppress(Exception):  # the next statement tells whether it is lost
            self._connection.rollback()

    def execute(self, step: str, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; return the number of its rows, or -1 if the driver does not know it."""
        return int(self._calls.run(step, self._execute, statement, parameters, lambda cursor: cursor.rowcount))

    def rows(self, step: str, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._calls.run(
            step, self._execute, statement, parameters, lambda cursor: [tuple(row) for row in cursor.fetchall()]
        )

    def description(self, step: str, statement: str) -> list[tuple[Any, ...]]:
        """Return the description of the columns of a query that has no rows, without whether they may be null."""

        def of(cursor: Any) -> list[tuple[Any, ...]]:
            cursor.fetchall()
            return [tuple(column[number] for number in range(_COMPARED)) for column in cursor.description]

        return self._calls.run(step, self._execute, statement, (), of)

    def insert(self, step: str, table: str, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
        """Insert rows by the driver's fastest way, without holding them all in memory.

        An error of the rows themselves is raised as it is.

        :param table: its quoted name, as those of the columns.
        """
        guarded = _GuardedRows(rows)
        values = self._statement(", ".join([PARAMETER] * len(columns)), has_parameters=True)
        names = ", ".join(columns)
        try:
            self._calls.run(step, self._insert, table, names, guarded, values)
        except MessageBatchesError:
            if guarded.failure is None:
                raise
        if guarded.failure is not None:
            raise guarded.failure

    def _insert(self, table: str, names: str, rows: Iterator[Sequence[Any]], values: str) -> None:
        self._with_cursor(lambda cursor: self.driver.insert(cursor, table, names, rows, values))

    def _execute(self, statement: str, parameters: Sequence[Any], result: Any) -> Any:
        marked = self._statement(statement, has_parameters=bool(parameters))

        def run(cursor: Any) -> Any:
            if not self._is_begun:
                self.driver.begin(self._connection, writes=False)
                self._is_begun = True
            cursor.execute(marked, *([tuple(parameters)] if parameters else []))
            return result(cursor)

        return self._with_cursor(run)

    def _with_cursor(self, work: Any) -> Any:
        cursor = self.driver.cursor(self._connection)
        try:
            return work(cursor)
        finally:
            with suppress(Exception):
                cursor.close()

    def _statement(self, statement: str, *, has_parameters: bool) -> str:
        return parametrized(statement, self._mark) if has_parameters else statement


def parametrized(statement: str, mark: str) -> str:
    """Return a statement with the driver's own placeholders.

    :param mark: the placeholder; beside one of psycopg, a percent sign of a name is doubled.
    """
    if mark.startswith("%"):
        statement = statement.replace("%", "%%")
    return statement.replace(PARAMETER, mark)


class _GuardedRows(Iterator[Sequence[Any]]):
    """Rows whose own error is kept, because a driver would raise another one in its place.

    :ivar failure: the error.
    """

    def __init__(self, rows: Iterator[Sequence[Any]]) -> None:
        self._rows = rows
        self.failure: Exception | None = None

    def __next__(self) -> Sequence[Any]:
        try:
            return next(self._rows)
        except StopIteration:
            raise
        except Exception as error:  # noqa: BLE001 - raised again as it is, by the session
            self.failure = error
            raise RuntimeError("the rows cannot be read") from None
