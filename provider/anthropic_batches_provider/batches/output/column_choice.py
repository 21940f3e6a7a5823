"""What ``columns=`` chooses, renames and leaves out of the result's columns. Imported when a DAG is parsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError

Leaf = tuple[str, str | None]
"""A column of the result, and the one field of it that is a column of its own in a table; None for the whole."""


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """A choice of the result's columns.

    :param names: pairs of a column and its name in the output; None leaves it out.
    :param is_whole: whether columns that are not named are left out, and the order is that of ``names``.
    """

    names: tuple[tuple[str, str | None], ...] = ()
    is_whole: bool = False

    @classmethod
    def of(cls, columns: Any) -> ColumnChoice:
        """Return the choice of an argument ``columns=``.

        :param columns: None for all; a list of names, in the order of the output; or a dict of the names to change,
            each with the new name, or with None to leave the column out.
        :raises ConfigurationError: it is none of these.
        """
        if columns is None:
            return EVERY_COLUMN
        if isinstance(columns, Mapping):
            return cls(tuple(columns.items()))
        if isinstance(columns, Sequence) and not isinstance(columns, (str, bytes)):
            return cls(tuple((name, name) for name in columns), is_whole=True)
        raise ConfigurationError(
            f"`columns` is {columns!r:.80}. Give a list of column names, or a dict of names with new names."
        )

    def named(self, leaves: Sequence[Leaf]) -> list[tuple[Leaf, str]]:
        """Return the chosen columns in the order of the output, each with its name there.

        A column with fields stands for all of them; a field is chosen by ``{column}_{field}``.

        :param leaves: all columns, in order.
        :raises ConfigurationError: a name is that of no column.
        """
        given = dict(self.names)
        known = {name for name, _ in leaves} | {_plain_name(leaf) for leaf in leaves}
        if unknown := [name for name in given if name not in known]:
            raise ConfigurationError(
                f"`columns` names {unknown[0]!r}, which is no column of the output. Its columns are "
                f"{', '.join(dict.fromkeys(_plain_name(leaf) for leaf in leaves))}."
            )
        if not self.is_whole:
            shown = [(leaf, _name_of(leaf, given)) for leaf in leaves]
        else:
            shown = [
                (leaf, _name_of(leaf, given))
                for name in given
                for leaf in leaves
                if name in (leaf[0], _plain_name(leaf))
            ]
        return [(leaf, name) for leaf, name in shown if name is not None]


EVERY_COLUMN = ColumnChoice()
"""All columns, under their own names."""


def _plain_name(leaf: Leaf) -> str:
    name, field = leaf
    return name if field is None else f"{name}_{field}"


def _name_of(leaf: Leaf, given: Mapping[str, str | None]) -> str | None:
    name, field = leaf
    plain = _plain_name(leaf)
    if plain in given or field is None:
        return given.get(plain, plain)
    of_group = given.get(name, name)
    return of_group and f"{of_group}_{field}" if of_group != "" else field
