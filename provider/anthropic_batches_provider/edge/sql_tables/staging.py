"""The staging table: beside the target, for the rows of one owner, until they are swapped in.

It has the columns that are loaded, with the types of the target, and two of its own: a number for the part of a row,
and the number of the row in its part. Both together are unique, so that a part that two attempts load at once is there
once. An attempt that finds another staging table than it needs makes it anew: nothing in it is ever the only copy.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from anthropic_batches_provider import __version__
from anthropic_batches_provider.batches.output.manifest import TableRecord
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.sessions import PARAMETER, Session
from anthropic_batches_provider.errors import CorruptLedgerError, MessageBatchesError

_PART_COLUMN = "anthropic_batches_part"
_ROW_COLUMN = "anthropic_batches_row"
_MOST_BYTES_OF_NAME = 40  # with what follows, below the 63 bytes of PostgreSQL
_HASH_BITS = 40
_LARGEST_KEY = 1 << 62  # as a literal it gives the column a type that holds every key
_MOST_ROWS = 10**9
_LOOKING = "looking at the staging table"
_MAKING = (
    "making the staging table (the user of the connection must be allowed to create one in the schema of the table)"
)


class StagingTable:
    """The staging table of one owner's rows.

    :param table: where the rows go in the end.
    :param columns: those that are loaded.
    :param parts: all parts of the output, in order.
    """

    def __init__(
        self, database: Database, table: TableRecord, columns: Sequence[TableColumn], parts: Sequence[StagedPart]
    ) -> None:
        self._database = database
        self._target = database.quoted_table(table.table)
        self._schema, dot, name = table.table.rpartition(".")
        self._plain_name = staging_name(name, table)
        self.name = database.quoted_table(f"{self._schema}{dot}{self._plain_name}")
        self._own = [_free_name(each, columns) for each in (_PART_COLUMN, _ROW_COLUMN)]
        self._part, self._row = map(database.quoted, self._own)
        self._plain_names = [each.name for each in columns]
        self.names = [database.quoted(each.name) for each in columns]
        self.order = f"{self._part}, {self._row}"
        self._keys = {part.name: _key(number, part, columns) for number, part in enumerate(parts)}
        self._expected = {self._keys[part.name]: part.rows for part in parts if part.rows}

    def make(self, session: Session) -> None:
        """Make the table, unless it is there with the right columns."""
        wanted = session.description("reading the columns of the table", self._empty_query(self._target, self.names))
        if self._is_as(wanted, session):
            return
        is_there = self.is_there(session)
        try:
            session.begin(_MAKING)
            if is_there:
                session.execute(_MAKING, f"DROP TABLE {self.name}")
            session.execute(_MAKING, self._create_statement())
            self._make_index(session)
            session.commit(_MAKING)
        except MessageBatchesError:
            session.roll_back()
            if not self._is_as(wanted, session):  # otherwise another attempt was faster
                raise

    def _is_as(self, wanted: list[tuple[Any, ...]], session: Session) -> bool:
        """Return whether the table is there with these columns."""
        found = self._found(session)
        session.roll_back()
        return found is not None and [column[0] for column in found[:2]] == self._own and found[2:] == wanted

    def is_there(self, session: Session) -> bool:
        """Return whether the table is there, whatever its columns."""
        found = self._found(session)
        session.roll_back()
        return found is not None

    def remove_strangers(self, session: Session) -> None:
        """Remove parts that do not belong to this output: of an earlier job, or of an attempt that is overtaken."""
        step = "removing other parts from the staging table"
        strangers = [key for key in self._counts(session, step) if key not in self._expected]
        session.roll_back()
        if strangers:
            session.begin(step)
            for key in strangers:
                session.execute(step, self._delete_statement(), (key,))
            session.commit(step)

    def fill(self, session: Session, part: StagedPart, adapted: Callable[[list[Any]], Sequence[Any]]) -> None:
        """Load a part in a transaction of its own, unless it is there.

        :param adapted: turns the values of a row into those that the driver takes.
        :raises CorruptLedgerError: the part does not hold as many rows as it should.
        """
        key = self._keys[part.name]
        step = f"loading the part {part.name}"
        if key not in self._expected or self._is_complete(session, part):
            return
        try:
            session.begin(step)
            session.execute(step, self._delete_statement(), (key,))
            read = 0
            with part.open() as rows:

                def numbered() -> Any:
                    nonlocal read
                    for row in rows:
                        yield (key, read, *adapted(row))
                        read += 1

                session.insert(step, self.name, [self._part, self._row, *self.names], numbered())
            if read != part.rows:
                raise CorruptLedgerError(
                    f"The part {part.name} holds {read:,} rows instead of {part.rows:,}. Restore it, or remove it and "
                    "clear the task: it is then written again from the results, which costs nothing while they are at "
                    "Anthropic (29 days after submission). The table was not changed."
                )
            session.commit(step)
        except MessageBatchesError:
            session.roll_back()
            if not self._is_complete(session, part):  # otherwise another attempt was faster
                raise

    def lock(self, session: Session) -> None:
        """Wait until no other attempt works with the table, and keep others from it until the transaction ends."""
        session.execute("locking the staging table", session.driver.lock_statement(self.name, self._row))

    def is_complete(self, session: Session) -> bool:
        """Return whether the table holds all parts, each once, and nothing else."""
        return self._counts(session, "counting the staged rows") == self._expected

    def empty(self, session: Session) -> None:
        """Remove the parts within a transaction, and the table itself, where that is a part of the transaction."""
        if session.driver.drops_in_transactions:
            session.execute("dropping the staging table", f"DROP TABLE {self.name}")
        else:
            session.execute("emptying the staging table", f"DELETE FROM {self.name}")

    def drop(self, session: Session) -> None:
        """Drop the table after it was emptied, unless another attempt has begun to fill it."""
        if session.driver.drops_in_transactions:
            return
        step = "dropping the staging table"
        if self.is_there(session) and not self._counts(session, step):
            session.roll_back()
            session.execute(step, f"DROP TABLE {self.name}")
            session.commit(step)

    def discard(self, session: Session) -> None:
        """Remove the own parts of an attempt that is overtaken, and the table if nothing else is in it."""
        step = "removing parts from the staging table"
        session.begin(step)
        self.lock(session)
        for key in self._expected:
            session.execute(step, self._delete_statement(), (key,))
        if not self._counts(session, step):
            self.empty(session)
        session.commit(step)
        self.drop(session)

    def _found(self, session: Session) -> list[tuple[Any, ...]] | None:
        try:
            return session.description(_LOOKING, f"SELECT * FROM {self.name} WHERE 1=0")
        except MessageBatchesError:  # missing, or the connection is lost: the next statement tells
            session.roll_back()
            return None

    def _is_complete(self, session: Session, part: StagedPart) -> bool:
        query = f"SELECT COUNT(*) FROM {self.name} WHERE {self._part} = {PARAMETER}"
        ((count,),) = session.rows(_LOOKING, query, (self._keys[part.name],))
        session.roll_back()
        return int(count) == part.rows

    def _counts(self, session: Session, step: str) -> Counter[int]:
        query = f"SELECT {self._part}, COUNT(*) FROM {self.name} GROUP BY {self._part}"
        return Counter({int(key): int(count) for key, count in session.rows(step, query)})

    def _empty_query(self, table: str, names: Sequence[str]) -> str:
        listed = ", ".join(f"t.{name}" for name in names)  # SQLite takes an unknown name without its table for a text
        return f"SELECT {listed} FROM {table} t WHERE 1=0"

    def _create_statement(self) -> str:
        listed = ", ".join(f"t.{name}" for name in self.names)
        selected = f"SELECT {_LARGEST_KEY} AS {self._part}, {_MOST_ROWS} AS {self._row}, {listed}"
        if self._database.kind == "mssql":
            return f"{selected} INTO {self.name} FROM {self._target} t WHERE 1=0"
        return f"CREATE TABLE {self.name} AS {selected} FROM {self._target} t WHERE 1=0"

    def _make_index(self, session: Session) -> None:
        index, table = self._database.quoted(f"{self._plain_name}_u"), self.name
        if self._database.kind == "sqlite" and self._schema:
            index = f"{self._database.quoted_table(self._schema)}.{index}"
            table = self._database.quoted(self._plain_name)
        try:
            session.execute(_MAKING, f"CREATE UNIQUE INDEX {index} ON {table} ({self._part}, {self._row})")
        except MessageBatchesError:
            if session.driver.needs_index:
                raise
            session.roll_back()  # without an index, doubled parts are found by their counts

    def _delete_statement(self) -> str:
        return f"DELETE FROM {self.name} WHERE {self._part} = {PARAMETER}"


def staging_name(name: str, table: TableRecord) -> str:
    """Return the name of the staging table of an owner, without its schema.

    :param name: that of the target, without its schema.
    """
    digest = hashlib.blake2b(f"{name}\0{table.owner}".encode(), digest_size=5).hexdigest()
    return f"{name.encode()[:_MOST_BYTES_OF_NAME].decode(errors='ignore')}__ab_{digest}"


def _free_name(name: str, columns: Sequence[TableColumn]) -> str:
    taken = {each.name.casefold() for each in columns}
    while name.casefold() in taken:
        name += "_"
    return name


def _key(number: int, part: StagedPart, columns: Sequence[TableColumn]) -> int:
    """Return a number for a part and all that its content depends on; parts sort by it in their order."""
    described = repr((part.name, part.rows, __version__, [_described(each) for each in columns]))
    digest = hashlib.blake2b(described.encode(), digest_size=_HASH_BITS // 8).digest()
    return (number << _HASH_BITS) | int.from_bytes(digest)


def _described(column: TableColumn) -> tuple[str, ...]:
    chosen = column.chosen
    return (column.name, column.type, *(() if chosen is None else (chosen.column.name, str(chosen.field))))
