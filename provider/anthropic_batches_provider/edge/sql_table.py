"""`SqlTable`: a table of a database as a destination, with arguments that Airflow renders.

It is imported when DAGs are parsed; what connects to a database is imported only when rows are written.
"""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.edge.mapped_arguments import is_literal_argument
from anthropic_batches_provider.edge.templated_arguments import TemplatedArguments
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

OWNER_COLUMN = "anthropic_batches_unit"
TABLE_SCHEME = "sql"  # of what messages and the manifest call a table; it names none of its rows
_MOST_PARTS = 3
_MAY_BE_A_TEMPLATE = re.compile(r"[{%#<\[$(]")
_NEVER_IN_A_NAME = re.compile(r"[;\x00/\\]")


class SqlTable(TemplatedArguments):
    """A table of a database, for ``destination=`` and ``usage_table=``. All texts are templated.

    The rows of one unit of work are replaced together, in one transaction, when they are published; rows of others
    stay. Several units may write into one table.

    :param conn_id: the connection of a database for which Airflow has a DB-API hook, such as PostgreSQL or SQLite.
    :param table: the name of the table, with or without its schema: ``"labels"`` or ``"analytics.labels"``. A third
        part before the schema is the database, where the database has such names. Names are quoted, so upper and lower
        case differ.
    :param create: make the table if it is missing, with columns whose types are those of the rows.
    :param owner_column: the column that says which unit of work a row belongs to: text. The table must have it.
    :raises ConfigurationError: an argument can never be right.
    """

    templated = ("conn_id", "table", "owner_column")
    _argument = "destination"  # of the operator

    def __init__(
        self, conn_id: str | Any, table: str | Any, *, create: bool = False, owner_column: str | Any = OWNER_COLUMN
    ) -> None:
        self.conn_id = conn_id
        self.table = table
        self.create = create
        self.owner_column = owner_column
        self._check_types()
        self._check_names(may_be_templates=True)

    def for_argument(self, argument: str) -> Self:
        """Return a copy that is the value of this argument of an operator."""
        named = copy(self)
        named._argument = argument
        return named

    def check(self) -> None:
        """Check the rendered arguments.

        :raises ConfigurationError: one of them is empty, or names no table.
        """
        self._check_types()
        self._check_names(may_be_templates=False)

    def resolve(self, context: Context, *_: Any, **__: Any) -> Self:
        """Return a copy with its arguments rendered, and the output of other tasks in place, which is not rendered."""
        may_render = not self._is_resolved and is_literal_argument(context, self._argument)
        return super().resolve(context, may_render=may_render)

    def pinned(self) -> dict[str, Any]:
        """Return the arguments as plain values, from which a resumed task makes the same table again."""
        return {
            "conn_id": self.conn_id,
            "table": self.table,
            "create": self.create,
            "owner_column": self.owner_column,
        }

    def serialize(self) -> str:
        """Return what Airflow shows and stores of it, and what messages and the manifest call it."""
        return f"{TABLE_SCHEME}://{self.conn_id}@{self.table}"

    def __str__(self) -> str:
        return self.serialize()

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SqlTable) and self.pinned() == other.pinned()

    def __hash__(self) -> int:
        return hash(tuple(map(str, self.pinned().values())))

    def _check_types(self) -> None:
        for name in self.templated:
            value = getattr(self, name)
            if not isinstance(value, ResolveMixin) and not (isinstance(value, str) and value.strip()):
                raise ConfigurationError(
                    f"SqlTable({name}=…) takes one text, not "
                    f"{'an empty one' if isinstance(value, str) else f'a value of type {type(value).__name__}'}. "
                    "Nothing was sent."
                )
        if not isinstance(self.create, bool):
            raise ConfigurationError(
                f"SqlTable(create=…) takes True or False, not a value of type {type(self.create).__name__}. Nothing "
                "was sent."
            )

    def _check_names(self, *, may_be_templates: bool) -> None:
        for name in ("table", "owner_column"):
            value = getattr(self, name)
            if isinstance(value, ResolveMixin) or (may_be_templates and _MAY_BE_A_TEMPLATE.search(value)):
                continue
            if _NEVER_IN_A_NAME.search(value) or value != value.strip():
                raise ConfigurationError(
                    f"SqlTable({name}=…) is {value!r:.200}, which is no name: it holds a slash, a semicolon, a NUL "
                    f"character, or blanks around it. {_HOW_TO_NAME[name]} Nothing was sent."
                )
        parts = self.table.split(".") if isinstance(self.table, str) else ["table"]
        if may_be_templates and _MAY_BE_A_TEMPLATE.search(str(self.table)):
            return
        if len(parts) > _MOST_PARTS or not all(part.strip() for part in parts):
            raise ConfigurationError(
                f"SqlTable(table=…) is {self.table!r:.200}, which is no name of a table. {_HOW_TO_NAME['table']} "
                "Nothing was sent."
            )


_HOW_TO_NAME = {
    "table": "Give the table's name, with its schema if it needs one: 'analytics.labels'. To write files, give the URI "
    "of a folder as destination=, without SqlTable.",
    "owner_column": f"Give the name of a column, such as {OWNER_COLUMN!r}.",
}
