"""The columns of an output that is a table: one list for the whole job, each with a name and a fixed type.

It depends on what was sealed and on the operator's ``columns=`` alone, so that every part, round and run has the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from anthropic_batches_provider.batches.output.answer_columns import JSON, answer_fields, answer_type
from anthropic_batches_provider.batches.output.columns import (
    ChosenColumn,
    RowLayout,
    chosen_columns,
    fields_in_table,
)
from anthropic_batches_provider.errors import ConfigurationError

_TEXT = "string"
_NO_VALUES = "null"
ANSWER = "parsed"
"""The column of answers, whose fields are columns of their own if a schema says which they are."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table.

    :param type: as Arrow writes it (:mod:`.arrow_types`), or ``json`` for any JSON, as text.
    :param chosen: the column of the result that it holds; None for one of the user's own.
    :param has_values: whether it may have a value; a column of the user that is null in all rows has none.
    """

    name: str
    type: str
    chosen: ChosenColumn | None = None
    has_values: bool = True


def table_columns(layout: RowLayout) -> tuple[TableColumn, ...]:
    """Return the columns of a table, in order: the user's own, then those of the result.

    :raises ConfigurationError: two have the same name, there is none, or ``columns=`` names one that does not exist.
    """
    own = [
        TableColumn(each.name, _TEXT, has_values=False)
        if each.type == _NO_VALUES
        else TableColumn(each.name, each.type)
        for each in layout.own
    ]
    answer = answer_fields(layout.answer_schema)
    chosen = chosen_columns(layout, fields_in_table(layout.answer_schema))
    result = [TableColumn(each.name, _type_of(each, answer, layout), each) for each in chosen]
    columns = (*own, *result)
    if not columns:
        raise ConfigurationError("The output would have no column. Name some in `columns`, `key` or `keep`.")
    twice = [name for name, times in Counter(column.name for column in columns).items() if times > 1]
    if twice:
        raise ConfigurationError(
            f"Two columns of the output would be named {twice[0]!r}. Rename one of them with `columns=`, such as "
            f"columns={{{twice[0]!r}: 'another_name'}}, or leave yours out of `keep`."
        )
    return columns


def _type_of(chosen: ChosenColumn, answer: Mapping[str, str], layout: RowLayout) -> str:
    if chosen.column.name == ANSWER:
        return answer_type(layout.answer_schema) if chosen.field is None else answer[chosen.field]
    return "int64" if chosen.field is not None else chosen.column.arrow_type


__all__ = ["ANSWER", "JSON", "TableColumn", "table_columns"]
