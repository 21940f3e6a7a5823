"""The rows of one owner in a table: the engine's view of :class:`.SqlTable`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anthropic_batches_provider.batches.output.manifest import TableRecord
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables.checks import check_before_reading, check_table
from anthropic_batches_provider.edge.sql_tables.database import Database, FixedColumns
from anthropic_batches_provider.edge.sql_tables.loading import load


class SqlTarget:
    """The rows of one owner in a table.

    :param table: its arguments are rendered.
    :param owner: the unit of work.
    :param fixed: what the table is for, if the task does not choose its columns.
    """

    def __init__(self, table: SqlTable, owner: str, fixed: FixedColumns | None = None) -> None:
        self._table = table
        self._owner = owner
        self._fixed = fixed
        self._database = Database(table.conn_id, table.table, fixed=fixed)

    @property
    def record(self) -> TableRecord:
        """What the manifest says of it."""
        table = self._table
        return TableRecord(conn_id=table.conn_id, table=table.table, owner_column=table.owner_column, owner=self._owner)

    @property
    def uri(self) -> str:
        """What messages and the manifest call it."""
        return str(self._table)

    def check_before_reading(self, columns: Sequence[TableColumn], *, are_all_known: bool) -> None:
        """Check what can be checked before a row is read.

        :param columns: those that are known by then; the type of the user's own is empty.
        :param are_all_known: whether the rows have no other columns.
        """
        check_before_reading(self._database, self._table, self._owner, columns, are_all_known=are_all_known)

    def check(self, columns: Sequence[TableColumn]) -> None:
        """Check that rows with these columns can be loaded; make the table if the task says so."""
        check_table(self._database, self._table, self._owner, columns)

    def publish(
        self,
        parts: Sequence[StagedPart],
        columns: Sequence[TableColumn],
        check_current: Callable[[], None],
        *,
        kept: str,
    ) -> None:
        """Replace the owner's rows by those of the parts."""
        conn_id, name = self._table.conn_id, self._table.table
        database = Database(conn_id, name, standing=kept, retry="A retry loads them.", fixed=self._fixed)
        check_table(database, self._table, self._owner, columns)
        load(database, self.record, parts, columns, check_current)
