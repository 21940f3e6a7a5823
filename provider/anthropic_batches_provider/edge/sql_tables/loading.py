"""Loads the rows of an output into a table: a staging table, one transaction for each part, then one swap.

Invariants: nobody sees a row of an owner before the swap commits; the swap deletes and inserts rows of this owner only;
each step may be repeated, by this attempt or another one, and may break off.

Why two attempts at once never double or lose rows, and an older one never replaces what a newer one has published:

1. Both use one staging table. A swap locks it, and verifies under the lock that it holds exactly the attempt's own
   parts, each complete. The lock lasts until the commit, which also removes the parts. So one of two swaps comes first.
2. The second then finds the table missing, or without its parts, and begins again. Each time it begins, and again
   under the lock, ``check_current`` asks the ledger whether another attempt has gone on; an attempt of an older round
   or of a replaced job ends there. If both hold the same rows, the second swap puts the same rows in place again.
3. Between the swap of the first and its record in the ledger, the second may swap: it has then passed
   ``check_current``, so it is of the same round of the same job.
4. A part is complete or not there: it is loaded in one transaction, and its rows are numbered and unique. An attempt
   that removes the parts of another one, because they are not its own, only makes the other begin again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from anthropic_batches_provider.batches.output.manifest import TableRecord
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.row_values import row_adapter
from anthropic_batches_provider.edge.sql_tables.sessions import PARAMETER, Session
from anthropic_batches_provider.edge.sql_tables.staging import StagingTable
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError, SourceError

log = logging.getLogger(__name__)

MOST_TRIES = 5


def load(
    database: Database,
    table: TableRecord,
    parts: Sequence[StagedPart],
    columns: Sequence[TableColumn],
    check_current: Callable[[], None],
) -> None:
    """Load the parts into a staging table, and swap.

    :param check_current: called while no other attempt can swap; if it raises, nothing changes.
    :raises ConfigurationError: the table, or the user's rights, must be changed.
    :raises SourceError: the database failed, or other attempts came between each time; a retry loads the rest.
    :raises CorruptLedgerError: a part is damaged.
    """
    _Load(database, table, parts, columns, check_current).run()


class _Load:
    def __init__(
        self,
        database: Database,
        table: TableRecord,
        parts: Sequence[StagedPart],
        columns: Sequence[TableColumn],
        check_current: Callable[[], None],
    ) -> None:
        self._database = database
        self._table = table
        self._parts = parts
        self._check_current = check_current
        self._adapted = row_adapter(database.kind, columns)
        self._staging = StagingTable(database, table, columns, parts)
        self._is_made = False

    def run(self) -> None:
        with self._database.session() as session:
            for _ in range(MOST_TRIES):
                if self._loads(session):
                    self._adapted.log_replaced()
                    return
                log.info("Another attempt works on the rows of %s in %s; loading again", self._owner, self._where)
        raise SourceError(
            f"{self._database.subject}: another attempt of the same unit of work loaded its rows at the same time, "
            f"{MOST_TRIES} times in a row. End one of them. {self._database.standing} A retry loads them."
        )

    @property
    def _owner(self) -> str:
        return repr(self._table.owner)

    @property
    def _where(self) -> str:
        return f"table {self._table.table!r} of {self._table.conn_id!r}"

    def _loads(self, session: Session) -> bool:
        """Load and swap; return False if another attempt came between."""
        try:
            self._is_made = False
            self._still_current(session)
            self._staging.make(session)
            self._is_made = True
            self._staging.remove_strangers(session)
            for part in self._parts:
                self._staging.fill(session, part, self._adapted)
            return self._swaps(session)
        except FileNotFoundError:
            self._still_current(session)  # an attempt that has published removes the files of its parts
            raise
        except ConfigurationError:
            if self._lost_staging(session):
                return False
            self._drop_staging(session)  # made for a table that must be changed
            raise
        except SourceError:
            if self._lost_staging(session):
                return False
            raise

    def _swaps(self, session: Session) -> bool:
        """Replace the owner's rows; return False if the staging table does not hold all parts, and only these."""
        table, staging = self._table, self._staging
        target, owner_column = self._database.quoted_table(table.table), self._database.quoted(table.owner_column)
        names = ", ".join(staging.names)
        session.begin("beginning to swap the rows")
        staging.lock(session)
        if not staging.is_complete(session):
            session.roll_back()
            return False
        self._still_current(session)
        is_owned = self._database.is_owned(table.owner_column)
        owners = (table.owner,) * is_owned.count(PARAMETER)
        session.execute(
            "removing the earlier rows of this unit of work", f"DELETE FROM {target} WHERE {is_owned}", owners
        )
        inserted = session.execute(
            "putting the rows in place",
            f"INSERT INTO {target} ({owner_column}, {names}) SELECT {PARAMETER}, {names} FROM {staging.name} "
            f"ORDER BY {staging.order}",
            (table.owner,),
        )
        self._check_count(inserted)
        counting = "counting the rows of this unit of work"
        ((found,),) = session.rows(counting, f"SELECT COUNT(*) FROM {target} WHERE {is_owned}", owners)
        self._check_found(int(found))
        staging.empty(session)
        session.commit("publishing the rows")
        with suppress(MessageBatchesError):  # the rows are published; the next load drops what is left
            staging.drop(session)
        self._adapted.log_replaced()
        log.info("Loaded %s of %s into %s", counted(self._rows, "row"), self._owner, self._where)
        return True

    @property
    def _rows(self) -> int:
        return sum(part.rows for part in self._parts)

    def _check_count(self, inserted: int) -> None:
        """Check that the table has taken each row.

        :raises ConfigurationError: it has not, because of a trigger or a rule.
        """
        if inserted not in (-1, self._rows):
            raise ConfigurationError(
                f"{self._database.subject}: the table took {inserted:,} of {counted(self._rows, 'row')}. A trigger or "
                "a rule of the table, or a policy of its rows, leaves some out. Change it, or name another table; then "
                f"clear the task. The table is as it was. {self._database.standing}"
            )

    def _check_found(self, found: int) -> None:
        """Check that the table has exactly the rows of this attempt for the owner.

        :raises ConfigurationError: earlier ones stay, or rows have got another owner.
        """
        if found != self._rows:
            raise ConfigurationError(
                f"{self._database.subject}: after the swap it would have {counted(found, 'row')} of {self._owner} "
                f"instead of {self._rows:,}. A trigger or a rule of the table, or a policy of its rows, keeps deleted "
                f"rows, or changes the column {self._table.owner_column!r}. Change it, or name another table; then "
                f"clear the task. The table is as it was. {self._database.standing}"
            )

    def _still_current(self, session: Session) -> None:
        """Check that no other attempt has gone on; otherwise leave nothing behind.

        :raises MessageBatchesError: another one has.
        """
        try:
            self._check_current()
        except MessageBatchesError:
            session.roll_back()
            with suppress(MessageBatchesError):  # the attempt that goes on removes what is left
                self._staging.discard(session)
            raise

    def _lost_staging(self, session: Session) -> bool:
        """Return whether another attempt has dropped the staging table; False if the connection is lost."""
        session.roll_back()
        if not self._is_made or self._staging.is_there(session):
            return False
        target = self._database.quoted_table(self._table.table)
        try:
            session.rows("looking at the table", f"SELECT COUNT(*) FROM {target} WHERE 1=0")
        except MessageBatchesError:
            return False
        finally:
            session.roll_back()
        return True

    def _drop_staging(self, session: Session) -> None:
        session.roll_back()
        with suppress(MessageBatchesError):
            self._staging.discard(session)
