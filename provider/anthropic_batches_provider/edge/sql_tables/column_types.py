"""Which type of a database holds the values of which type of column."""

from __future__ import annotations


def sql_type(kind: str, column_type: str) -> str:
    """Return the type of a column in a table that is made for the rows.

    :param kind: see :attr:`.Database.kind`.
    :param column_type: as Arrow writes it, or ``json``.
    """
    return "text"
