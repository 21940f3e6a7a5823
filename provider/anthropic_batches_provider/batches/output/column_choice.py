"""What ``columns=`` chooses, renames and leaves out of the result's columns. Imported when a DAG is parsed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError

Leaf = tuple[str, str | None]
"""A column of the result, and the one field of it that is a column of its own in a table; None for the whole."""

_FORMS = (
    "Give a list of column names, or a dict of names with new names (None leaves a column out; '*': None leaves out "
    "all that the dict does not name)."
)
_ALL_OTHERS = "*"


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
            each with the new name, or with None to leave the column out; ``"*": None`` leaves out all others.
        :raises ConfigurationError: it is none of these, or names a column twice.
        """
        if columns is None:
            return EVERY_COLUMN
        if isinstance(columns, Mapping):
            if not columns:
                return EVERY_COLUMN
            for name, shown in columns.items():
                _check_text(name)
                if shown is not None:
                    _check_text(shown)
            others = columns.get(_ALL_OTHERS)
            if others is not None:
                raise ConfigurationError(f"`columns` gives '*' the name {others!r:.40}. {_FORMS}")
            named = tuple((name, shown) for name, shown in columns.items() if name != _ALL_OTHERS)
            return cls(named, is_whole=_ALL_OTHERS in columns)
        if isinstance(columns, Sequence) and not isinstance(columns, (str, bytes)):
            for name in columns:
                _check_text(name)
            if repeated := _first_repeated(columns):
                raise ConfigurationError(f"`columns` names {repeated!r} twice. Name each column once.")
            return cls(tuple((name, name) for name in columns), is_whole=True)
        given = f" {columns!r:.80}" if isinstance(columns, str) else f" of type {type(columns).__name__}"
        raise ConfigurationError(f"`columns` is{given}. {_FORMS}")

    def mentions(self, column: str) -> bool:
        """Return whether a column of the result, or a field of it, is named."""
        return any(name == column or name.startswith(f"{column}_") for name, _ in self.names)

    def named(self, leaves: Sequence[Leaf], absent: Collection[str] = ()) -> list[tuple[Leaf, str]]:
        """Return the chosen columns in the order of the output, each with its name there.

        A column with fields stands for all of them; a field is chosen by ``{column}_{field}``.

        :param leaves: all columns, in order.
        :param absent: columns that are not in the output unless they are named.
        :raises ConfigurationError: a name is that of no column, a column has no name, or two have the same.
        """
        given = dict(self.names)
        self._check_known(leaves)
        leaves = [leaf for leaf in leaves if leaf[0] not in absent or self.mentions(leaf[0])]
        if not self.is_whole:
            shown = [(leaf, _name_of(leaf, given)) for leaf in leaves]
        else:
            shown = [
                (leaf, _name_of(leaf, given))
                for name in given
                for leaf in leaves
                if name in (leaf[0], plain_name(leaf))
            ]
        found = [(leaf, name) for leaf, name in shown if name is not None]
        _check_names(found)
        return found

    def _check_known(self, leaves: Sequence[Leaf]) -> None:
        plain = [plain_name(leaf) for leaf in leaves]
        known = {name for name, _ in leaves}.union(plain)
        unknown = next((name for name, _ in self.names if name not in known), None)
        if unknown is not None:
            near = [f"parsed_{unknown}"] if f"parsed_{unknown}" in known else get_close_matches(unknown, known, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(
                f"`columns` names {unknown!r}, which is no column of the result here.{meant} {_reason(unknown, leaves)}"
                f"The columns of the result are {', '.join(dict.fromkeys(plain))}. Your own columns are always in the "
                "output, and `columns` does not name them."
            )


EVERY_COLUMN = ColumnChoice()
"""All columns, under their own names."""


def plain_name(leaf: Leaf) -> str:
    """Return the name of a column that no choice renames."""
    name, field = leaf
    return name if field is None else f"{name}_{field}"


def _name_of(leaf: Leaf, given: Mapping[str, str | None]) -> str | None:
    name, field = leaf
    plain = plain_name(leaf)
    if plain in given or field is None:
        return given.get(plain, plain)
    of_group = given.get(name, name)
    if of_group is None:
        return None
    return f"{of_group}_{field}" if of_group else field


def _reason(unknown: str, leaves: Sequence[Leaf]) -> str:
    """Return why a name that the docs know is not known here, as a sentence; "" for other names."""
    if unknown == "message":
        return "The output has the whole message only with include_message=True. "
    if any(unknown.startswith(f"{name}_") for name, field in leaves if name in ("parsed", "usage") and field is None):
        return (
            "Fields of `parsed` and `usage` are columns of their own only in a table: with output_format='parquet' or "
            "'csv', or a SqlTable; those of `parsed` only with an output_schema that is a closed object. "
        )
    return ""


def _check_names(found: Sequence[tuple[Leaf, str]]) -> None:
    repeated = _first_repeated([name for _, name in found])
    if repeated is not None:
        first, second = [plain_name(leaf) for leaf, name in found if name == repeated][:2]
        which = f"{first!r} and {second!r}" if first != second else f"{first!r} twice"
        raise ConfigurationError(
            f"With `columns`, two columns of the output would be named {repeated!r}: {which}. Give one of them another "
            "name, or leave it out."
        )
    nameless = next((leaf for leaf, name in found if not name), None)
    if nameless is not None:
        raise ConfigurationError(
            f"`columns` gives {plain_name(nameless)!r} the empty name. Only a column whose fields become columns can "
            "have it: `parsed` in a table, with an output_schema that is a closed object. Give it a name, or None to "
            "leave it out."
        )


def _check_text(name: Any) -> None:
    if not isinstance(name, str):
        raise ConfigurationError(f"`columns` holds {name!r:.40}, of type {type(name).__name__}. {_FORMS}")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"`columns` holds the name {name!a:.40}, which is no valid text: {error}.") from None


def _first_repeated(names: Sequence[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)
