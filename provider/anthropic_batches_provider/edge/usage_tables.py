"""The value of ``usage_table=``, and the load of a task's usage into that table.

Invariants: the usage is loaded after the output is in place and announced; a failure to load it stops no further round,
and fails the task only when all else is done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.xcom_keys import RETURN_VALUE_KEY
from anthropic_batches_provider.errors import ConfigurationError, LedgerError, MessageBatchesError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.output.manifest import Manifest
    from anthropic_batches_provider.batches.output.usage_rows import PublishedUsage
    from anthropic_batches_provider.edge.sql_tables.target import SqlTarget

log = logging.getLogger(__name__)

_ARGUMENT = "usage_table"
_SUBJECT = f"{_ARGUMENT}="
_WHERE_LISTED = "docs/money.md"
_ANY_JOB = "job-0001"


def as_usage_table(usage_table: Any) -> SqlTable | None:
    """Return a value of ``usage_table=``, as a DAG's author gave it.

    :raises ConfigurationError: it is no table.
    """
    if usage_table is None:
        return None
    if not isinstance(usage_table, SqlTable):
        what = (
            f"the class {usage_table.__name__}"
            if isinstance(usage_table, type)
            else f"a value of type {type(usage_table).__name__}"
        )
        raise ConfigurationError(
            f"{_ARGUMENT}= takes SqlTable(conn_id, table), not {what}. For a file, leave it out: a folder as "
            "destination= always has the usage in its _usage.json."
        )
    return usage_table.for_argument(_ARGUMENT)


def pinned_usage_table(usage_table: SqlTable | None) -> dict[str, Any] | None:
    """Return a usage table as plain values."""
    return None if usage_table is None else usage_table.pinned()


def restored_usage_table(pinned: Any) -> SqlTable | None:
    """Return a usage table from what was kept of it over a deferral."""
    return SqlTable(**pinned).for_argument(_ARGUMENT) if isinstance(pinned, dict) else None


def check_usage_table(table: SqlTable | None, owner: str) -> None:
    """Check a usage table before a row is read: its columns, and the rights of the user.

    :param owner: the unit of work.
    :raises ConfigurationError: the table is missing, or lacks a column, or one does not fit, or a right is missing.
    :raises SourceError: the database could not be asked.
    """
    if table is None:
        return
    from anthropic_batches_provider.batches.output.usage_table import USAGE_COLUMNS, usage_owner

    table.check()
    _target(table, usage_owner(owner, _ANY_JOB)).check_before_reading(USAGE_COLUMNS, are_all_known=True)


class UsageLoad:
    """Loads the usage of a task into its table, after each publish.

    :param table: None if the task has no such table.
    :param owner: the unit of work.
    """

    def __init__(self, table: SqlTable | None, owner: str) -> None:
        self._table = table
        self._owner = owner
        self._usage: PublishedUsage | None = None
        self._failure: MessageBatchesError | None = None

    def take(self, usage: PublishedUsage) -> None:
        """Take the usage of an output that is in place; it is loaded by :meth:`load`."""
        self._usage = usage

    def load(self, manifest: Manifest) -> None:
        """Replace the rows of the job by its usage as it was taken; a failure is kept for :meth:`check`.

        :param manifest: of the same output, which was announced.
        """
        usage, self._usage = self._usage, None
        if self._table is None or usage is None:
            return
        from anthropic_batches_provider.batches.output.usage_table import USAGE_COLUMNS, usage_owner, usage_part

        self._failure = None
        target = _target(self._table, usage_owner(self._owner, manifest.job))
        kept = f"The output is published ({manifest.destination}) and complete: only its usage is not in this table."
        try:
            target.publish([usage_part(usage.rows)], USAGE_COLUMNS, usage.check_current, kept=kept)
        except MessageBatchesError as error:
            if type(error) is LedgerError:  # as check_current raises it; the others say that the ledger is damaged
                log.warning("The usage of %s is left to the attempt that goes on with it: %s", manifest.job, error)
                return
            self._failure = error
            log.warning("The usage is not loaded: %s", error)

    def check(self, context: Context, value: Any) -> None:
        """Check that the usage was loaded; call it when all else is done.

        :param value: what the task returns if it succeeds; if it fails, it is in XCom nevertheless.
        :raises MessageBatchesError: the failure of the latest load.
        """
        if self._failure is not None:
            task_instance: Any = context["ti"]
            task_instance.xcom_push(key=RETURN_VALUE_KEY, value=value)
            raise self._failure


def _target(table: SqlTable, owner: str) -> SqlTarget:
    from anthropic_batches_provider.batches.output.usage_table import NULLABLE_COLUMNS
    from anthropic_batches_provider.edge.sql_tables.database import FixedColumns
    from anthropic_batches_provider.edge.sql_tables.target import SqlTarget

    fixed = FixedColumns(subject=_SUBJECT, nullable=NULLABLE_COLUMNS, where_listed=_WHERE_LISTED)
    return SqlTarget(table, owner, fixed)
