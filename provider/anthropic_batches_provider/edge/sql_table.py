"""`SqlTable`: a table of a database as a destination, with arguments that Airflow renders.

It is imported when DAGs are parsed; what connects to a database is imported only when rows are written.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import XComArg
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

OWNER_COLUMN = "anthropic_batches_unit"


class SqlTable(ResolveMixin):
    """A table of a database, for ``destination=``. All texts are templated.

    The rows of one unit of work are replaced together, in one transaction, when they are published; rows of others
    stay. Several units may write into one table.

    :param conn_id: the connection of a database for which Airflow has a DB-API hook, such as PostgreSQL or SQLite.
    :param table: the name of the table, with or without its schema: ``"labels"`` or ``"analytics.labels"``.
    :param create: make the table if it is missing, with columns whose types are those of the rows.
    :param owner_column: the column that says which unit of work a row belongs to: text. The table must have it.
    :raises ConfigurationError: an argument can never be right.
    """

    templated = ("conn_id", "table", "owner_column")

    def __init__(
        self, conn_id: str | Any, table: str | Any, *, create: bool = False, owner_column: str = OWNER_COLUMN
    ) -> None:
        self.conn_id = conn_id
        self.table = table
        self.create = create
        self.owner_column = owner_column
        self._check_types()

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        """Yield the references to the upstream tasks whose output is among the arguments."""
        for name in self.templated:
            yield from XComArg.iter_xcom_references(getattr(self, name))

    def resolve(self, context: Context, *_: Any, **__: Any) -> Self:
        """Return a copy with its arguments rendered, and the output of other tasks in place."""
        resolved = copy(self)
        task: Any = context["task"]
        for name in self.templated:
            value = getattr(self, name)
            found = value.resolve(context) if isinstance(value, ResolveMixin) else task.render_template(value, context)
            setattr(resolved, name, found)
        resolved._check_types()
        return resolved

    def pinned(self) -> dict[str, Any]:
        """Return the arguments as plain values, from which a resumed task makes the same table again."""
        return {
            "conn_id": self.conn_id,
            "table": self.table,
            "create": self.create,
            "owner_column": self.owner_column,
        }

    def serialize(self) -> str:
        """Return what Airflow shows and stores of it."""
        return f"{self.conn_id}: {self.table}"

    def __str__(self) -> str:
        return self.serialize()

    __repr__ = __str__

    def _check_types(self) -> None:
        for name in self.templated:
            value = getattr(self, name)
            if not isinstance(value, ResolveMixin) and not (isinstance(value, str) and value):
                raise ConfigurationError(
                    f"SqlTable({name}=…) takes one text, not {'an empty one' if value == '' else 'a value'} of type "
                    f"{type(value).__name__}."
                )
