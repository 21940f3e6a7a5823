"""An answered row as the cells of a table: a value for each column, in order.

The row's own columns and the fields of its answer are the JSON that the row holds, or are decoded by the types that the
writer of a table gives, each object in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from anthropic_batches_provider.batches.output.answer_columns import answer_fields
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import USAGE_FIELDS, ChosenColumn, RowLayout
from anthropic_batches_provider.batches.output.misfits import Misfits
from anthropic_batches_provider.batches.output.object_fields import ObjectFields
from anthropic_batches_provider.batches.output.table_columns import ANSWER, TableColumn, table_columns
from anthropic_batches_provider.batches.output.table_values import MISFITS, value_of
from anthropic_batches_provider.batches.usage import usage_numbers

_NULL = msgspec.Raw(b"null")
_NO_USAGE = (None,) * len(USAGE_FIELDS)
_MOST_DIFFERENT = 4096
_ENCODE = msgspec.json.Encoder().encode


def _as_json(column: TableColumn) -> Any:
    return msgspec.Raw


class TableRows:
    """Makes cells of answered rows.

    :param layout: which columns the rows have.
    :param type_of: returns the Python type of a column's values, as msgspec decodes it from the row's own columns and
        from the fields of the answer; Raw for JSON as it is. Other columns have the types of an answered row, except
        that a decimal of the result for which it returns ``int`` has its unscaled value.
    :ivar columns: the columns of the table.
    :ivar misfits: the number of values that their column cannot hold, by the column's name; such a cell is null. An
        answer that has fields beside those of its schema counts under None.
    """

    def __init__(self, layout: RowLayout, type_of: Callable[[TableColumn], Any] = _as_json) -> None:
        self.columns = table_columns(layout)
        self.misfits = Misfits()
        own = {column.name: type_of(column) for column in self.columns if column.chosen is None}
        self._own = ObjectFields(own, {name: name for name in own}, self.misfits) if own else None
        fields = {field: column for column in self.columns if (field := _field_of(column, ANSWER)) is not None}
        answer = {
            name: type_of(fields[name]) if name in fields else msgspec.Raw
            for name in answer_fields(layout.answer_schema)
        }
        labels = {name: column.name for name, column in fields.items()}
        self._answer = ObjectFields(answer, labels, self.misfits, is_closed=True) if fields else None
        self._usage_of = lru_cache(maxsize=_MOST_DIFFERENT)(usage_numbers)  # rows of one job often report the same
        self._has_usage = any(_field_of(column, "usage") for column in self.columns)
        whole = [column for column in self.columns if column.chosen and _is_whole_answer(column.chosen)]
        self._whole_name = whole[0].name if whole else ANSWER
        self._whole_kind = type_of(whole[0]) if whole else msgspec.Raw
        self._result = self._compiled(list(answer), layout, [type_of(column) for column in self.columns])

    def values(self, row: AnsweredRow) -> tuple[Any, ...]:
        """Return the values of a row, in the order of the columns; null is None, or JSON's null."""
        answer: Sequence[Any] = ()
        if self._answer is not None:
            parsed = row.parsed
            is_null = parsed is None or parsed == _NULL
            answer = self._answer.nulls if is_null else self._answer.values(parsed)  # type: ignore[arg-type]
        usage: Sequence[Any] = ()
        if self._has_usage:
            reported = row.result.usage
            usage = _NO_USAGE if reported is None else self._usage_of(bytes(reported)) or _NO_USAGE
        result = self._result(row, answer, usage)
        return result if self._own is None else self._own.values(row.columns) + result

    def line(self, row: AnsweredRow) -> bytes:
        """Return the JSON array of a row's cells."""
        return _ENCODE(self.values(row))

    def _answer_of(self, row: AnsweredRow) -> Any:
        """Return the whole answer of a row, where it is one column, by the type of that column."""
        parsed = row.parsed
        if parsed is None or self._whole_kind is msgspec.Raw:
            return parsed
        try:
            return value_of(parsed, self._whole_kind)
        except MISFITS:
            self.misfits[self._whole_name] += 1
            return None

    def _compiled(
        self, answer: Sequence[str], layout: RowLayout, kinds: Sequence[Any]
    ) -> Callable[[AnsweredRow, Sequence[Any], Sequence[Any]], tuple[Any, ...]]:
        """Return a function that returns the values of the result's columns.

        It is compiled from the paths of the columns, as that of :mod:`.row_json`, which says why.

        :param answer: the fields of an answer, in the order in which the function gets them.
        :param kinds: the type of each column of the table, as ``type_of`` returns it.
        """
        names: dict[str, object] = {"layout": layout, "answer_of": self._answer_of}
        values = []
        for number, chosen in enumerate(column.chosen for column in self.columns):
            if chosen is None:
                continue
            if chosen.field is not None and chosen.column.name == ANSWER:
                values.append(f"answer[{answer.index(chosen.field)}]")
            elif chosen.field is not None:
                values.append(f"usage[{USAGE_FIELDS.index(chosen.field)}]")
            elif _is_whole_answer(chosen):
                values.append("answer_of(row)")
            elif chosen.column.unscaled and kinds[number] is int:
                values.append(f"row.{chosen.column.unscaled}")
            elif isinstance(chosen.column.value, str):
                values.append(f"row.{chosen.column.value}")
            else:
                names[f"value_{number}"] = chosen.column.value
                values.append(f"value_{number}(row, layout)")
        made: Callable[[AnsweredRow, Sequence[Any], Sequence[Any]], tuple[Any, ...]] = eval(  # noqa: S307
            f"lambda row, answer, usage: ({''.join(f'{value}, ' for value in values)})", names
        )
        return made


def _is_whole_answer(chosen: ChosenColumn) -> bool:
    return chosen.column.name == ANSWER and chosen.field is None


def _field_of(column: TableColumn, whole: str) -> str | None:
    """Return the field of a column of the result that a column of the table holds; None for any other column."""
    chosen = column.chosen
    return None if chosen is None or chosen.column.name != whole else chosen.field
