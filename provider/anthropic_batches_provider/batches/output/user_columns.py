"""Which columns of a row go into the output, and under which names: the rules that need no row.

Invariant: a column of the user and a column of the output never share a name. The rules are applied when a DAG is
parsed too, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from anthropic_batches_provider.batches.output.columns import OUTPUT_COLUMNS
from anthropic_batches_provider.batches.requests.wording import listed
from anthropic_batches_provider.errors import ConfigurationError

ROW_NUMBER_COLUMN = "row_number"
"""The key column of rows that have no key of their own."""

READY_KEY_COLUMN = "key"
"""The key column of ready requests; it holds the user's custom_id."""

ROW_NUMBER_CLASH = (
    "Your rows have a column row_number, but without `key` the output uses that name to number its rows. Set `key`, "
    "such as key='row_number', or leave that column out of `keep`."
)


@dataclass(frozen=True, slots=True)
class UserColumns:
    """The names of key and kept columns, and those that the output needs for itself.

    :param is_chosen: whether ``columns=`` chooses the output's own columns.
    """

    key_columns: tuple[str, ...]
    kept_columns: tuple[str, ...]
    column_prefix: str
    output_columns: frozenset[str]
    is_chosen: bool = False

    @classmethod
    def of(
        cls, key: object, keep: object, column_prefix: object, result_columns: Collection[str] | None = None
    ) -> UserColumns:
        """Return the names that the arguments of the same names give.

        :param result_columns: the names of the output's columns where ``columns=`` chooses them; None for all names
            that any output has, because the task that collects may choose them.
        :raises ConfigurationError: a name is not a string, the key is empty, or a name clashes with an output column.
        """
        if not isinstance(column_prefix, str):
            raise ConfigurationError(f"`column_prefix` is {column_prefix!r:.40}; it must be a string.")
        keys = (ROW_NUMBER_COLUMN,) if key is None else _names(key, "key")
        if not keys:
            raise ConfigurationError("`key` names no column. Name one or more, or leave `key` out to number the rows.")
        named = () if keep == "*" else _names(keep, "keep")
        if key is None and ROW_NUMBER_COLUMN in named:
            raise ConfigurationError(ROW_NUMBER_CLASH)
        kept = tuple(name for name in named if name not in keys)
        reserved = OUTPUT_COLUMNS if result_columns is None else result_columns
        output_columns = frozenset(column_prefix + name for name in reserved)
        columns = cls(keys, kept, column_prefix, output_columns, is_chosen=result_columns is not None)
        columns.refuse_clash((*keys, *kept))
        return columns

    def refuse_clash(self, names: Iterable[str]) -> None:
        """Refuse a user's column that has the name of an output column.

        :raises ConfigurationError: names those columns.
        """
        clashes = [name for name in names if name in self.output_columns]
        if clashes and self.is_chosen:
            raise ConfigurationError(
                f"Your rows and the output both have columns named {listed(clashes)}. Give the output's other names "
                "with `columns=`, or leave them out there, or name other columns in `key` and `keep`."
            )
        if clashes:
            raise ConfigurationError(
                f"Your rows and the output both have columns named {listed(clashes)}. Set `column_prefix=` (now "
                f"{self.column_prefix!r}) to a prefix for the output's own names, such as 'answer_', or name other "
                "columns in `key` and `keep`. A MessageBatchOperator can also rename or leave out the output's with "
                f"`columns=`, such as columns={{{clashes[0]!r}: 'another_name'}}; a MessageBatchSubmitOperator cannot, "
                "because only the task that collects knows `columns`."
            )


def _names(names: object, argument: str) -> tuple[str, ...]:
    """Return one or more names as a tuple without repeats."""
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
        return tuple(dict.fromkeys(names))
    raise ConfigurationError(f"`{argument}` is {names!r:.80}; it must be a column name or a list of column names.")
